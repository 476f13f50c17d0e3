"""Every kind of signal: its examples, its null rule, its documentation."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.schemas.errors import FormulaError, SignalError
from siftset.signals.decider import Decider
from siftset.signals.family import Family, FamilyExample
from siftset.signals.formula.formula import parse
from siftset.signals.registry import KINDS, build, load_builtin

FAMILIES = {kind: load_builtin(kind) for kind in KINDS if kind != "sentiment"}
EXAMPLES = [(family, example) for family in FAMILIES.values() for example in family.examples]


def answer(family: Family, example: FamilyExample) -> bool | float | None:
    signal = family.build("asked", example.parameters, folder=Path())
    column = signal.columns[0]
    empty = pl.Float64 if signal.accepts == "number" else pl.String
    values = pl.Series(column, [example.value], dtype=empty if example.value is None else None)
    bare = signal.returns == "bool" or signal.bounds is not None
    formula = parse("asked" if bare else "asked >= -1e300")
    decided = Decider(formula, {"asked": signal}).decide(values.to_frame())
    if bare:
        return decided.keep[0]
    assert decided.scores is not None
    return decided.scores.struct.field("asked")[0]


@pytest.mark.parametrize(
    ("family", "example"), EXAMPLES, ids=[f"{f.kind}-{i}" for i, (f, _) in enumerate(EXAMPLES)]
)
def test_examples_hold(family: Family, example: FamilyExample):
    assert answer(family, example) == example.expected


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_every_kind_says_what_it_is_and_where_it_comes_from(family: Family):
    assert family.summary.endswith(".")
    assert family.definition
    assert family.parameters.__doc__


WITHOUT_FILES = [kind for kind, family in FAMILIES.items() if family.examples]


@pytest.mark.parametrize("kind", WITHOUT_FILES)
@given(texts=st.lists(st.text(max_size=60) | st.none(), min_size=1, max_size=8))
def test_answers_do_not_depend_on_the_batch(kind: str, texts: list[str | None]):
    signal = FAMILIES[kind].build("asked", FAMILIES[kind].examples[0].parameters, folder=Path())
    if signal.accepts == "number":
        return
    formula = "asked" if signal.returns == "bool" or signal.bounds else "asked >= 0"
    decider = Decider(parse(formula), {"asked": signal})
    frame = pl.DataFrame({signal.columns[0]: texts}, schema={signal.columns[0]: pl.String})
    whole = decider.decide(frame).keep.to_list()
    assert whole == [decider.decide(frame[i : i + 1]).keep[0] for i in range(len(texts))]
    if signal.nulls == "unknown":
        assert all(said is None for said, text in zip(whole, texts, strict=True) if text is None)


def ask(spec: dict, texts: list[str | None], folder: Path = Path()) -> list[float | None]:
    signals = build({"asked": spec}, folder=folder)
    decided = Decider(parse("asked >= -1e300"), signals).decide(pl.DataFrame({"text": texts}))
    assert decided.scores is not None
    return decided.scores.struct.field("asked").to_list()


def test_luhn_and_mod_97_refuse_every_single_wrong_digit():
    from siftset.signals.builtin.pii import passes_luhn, passes_mod_97

    card, account = "4111111111111111", "DE89370400440532013000"
    assert passes_luhn(card)
    assert passes_mod_97(account)
    for place in range(len(card)):
        for digit in "0123456789".replace(card[place], ""):
            assert not passes_luhn(card[:place] + digit + card[place + 1 :])
    for place in range(4, len(account)):
        for digit in "0123456789".replace(account[place], ""):
            assert not passes_mod_97(account[:place] + digit + account[place + 1 :])


def test_readability_agrees_with_a_count_by_hand():
    # 10 words, 2 sentences, 10 syllables: 206.835 - 1.015 * 5 - 84.6 * 1
    assert ask({"readability": {}}, ["The cat sat on the mat. It was so fat."]) == [
        pytest.approx(206.835 - 1.015 * 5 - 84.6)
    ]


def test_repetition_shares_agree_with_a_count_by_hand():
    from siftset.signals.builtin.gopher import repetition_shares

    shares = repetition_shares("a b\na b\nc d")
    assert shares["duplicate_lines"] == pytest.approx(1 / 3)
    assert shares["duplicate_line_chars"] == pytest.approx(3 / 9)
    assert shares["top_2_gram"] == pytest.approx(4 / 6)
    assert shares["duplicate_5_grams"] == 0


def test_a_sample_has_about_its_share_and_depends_on_the_seed():
    texts = [f"text {number}" for number in range(4000)]
    kept = {}
    for seed in (0, 1):
        signals = build({"few": {"sample": {"share": 0.25, "seed": seed}}}, folder=Path())
        kept[seed] = Decider(parse("few"), signals).decide(pl.DataFrame({"text": texts})).keep
        assert 880 < kept[seed].sum() < 1120
    assert kept[0].to_list() != kept[1].to_list()


@pytest.fixture
def references(tmp_path: Path) -> Path:
    pl.DataFrame({"text": ["the quick brown fox jumps over the lazy dog", None]}).write_parquet(
        tmp_path / "known.parquet"
    )
    (tmp_path / "known.txt").write_text("the quick brown fox jumps over the lazy dog\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize("file", ["known.parquet", "known.txt"])
def test_near_duplicate_of_is_the_jaccard_similarity_of_word_trigrams(references: Path, file: str):
    texts = ["The quick brown fox jumps over the lazy dog!", "the quick brown fox sleeps", "else"]
    # 2 of 3 trigrams shared with 7: 2 / (3 + 7 - 2)
    assert ask({"near_duplicate_of": {"file": file}}, texts, references) == [1.0, 2 / 8, 0.0]


def test_drift_grows_with_unknown_words(references: Path):
    known, mixed, strange = ask(
        {"drift": {"file": "known.txt"}},
        ["the quick fox", "the quick zebra", "seven zebras yawn"],
        references,
    )
    assert known is not None
    assert mixed is not None
    assert strange is not None
    assert known < mixed < strange


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"drift": {"file": "absent.txt"}}, "reference 'absent.txt' cannot be read"),
        ({"language": {"code": "qq"}}, "language 'qq' is unknown"),
        ({"perplexity": {"model": "absent"}}, "has no config.json with"),
        ({"readability": {"formula": "fog"}}, "readability.formula"),
        ({"pii": {"items": ["passport"]}}, "pii.items"),
    ],
)
def test_wrong_parameters_are_one_line(tmp_path: Path, spec: dict, message: str):
    with pytest.raises(SignalError, match=message) as caught:
        build({"asked": spec}, folder=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt64, pl.Int128, pl.Decimal(38, 2)])
def test_integers_beyond_floats_are_compared_exactly(dtype):
    limit = 2**53 + 1
    values = pl.Series("n", [limit - 1, limit, limit + 1, 0, None]).cast(dtype)
    exact = load_builtin("number").build("n", {"column": "n", "min": limit}, folder=Path.cwd())
    assert exact.decide(values.to_frame()).keep.to_list() == [False, True, True, False, None]
    other = load_builtin("number").build("n", {"column": "n", "min": limit + 1}, folder=Path.cwd())
    assert exact.fingerprint != other.fingerprint
    both = Decider(parse(f"number(n, min={limit}, max={limit})"), {})
    assert both.decide(values.to_frame()).keep.to_list() == [False, True, False, False, None]
    with pytest.raises(FormulaError, match="beyond 2\\^53, where a score is rounded"):
        parse(f"n >= {limit}")
