from __future__ import annotations

import threading
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siftset.schemas.errors import FormulaError, SignalError
from siftset.schemas.results.columns import STATE
from siftset.signals.decider import Decider
from siftset.signals.decorator import signal
from siftset.signals.formula.formula import Formula, parse
from siftset.signals.formula.tree import AskSignal, FillUnknown, Not, Test, join
from siftset.signals.registry import build
from siftset.signals.signal import Signal

LETTERS = "abcd"


class PoisonError(ValueError):
    """Raised by a signal on a row that says so."""


def _says(name: str, cell: str) -> bool | None:
    """The answer that a cell such as 'a1 b0 c? d!' dictates."""
    code = cell[cell.index(name) + 1]
    if code == "!":
        raise PoisonError(cell)
    return {"1": True, "0": False, "?": None}[code]


def _row(name: str, *, score: bool = False) -> Signal:
    def body(text: str) -> float | None:
        said = _says(name, text)
        return None if said is None else float(said)

    def plain(text: str) -> bool | None:
        return _says(name, text)

    return signal(name=name)(body if score else plain)


def _batch(name: str) -> Signal:
    def body(text: pl.Series) -> pl.Series:
        return pl.Series([_says(name, cell) for cell in text], dtype=pl.Boolean)

    return signal(name=name)(body)


def _expression(name: str) -> Signal:
    def body(text: pl.Expr) -> pl.Expr:
        code = text.str.extract(rf"{name}(.)")
        return pl.when(code != "?").then(code == "1")

    return signal(name=name)(body)


SIGNALS = {
    "a": _expression("a"),
    "b": _batch("b"),
    "c": _row("c"),
    "d": _row("d", score=True),
}
FORMULA_LEAVES = st.one_of(
    st.sampled_from("abc").map(AskSignal),
    st.sampled_from([Test(">=", 0.5), Test("<", 0.5), Test("!=", 1.0)]).map(
        lambda test: AskSignal("d", test=test)
    ),
)
FORMULAS = st.recursive(
    FORMULA_LEAVES,
    lambda children: st.one_of(
        st.builds(Not, children),
        st.builds(FillUnknown, children, st.booleans()),
        st.builds(
            lambda symbol, terms: join(symbol, *terms),
            st.sampled_from("&|^"),
            st.lists(children, min_size=2, max_size=3),
        ),
    ),
    max_leaves=8,
)
CODES = st.sampled_from("10?!")
CELLS = st.none() | st.tuples(st.sampled_from("10?"), CODES, CODES, CODES).map(
    lambda codes: " ".join(f"{name}{code}" for name, code in zip(LETTERS, codes, strict=True))
)


def _oracle(node, cell: str | None) -> bool | None:
    """Kleene's tables, one row and one node at a time."""
    if isinstance(node, AskSignal):
        try:
            said = None if cell is None else _says(node.signal, cell)
        except PoisonError:
            said = None
        if node.test is None or said is None:
            return said
        value = float(said)
        return {">=": value >= 0.5, "<": value < 0.5, "!=": value != 1.0}[node.test.symbol]
    if isinstance(node, Not):
        said = _oracle(node.term, cell)
        return None if said is None else not said
    if isinstance(node, FillUnknown):
        said = _oracle(node.term, cell)
        return node.value if said is None else said
    said = [_oracle(term, cell) for term in node.terms]
    decides = {"&": False, "|": True}.get(node.symbol)
    if decides is not None and decides in said:
        return decides
    if None in said:
        return None
    return sum(said) % 2 == 1 if node.symbol == "^" else not decides


def _blamed(node, cell: str | None) -> bool:
    """Whether an unknown answer has a fault among its causes."""
    if cell is None or _oracle(node, cell) is not None:
        return False
    if isinstance(node, AskSignal):
        return f"{node.signal}!" in cell
    terms = node.terms if hasattr(node, "terms") else (node.term,)
    return any(_blamed(term, cell) for term in terms)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FORMULAS, st.lists(CELLS, min_size=1, max_size=40), st.integers(1, 50), st.booleans())
def test_the_plan_never_changes_a_row(tree, cells, size, measure):
    frame = pl.DataFrame({"text": cells}, schema={"text": pl.String})
    expected = [_oracle(tree, cell) for cell in cells]
    blamed = [_blamed(tree, cell) for cell in cells]
    used = {name: SIGNALS[name] for name in Formula(tree).names}
    for order in ("auto", "pinned"):
        decider = Decider(Formula(tree), used, order=order)
        decider.minimum_rows = 1 if measure else 10**9
        starts = range(0, len(cells), size)
        parts = [decider.decide(frame[start : start + size]) for start in starts]
        kept = [value for part in parts for value in part.keep]
        assert kept == expected
        assert [value for part in parts for value in part.faulted] == blamed
        _check_clauses(decider, parts, kept)
        figures = decider.statistics()
        assert figures.rows == len(cells)
        assert figures.kept == expected.count(True)
        for found in figures.signals.values():
            assert found.evaluated + found.skipped == len(cells)


def _check_clauses(decider, parts, kept):
    clauses = [value for part in parts for value in part.clause]
    assert [clause is None for clause in clauses] == [value is True for value in kept]
    assert all(parse(clause) for clause in set(clauses) - {None})


def test_decisions_are_recorded():
    frame = pl.DataFrame({"text": ["a1 b0 c1 d1", "a0 b1 c1 d0", None, "a1 b1 c1 d1"]})
    made = Decider(parse("a & b & (d >= 0.5)"), SIGNALS).decide(frame)
    assert made.keep.to_list() == [False, False, None, True]
    assert made.clause.to_list() == ["b", "a", "a", None]
    assert made.signals.struct.unnest().rows() == [
        ("true", "false", "skipped"),
        ("false", "skipped", "skipped"),
        ("unknown", "unknown", "unknown"),
        ("true", "true", "true"),
    ]
    assert made.signals.struct.unnest().dtypes == [STATE] * 3
    assert made.scores is not None
    assert made.scores.struct.field("d").to_list() == [None, None, None, 1.0]
    assert made.to_frame().columns == ["keep", "signals", "clause", "faulted", "scores"]


def test_an_expensive_signal_sees_only_undecided_rows():
    seen: list[str] = []

    @signal
    def slow(text: str) -> bool:
        seen.append(text)
        return True

    frame = pl.DataFrame({"text": ["a1 x", "a0 y", None, "a1 x"]})
    made = Decider(parse("slow & a"), {"slow": slow, "a": SIGNALS["a"]}).decide(frame)
    assert made.keep.to_list() == [True, False, None, True]
    assert seen == ["a1 x"] * 2  # the second time to see that it answers the same


def test_a_pinned_order_asks_as_written():
    asked: list[str] = []

    @signal
    def first(text: str) -> bool:
        asked.append("first")
        return False

    frame = pl.DataFrame({"text": ["a1"]})
    decider = Decider(parse("first & a"), {"first": first, "a": SIGNALS["a"]}, order="pinned")
    made = decider.decide(frame)
    assert asked == ["first"] * 2  # the second time to see that it answers the same
    assert made.signals.struct.field("a").to_list() == ["skipped"]


def test_the_planner_puts_the_selective_and_cheap_signal_first():
    calls = {"common": 0, "rare": 0}

    def counted(name: str, share: int):
        def body(text: pl.Series) -> pl.Series:
            calls[name] += len(text)
            return text.cast(pl.Int64) % share == 0

        return signal(name=name)(body)

    known = {"common": counted("common", 1), "rare": counted("rare", 50)}
    frame = pl.DataFrame({"text": [str(number) for number in range(20_000)]})
    decider = Decider(parse("common & rare"), known)
    made = decider.decide(frame)
    assert made.keep.sum() == 400
    assert calls["rare"] >= 20_000
    assert calls["common"] < 4_000
    assert decider.statistics().plans == 1
    found = decider.statistics().signals
    assert (found["rare"].position, found["common"].position) == (0, 1)
    assert found["common"].skipped == 19_600


def test_drifting_data_is_planned_again():
    def word(name: str):
        def body(text: pl.Series) -> pl.Series:
            return text.str.contains(name, literal=True)

        return signal(name=name)(body)

    known = {"x": word("x"), "y": word("y")}
    early = pl.DataFrame({"text": ["x"] * 5_000 + ["xy"] * 50})
    late = pl.DataFrame({"text": ["y"] * 5_000 + ["xy"] * 50})
    decider = Decider(parse("x & y"), known)
    for _ in range(3):
        assert decider.decide(early).keep.sum() == 50
    before = decider.statistics().signals
    assert (before["y"].position, before["x"].position) == (0, 1)
    for _ in range(10):
        assert decider.decide(late).keep.sum() == 50
    after = decider.statistics()
    assert after.plans >= 2
    assert (after.signals["x"].position, after.signals["y"].position) == (0, 1)


def test_a_signal_that_becomes_dear_is_asked_later():
    """The rates stay the same; only what the first signal costs does not."""

    @signal
    def guess(text: pl.Series) -> pl.Series:
        time.sleep(8e-5 * int(text.str.contains("slow").sum()))
        return text.str.contains("x")

    @signal
    def check(text: pl.Series) -> pl.Series:
        time.sleep(1e-5 * len(text))
        return text.str.contains("y")

    early = pl.DataFrame({"text": ["x", "y", "xy", ""] * 1_200})
    late = early.select(text="slow " + pl.col("text"))
    decider = Decider(parse("guess & check"), {"guess": guess, "check": check})
    assert [decider.decide(early).keep.sum() for _ in range(4)] == [1_200] * 4
    before = decider.statistics()
    assert (before.signals["guess"].position, before.signals["check"].position) == (0, 1)
    assert [decider.decide(late).keep.sum() for _ in range(9)] == [1_200] * 9
    after = decider.statistics()
    assert after.plans >= 2
    assert (after.signals["check"].position, after.signals["guess"].position) == (0, 1)


def test_threads_share_a_decider():
    decider = Decider(parse("a & c & (d >= 0.5)"), SIGNALS)
    frame = pl.DataFrame({"text": ["a1 b1 c1 d1", "a1 b1 c0 d1", None] * 2_000})
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(decider.decide(frame).keep.sum()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [2_000] * 4
    assert decider.statistics().rows == 4 * 6_000


def test_statistics_add_up():
    frame = pl.DataFrame({"text": ["a1 b1", "a0 b1", "a1 b?"]})
    known = {"a": SIGNALS["a"], "b": SIGNALS["b"]}
    whole, left, right = (Decider(parse("a & b"), known) for _ in range(3))
    whole.decide(frame)
    left.decide(frame[:1])
    right.decide(frame[1:])
    both, one = left.statistics() + right.statistics(), whole.statistics()
    assert (both.rows, both.kept, both.unknown) == (one.rows, one.kept, one.unknown) == (3, 1, 1)
    for name in "ab":
        for key in ("true", "false", "unknown", "skipped", "position"):
            assert getattr(both.signals[name], key) == getattr(one.signals[name], key)
    assert both.to_json()["signals"]["a"]["selectivity"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("a & dd", FormulaError, "did you mean 'd'"),
        ("a & d", SignalError, "compare it, as in  d >= 0.5"),
        ("a >= 1", SignalError, "answers yes or no"),
        ("keywrod(words=['x'])", SignalError, "did you mean 'keyword'"),
        ("length(mni=3)", SignalError, "did you mean 'min'"),
    ],
)
def test_a_formula_that_does_not_fit_its_signals(formula, error, message):
    with pytest.raises(error, match=message):
        Decider(parse(formula), SIGNALS)


def test_a_missing_column_is_named():
    decider = Decider(parse("a"), SIGNALS)
    with pytest.raises(SignalError, match=r"column 'text', which the data lacks.*'txt'"):
        decider.decide(pl.DataFrame({"txt": ["a1"]}))


def test_inline_signals_and_bounds():
    frame = pl.DataFrame({"text": ["nike shoes", "Monike", None, ""]})
    known = build({"short": {"length": {"max": 6}}}, folder=Path.cwd())
    made = Decider(parse("keyword(words=['NIKE']) | short | is_null(text)"), known).decide(frame)
    assert made.keep.to_list() == [True, True, True, True]
    made = Decider(parse("short & (short >= 1)"), known).decide(frame)
    assert made.keep.to_list() == [False, True, None, False]


def test_an_empty_frame_has_no_decisions():
    made = Decider(parse("a & b"), SIGNALS).decide(pl.DataFrame(schema={"text": pl.String}))
    assert made.to_frame().height == 0


def test_the_hash_covers_formula_and_signals():
    specs = {"short": {"length": {"max": 6}}, "long": {"length": {"min": 6}}}
    known = build(specs, folder=Path.cwd())
    other = build({**specs, "short": {"length": {"max": 7}}}, folder=Path.cwd())
    assert Decider(parse("short & long"), known).hash == Decider(parse("long & short"), known).hash
    assert Decider(parse("short & long"), known).hash != Decider(parse("short & long"), other).hash
    assert known["short"].score_fingerprint == other["short"].score_fingerprint
