from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.schemas.errors import SignalError
from siftset.signals.analysis import analyse
from siftset.signals.decider import Decider
from siftset.signals.decorator import preprocessor, signal
from siftset.signals.evaluation.score_cache import Recalled, RowKeys, content_keys
from siftset.signals.family import Family, Thresholds
from siftset.signals.formula.formula import parse
from siftset.signals.registry import build, load_kinds
from siftset.signals.signal import Signal

CALLS: list[str] = []


class PoisonError(ValueError):
    """Raised by a signal on a row that says so."""


@signal
def size(text: str) -> float | None:
    """Length; odd ones are unknown, and an exclamation mark is a fault."""
    CALLS.append(text)
    if "!" in text:
        raise PoisonError(text)
    return None if len(text) == 3 else float(len(text))


@signal
def early(text: pl.Series) -> pl.Series:
    CALLS.extend(text)
    return text < "b"


@preprocessor
def half(text: str) -> str:
    if "?" in text:
        raise PoisonError(text)
    return text[::2]


@signal(pre=[half])
def vowel(half: str) -> bool:
    CALLS.append(half)
    return "a" in half


@signal(nulls="handle")
def pair(text: str | None, stars: float | None) -> bool | None:
    CALLS.append(str(text))
    return None if text is None else stars is not None and stars > 2


class MemoryShelf:
    """Every answer in a dictionary, whatever it cost."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], float] = {}

    pays = True

    def find(self, keys: RowKeys) -> Recalled:
        rows = list(zip(keys.key.tolist(), keys.check.tolist(), strict=True))
        known = np.array([row in self.known for row in rows], bool)
        answers = [self.known[row] for row in rows if row in self.known]
        return Recalled(known, np.array(answers, np.float64))

    def ran(self, rows: int, seconds: float) -> bool:
        return True

    def add(self, keys: RowKeys, answers) -> None:
        rows = zip(keys.key.tolist(), keys.check.tolist(), strict=True)
        self.known.update(zip(rows, answers.tolist(), strict=True))


class _Bools(NamedTuple):
    shelf: MemoryShelf

    pays = True

    def find(self, keys: RowKeys) -> Recalled:
        found = self.shelf.find(keys)
        return Recalled(found.known, found.answers.astype(np.uint8))

    def ran(self, rows: int, seconds: float) -> bool:
        return True

    def add(self, keys: RowKeys, answers) -> None:
        self.shelf.add(keys, answers)


class MemoryCache:
    def __init__(self) -> None:
        self.shelves: dict[str, MemoryShelf] = {}

    def shelf(self, signal: Signal) -> MemoryShelf | _Bools:
        shelf = self.shelves.setdefault(signal.score_fingerprint, MemoryShelf())
        return shelf if signal.returns == "score" else _Bools(shelf)

    def close(self) -> tuple[str, ...]:
        return ()


SIGNALS = {"size": size, "early": early, "vowel": vowel, "pair": pair}
FORMULAS = [
    "size >= 3", "(size < 3) | early", "~(size >= 2) & vowel", "pair & (size > 1)", "pair | vowel",
    "early ^ vowel", "(size >= 4).fill(True) & ~pair", "early & vowel & pair & (size > 0)",
]  # fmt: skip
TEXTS = st.none() | st.text("ab!?", max_size=4)
ROWS = st.lists(st.tuples(TEXTS, st.none() | st.sampled_from([1.0, 3.0])), max_size=12)
STEPS = st.lists(st.tuples(st.sampled_from(FORMULAS), ROWS), min_size=1, max_size=5)


def _frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"text": pl.String, "stars": pl.Float64}, orient="row")


def _same(found, expected) -> None:
    assert found.keep.equals(expected.keep)
    assert found.signals.equals(expected.signals)
    assert found.clause.equals(expected.clause)
    assert found.faulted.equals(expected.faulted)
    assert [(f.signal, f.row, f.error) for f in found.faults] == [
        (f.signal, f.row, f.error) for f in expected.faults
    ]
    assert (found.scores is None) == (expected.scores is None)
    assert found.scores is None or found.scores.equals(expected.scores)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_any_sequence_of_formulas_and_rows_is_decided_as_without_a_cache(steps):
    cache = MemoryCache()
    for text, rows in steps:
        frame = _frame(rows)
        formula = parse(text)
        cached = Decider(formula, SIGNALS, cache=cache).decide(frame)
        _same(cached, Decider(formula, SIGNALS).decide(frame))


def test_a_changed_threshold_or_formula_scores_nothing_again():
    cache = MemoryCache()
    frame = _frame([(text, 1.0) for text in ("a", "bb", "bab", "abba", "a")])
    Decider(parse("(size >= 3) ^ early"), SIGNALS, cache=cache).decide(frame)
    CALLS.clear()
    decider = Decider(parse("early & (size >= 2) & (size < 9)"), SIGNALS, cache=cache)
    decider.decide(frame)
    assert not CALLS
    found = decider.statistics().signals["early"]
    assert (found.ran, found.cached) == (0, 5)


def test_only_new_rows_are_scored():
    cache = MemoryCache()
    Decider(parse("size >= 2"), SIGNALS, cache=cache).decide(_frame([("a", 1.0), ("bb", 1.0)]))
    CALLS.clear()
    decider = Decider(parse("size >= 2"), SIGNALS, cache=cache)
    decider.decide(_frame([("bb", 3.0), ("new", 1.0), (None, 1.0), ("a", None)]))
    assert CALLS == ["new"]
    found = decider.statistics().signals["size"]
    assert (found.ran, found.cached, found.evaluated) == (1, 2, 4)


def test_faults_are_not_stored():
    cache = MemoryCache()
    frame = _frame([("a!", 1.0), ("a", 1.0)])
    for _ in range(2):
        CALLS.clear()
        made = Decider(parse("size >= 1"), SIGNALS, cache=cache).decide(frame)
        assert made.faulted.to_list() == [True, False]
    assert CALLS == ["a!"]


def test_analysis_asks_only_what_was_not_asked():
    cache = MemoryCache()
    frame = _frame([("b", 1.0), ("a", 1.0), ("bb", 1.0)])
    formula = parse("early & (size >= 1)")
    Decider(formula, SIGNALS, cache=cache).decide(frame)
    CALLS.clear()
    with_cache = analyse(formula, SIGNALS, frame, cache=cache)
    assert CALLS == ["b", "bb"]
    assert with_cache == analyse(formula, SIGNALS, frame)


def test_the_sample_of_a_plan_asks_the_cache_too():
    cache = MemoryCache()
    frame = _frame([(f"a{'b' * (i % 7)}", 1.0) for i in range(300)])
    formula = parse("early & (size >= 2)")
    for step in range(2):
        CALLS.clear()
        decider = Decider(formula, SIGNALS, cache=cache)
        decider.minimum_rows = 10
        decider.decide(frame)
        assert decider.statistics().plans == 1
        assert bool(CALLS) == (step == 0)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": ["x"], "b": ["yz"]}, {"a": ["xy"], "b": ["z"]}),
        ({"a": ["1"], "b": ["z"]}, {"a": [1], "b": ["z"]}),
        ({"a": [1]}, {"a": [1.0]}),
        ({"a": [0.0]}, {"a": [-0.0]}),
        ({"a": [None], "b": ["z"]}, {"a": ["~"], "b": ["z"]}),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}),
        ({"a": [date(2024, 1, 1)]}, {"a": [date(2024, 1, 2)]}),
        ({"a": [0.1]}, {"a": [0.1 + 2**-56]}),
    ],
)
def test_different_rows_have_different_keys(left, right):
    a, b = content_keys(pl.DataFrame(left)), content_keys(pl.DataFrame(right))
    assert a is not None
    assert b is not None
    assert not np.array_equal(a.key, b.key)
    assert not np.array_equal(a.check, b.check)


@given(st.lists(st.tuples(st.text(max_size=3), st.none() | st.integers(-3, 3)), max_size=9))
def test_equal_rows_have_equal_keys_in_any_frame(rows):
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Int64}, orient="row")
    whole = content_keys(frame)
    assert whole is not None
    for row in range(frame.height):
        one = content_keys(frame[row : row + 1])
        assert one is not None
        assert (one.key[0], one.check[0]) == (whole.key[row], whole.check[row])
        for other in range(frame.height):
            same = rows[row] == rows[other]
            assert (whole.key[row] == whole.key[other]) == same


def test_columns_without_a_canonical_text_are_not_stored():
    assert content_keys(pl.DataFrame({"a": [[1]]})) is None
    assert content_keys(pl.DataFrame({"a": [{"b": 1}]})) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"length": {"min": 3}}, {"length": {"min": 4}}),
        ({"sentiment": {"min": 0.05}}, {"sentiment": {"max": 0.3}}),
        ({"sentiment": {}}, {"positive": {}}),
    ],
)
def test_a_threshold_leaves_the_scores_identity_alone(before, after, tmp_path):
    made = build({"a": before, "b": after}, folder=tmp_path)
    if made["a"].returns == "score":
        assert made["a"].score_fingerprint == made["b"].score_fingerprint
    assert made["a"].fingerprint != made["b"].fingerprint


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"keyword": {"words": ["nike"]}}, {"keyword": {"words": ["nikes"]}}),
        ({"length": {"unit": "words"}}, {"length": {"unit": "chars"}}),
        ({"sentiment": {}}, {"sentiment": {"column": "title"}}),
        ({"regex": {"pattern": "a"}}, {"regex": {"pattern": "b"}}),
    ],
)
def test_another_parameter_or_list_changes_the_scores_identity(before, after, tmp_path):
    made = build({"a": before, "b": after}, folder=tmp_path)
    assert made["a"].score_fingerprint != made["b"].score_fingerprint


def test_limits_that_shape_a_yes_or_no_are_part_of_its_identity(tmp_path):
    """Only bounds of a score may be left out; a body that knows its limits must not be."""
    for kind, family in load_kinds().items():
        if not isinstance(family, Family) or not issubclass(family.parameters, Thresholds):
            continue
        given = next((dict(sample.parameters) for sample in family.examples), {})
        try:
            low = family.build("x", {**given, "min": 1, "max": None}, folder=tmp_path)
            high = family.build("x", {**given, "min": 2, "max": None}, folder=tmp_path)
        except SignalError:
            continue  # models and references need files of their own
        same = low.score_fingerprint == high.score_fingerprint
        assert not same or (low.returns == "score" and low.bounds != high.bounds), kind
