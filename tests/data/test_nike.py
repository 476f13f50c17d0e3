"""The shipped nike recipe keeps what it promises, and its probes measure something else."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.sources import open_sources
from siftset.pipeline.sources.lexicon import load_lexicon
from siftset.schemas.recipe.loading import load_recipe
from siftset.signals.decider import Decider
from siftset.signals.formula.formula import parse
from siftset.signals.registry import build

LISTS = Path(str(resources.files("siftset.data"))) / "lists"
FILTERS = ("nike_products", "praise", "criticism")
PROBES = ("positive_probe", "negative_probe")
MEASURED = ("nike_positive", "nike_negative")


def entries(name: str) -> list[str]:
    lines = (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def words(phrases: object) -> set[str]:
    return {word for phrase in phrases for word in phrase.lower().split()}


@pytest.mark.parametrize("name", [*FILTERS, *PROBES, *MEASURED])
def test_lists_have_no_entry_twice(name):
    assert len(entries(name)) == len(set(entries(name)))
    assert all(entry == entry.strip().lower() for entry in entries(name))


@pytest.mark.parametrize("probe", PROBES)
def test_probes_share_no_word_with_synthesis_or_filters(probe):
    lexicon = load_lexicon("nike", Path.cwd())
    made = words(
        [*lexicon.templates, *lexicon.positive, *lexicon.negative]
        + [entry for slot in lexicon.lists.values() for entry in slot]
    )
    filters = words(entry for name in FILTERS for entry in entries(name))
    assert len(entries(probe)) >= 60
    assert words(entries(probe)) & (made | filters) == set()
    assert len(words(entries(probe))) == len(entries(probe))


def test_probes_are_opposed():
    assert not set(entries(PROBES[0])) & set(entries(PROBES[1]))
    assert not set(entries(MEASURED[0])) & set(entries(MEASURED[1]))


def test_what_the_demo_measures_holds_its_adjectives_and_the_probes():
    lexicon = load_lexicon("nike", Path.cwd())
    for name, probe, made in zip(
        MEASURED, PROBES, (lexicon.positive, lexicon.negative), strict=True
    ):
        single = {adjective for adjective in made if " " not in adjective}
        assert {*entries(probe), *single} <= set(entries(name))


def test_filter_lists_are_no_copy_of_the_synthesis():
    lexicon = load_lexicon("nike", Path.cwd())
    for name, made in (("praise", lexicon.positive), ("criticism", lexicon.negative)):
        assert set(entries(name)) - set(made)
        assert set(made) - set(entries(name))


def test_no_negative_row_is_kept_and_every_wanted_one_is():
    loaded = load_recipe("nike")
    signals = build(loaded.recipe.signals, folder=loaded.folder)
    decider = Decider(parse(loaded.recipe.keep), signals)
    sources = open_sources(loaded.recipe, loaded.folder)
    frames = [batch.frame for shard in sources.shards for batch in shard.read_batches()]
    frame = pl.concat(frames).filter(pl.col("text").is_not_null())
    kept = frame.filter(decider.decide(frame).keep.fill_null(False))
    assert set(kept["label"]) == {"positive"}
    nike = frame.filter(pl.col("text").str.contains(r"(?i)\bnike\b"), label="positive")
    assert kept.height == nike.height > 8_000
