from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.sources import Sources, open_sources
from siftset.pipeline.sources.lexicon import load_lexicon
from siftset.pipeline.sources.synthesize import Synthesizer, draw_bits
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.source import Synthesize

rows = Sources.frame

NIKE = load_lexicon("nike", Path.cwd())


def synthesis(seed: int = 7, prepare: dict[str, object] | None = None, **config: object) -> Sources:
    recipe = Recipe.model_validate(
        {
            "name": "x",
            "output": "o",
            "seed": seed,
            "source": {"synthesize": {"lexicon": "nike", **config}},
            "prepare": prepare or {},
            "keep": "a",
        }
    )
    return open_sources(recipe, Path.cwd())


def test_shares_are_exact_and_null_rows_keep_their_label():
    found = rows(synthesis(rows=25_000, null_share=0.05, negative_share=0.25))
    assert found.height == 25_000
    assert found["text"].null_count() == 1_250
    assert (found["label"] == "negative").sum() == 6_250
    assert found["label"].null_count() == 0
    per_block = found.group_by(pl.col("source").struct.field("record") // 1_000).agg(
        null=pl.col("text").null_count(), negative=(pl.col("label") == "negative").sum()
    )
    assert set(per_block["null"]) == {50}
    assert set(per_block["negative"]) == {250}


def test_a_share_below_one_a_block_is_exact_over_blocks():
    assert rows(synthesis(rows=10_000, null_share=0.0004))["text"].null_count() == 4
    assert rows(synthesis(rows=3_000, null_share=1.0))["text"].null_count() == 3_000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 5_000), st.integers(1, 700), st.integers(0, 2_500))
def test_a_row_depends_on_the_seed_and_its_number_only(seed, start, length, before):
    config = Synthesize(lexicon="nike", rows=10_000, null_share=0.05)
    maker = Synthesizer(NIKE, config, seed)
    part = maker.make_rows(start, start + length)
    low = max(0, start - before)
    assert maker.make_rows(low, start + length + 3)[start - low : start - low + length].equals(part)


def test_more_rows_keep_the_earlier_ones():
    few, many = rows(synthesis(rows=1_500)), rows(synthesis(rows=120_001))
    assert many.head(1_500).equals(few)
    assert many["row_id"].n_unique() == 120_001


def test_rows_are_frozen():
    found = rows(synthesis(rows=3, negative_share=0.0))
    assert found["row_id"].to_list() == ROW_IDS
    assert found["text"].to_list() == TEXTS


ROW_IDS = [
    "0e6f23c526975ef27db659d44cee0750",
    "5427714b5fff52b6984b0cdd391e84b4",
    "7d60386bfd87aabeaf758d3f06810a1a",
]
TEXTS = [
    "Lululemon soccer cleats offer the experience of being cushioned",
    "sneakers made by Nike have become recommended by trainers",
    "Mizuno leggings are famous for being versatile",
]


def test_another_seed_gives_other_rows():
    assert not rows(synthesis(seed=1, rows=100))["text"].equals(rows(synthesis(rows=100))["text"])


def test_weights_hold():
    texts = rows(synthesis(rows=40_000))["text"]
    companies = {name: texts.str.contains(rf"\b{name}\b").sum() for name in NIKE.lists["company"]}
    others = [count for name, count in companies.items() if name != "Nike"]
    assert sum(companies.values()) == 40_000
    assert companies["Nike"] == pytest.approx(40_000 * 7 / 15, rel=0.03)
    assert others == pytest.approx([40_000 / 15] * 8, rel=0.08)
    assert texts.str.contains("made by").mean() == pytest.approx(0.5, abs=0.01)


def test_the_label_says_which_adjective_was_used():
    found = rows(synthesis(rows=5_000))
    for label, adjectives in (("positive", NIKE.positive), ("negative", NIKE.negative)):
        texts = found.filter(pl.col("label") == label)["text"]
        ending = texts.map_elements(
            lambda text: any(text.endswith(f" {word}") for word in adjectives),  # noqa: B023
            return_dtype=pl.Boolean,
        )
        assert ending.all()


def test_the_shipped_lexicon_has_the_shape_of_the_original():
    counts = [len(NIKE.lists[name]) for name in ("company", "joiner", "product")]
    assert counts == [9, 11, 24]
    assert (len(NIKE.positive), len(NIKE.negative), len(NIKE.templates)) == (43, 25, 2)
    assert len(set(NIKE.templates.values())) == 1
    assert Counter(NIKE.lists["company"].values()) == {1.0: 8, 7.0: 1}


def test_draws_are_even_and_streams_independent():
    numbers = np.arange(100_000, dtype=np.uint64)
    one, other = (draw_bits(numbers, seed=3, stream=stream) >> np.uint64(60) for stream in (0, 1))
    expected = 100_000 / 256
    counts = np.bincount((one * 16 + other).astype(np.int64), minlength=256)
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert 150 < chi_squared < 370


def test_limits_and_prepare_apply():
    found = rows(synthesis(rows=1_000, prepare={"take": 10, "columns": {"sentence": "text"}}))
    assert found.columns == ["row_id", "source", "sentence", "label"]
    assert found.height == 10


def test_a_lexicon_of_ones_own(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(
        "templates: ['{thing} {thing} is {adjective}']\nlists: {thing: [a, b]}\n"
        "adjectives: {positive: [good], negative: [bad]}\n"
    )
    texts = rows(synthesis(rows=200, lexicon=str(tmp_path / "mine.yaml")))["text"]
    assert set(texts) == {f"{x} {y} is {z}" for x in "ab" for y in "ab" for z in ("good", "bad")}


GOOD = "adjectives: {positive: [good], negative: [bad]}\n"
LEXICONS = [
    ("templates: ['{x} {adjective}']\nlists: {}\n" + GOOD, r"slot {x}; expected one of adjective"),
    ("templates: ['x']\nlists: {}\n" + GOOD, "has no {adjective}"),
    ("templates: ['{adjective}']\nlists: {}\n", "adjectives: Field required"),
    ("templates: ['{adjective}']\nlists: {a: {b: -1}}\n" + GOOD, "should be greater than 0"),
    ("templates: []\nlists: {}\n" + GOOD, "templates"),
    ("- a", "expected a mapping"),
]


@pytest.mark.parametrize(("text", "message"), LEXICONS)
def test_mistakes_in_a_lexicon(text, message, tmp_path):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SourceError, match=message) as raised:
        synthesis(lexicon=str(tmp_path / "bad.yaml"))
    assert str(raised.value).startswith(f"lexicon {tmp_path / 'bad.yaml'}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nikee", "no shipped lexicon has this name; expected one of nike"),
        ("./no.yaml", "cannot be"),
    ],
)
def test_a_lexicon_that_is_not_there(name, message):
    with pytest.raises(SourceError, match=message):
        synthesis(lexicon=name)
