from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from siftset.schemas.errors import SignalError
from siftset.signals.analysis import PAIRED, analyse
from siftset.signals.decider import Decider
from siftset.signals.decorator import signal
from siftset.signals.evaluation.explain import explain, explain_row
from siftset.signals.evaluation.statistics import SignalStatistics, Statistics
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.formula import parse
from siftset.signals.formula.tree import AskSignal, Node, Op, join, show
from siftset.signals.laws import check_laws
from siftset.signals.registry import build, load_builtin, load_kinds
from siftset.signals.signal import Signal

TEXTS = ["nike shoe good", "nike shoe", "shoe good", "nike good", None, "nike bad", "x"]
FRAME = pl.DataFrame({"text": TEXTS})
KNOWN = build(
    {
        "nike": {"keyword": {"words": ["nike"]}},
        "thing": {"regex": {"pattern": "[a-z]"}},
        "good": {"keyword": {"words": ["good"]}},
        "bad": {"keyword": {"words": ["bad"]}},
        "size": {"length": {}},
    },
    folder=Path.cwd(),
)


def test_contributions_have_denominators():
    found = analyse(parse("nike & thing & (good | (size >= 9)) & ~bad"), KNOWN, FRAME)
    assert (found.rows, found.kept, found.unknown) == (7, 3, 1)
    nike = found.signals["nike"]
    assert (nike.true, nike.false, nike.unknown) == (4, 2, 1)
    assert (nike.removes, nike.admits, nike.kept_without) == (1, 0, 4)
    assert found.signals["thing"].redundant
    assert found.signals["bad"].redundant
    assert found.signals["size"].admits == 1
    assert found.signals["good"].redundant
    assert found.agreement["nike", "good"] == (3, 6)
    assert [text for text in found.warnings if "'thing' removes nothing" in text] == [
        "signal 'thing' removes nothing: without it the formula keeps the same 3 of 7 rows"
    ]


def test_labels_give_precision_recall_and_the_wrong_rows():
    labels = pl.Series([True, False, True, True, True, False, None])
    found = analyse(parse("nike & good"), KNOWN, FRAME, labels=labels)
    nike = found.signals["nike"]
    assert nike.quality is not None
    assert found.quality is not None
    assert (nike.quality.precision, nike.quality.recall) == (0.5, pytest.approx(2 / 3))
    assert nike.wrong == (1, 2, 5)
    assert (found.quality.precision, found.quality.recall) == (1.0, 0.5)
    with pytest.raises(SignalError, match="expected 7 Booleans, found 1 of Int64"):
        analyse(parse("nike"), KNOWN, FRAME, labels=pl.Series([1]))


def test_analyses_add_up_and_become_json():
    formula = parse("nike & ~bad")
    labels = pl.Series([True, False, True, True, True, False, None])
    whole = analyse(formula, KNOWN, FRAME, labels=labels)
    parts = [analyse(formula, KNOWN, FRAME[a:b], labels=labels[a:b]) for a, b in ((0, 3), (3, 7))]
    added = (parts[0] + parts[1]).to_json()
    expected = whole.to_json()
    for side in (added, expected):
        for found in side["signals"].values():
            found.pop("wrong")
    assert added == expected
    assert json.loads(json.dumps(expected))["signals"]["nike"]["true_share"] == pytest.approx(4 / 7)


LETTERS = {name: {"keyword": {"words": [name]}} for name in "abcd"}
LETTER_TEXTS = ["".join(f"{name} " for name, has in zip("abcd", some, strict=True) if has)
                for some in itertools.product([False, True], repeat=4)]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "a & b & c & ~d",
        "(a | b) & (c ^ ~d)",
        "~(a & (b | ~c)) ^ d",
        "(a & b) | (~a & c) | d",
        "a & b & ~a",
        "(a ^ a) | b.fill(True)",
        "~(b | c).fill(False) & a",
    ],
)
def test_leaving_a_signal_out_is_asking_the_formula_without_it(text):
    """Held against formulas that are written anew without the signal, nulls among the rows."""
    frame = pl.DataFrame({"text": [*LETTER_TEXTS, None]})
    known = build(LETTERS, folder=Path.cwd())
    formula = parse(text)
    found = analyse(formula, known, frame)
    for name in formula.names:
        rest = _leave_out(formula.root, name)
        kept = frame.height
        if rest is not None:
            kept = int(Decider(parse(show(rest)), known).decide(frame).keep.fill_null(False).sum())
        assert found.signals[name].kept_without == kept, name
    for node, rows in found.nodes.items():
        decided = Decider(parse(node), known).decide(frame)
        assert rows == decided.keep.fill_null(False).sum(), node
    assert found.steps[-1] == found.kept


def _leave_out(node: Node, name: str) -> Node | None:
    if isinstance(node, AskSignal):
        return None if node.signal == name else node
    if isinstance(node, Op):
        kept = [term for child in node.terms if (term := _leave_out(child, name)) is not None]
        return join(node.symbol, *kept) if kept else None
    term = _leave_out(node.term, name)
    return None if term is None else replace(node, term=term)


def test_a_thousand_signals_cost_in_proportion(monkeypatch):
    """Work is counted, not timed: how often answers are looked up, and the pairs."""
    asked: list[str] = []
    answer_leaf = Workspace.answer_leaf

    def count(space: Workspace, leaf: AskSignal, rows: object) -> object:
        asked.append(leaf.signal)
        return answer_leaf(space, leaf, None)

    monkeypatch.setattr(Workspace, "answer_leaf", count)
    frame = pl.DataFrame({"text": ["w1 w2", "w3", None]})
    names = [f"w{place}" for place in range(1_000)]
    known = build({name: {"keyword": {"words": [name]}} for name in names}, folder=Path.cwd())
    found = analyse(parse(" & ".join(f"~{name}" for name in names)), known, frame)
    assert len(asked) == 2 * len(names)
    assert found.steps[:4] == (2, 1, 1, 0)
    assert found.signals["w1"].kept_without == 0
    assert len(found.agreement) == PAIRED * (PAIRED - 1) // 2


def test_one_signal_alone_has_nothing_left_without_it():
    found = analyse(parse("nike"), KNOWN, FRAME)
    assert found.signals["nike"].kept_without == 7
    assert found.signals["nike"].removes == 3


def test_explain_prints_a_table():
    decider = Decider(parse("nike & (size >= 9)"), KNOWN)
    decider.decide(FRAME)
    lines = explain(decider.statistics()).splitlines()
    assert lines[0] == "keep: nike & (size >= 9)"
    assert lines[1].split() == [
        "#", "signal", "us/row", "true", "evaluated", "scored", "cached", "skipped", "unknown",
        "raised",
    ]  # fmt: skip
    assert lines[2].split()[1] == "nike*"
    assert lines[2].split()[3:] == ["57.1%", "7", "7", "0", "0", "1", "0"]
    assert lines[-1].startswith("7 rows: 3 kept, 1 unknown, 0 faulted")


def test_explain_tells_why_one_row_was_not_kept():
    decider = Decider(parse("nike & (size >= 9)"), KNOWN)
    assert explain_row(decider, FRAME[5:6]).splitlines() == [
        "keep: nike & (size >= 9)",
        "rejected, because of  size >= 9",
        "  nike: true",
        "  size: false (score 8)",
    ]
    assert "kept" in explain_row(decider, FRAME[0:1])
    assert "unknown, so not kept, because of  nike" in explain_row(decider, FRAME[4:5])


@pytest.mark.parametrize("kind", ["keyword", "regex", "length", "is_null"])
def test_the_examples_and_laws_of_a_kind_hold(kind):
    family = load_builtin(kind)
    assert family.description
    assert family.definition
    for sample in family.examples:
        made = family.build("x", sample.parameters, folder=Path.cwd())
        example = Signal(
            "x", made.kind, made.function, made.columns, made.returns, made.nulls, made.bounds,
            examples=((sample.value, sample.expected),),
        )  # fmt: skip
        broken = [law for law in check_laws(example, FRAME) if not law.holds]
        assert not broken, (sample, broken)


def test_every_kind_is_found():
    assert {"keyword", "regex", "length", "is_null"} <= set(load_kinds())


def _broken_laws(found: Signal) -> set[str]:
    return {law.name for law in check_laws(found, FRAME) if not law.holds}


def test_laws_find_what_depends_on_the_batch():
    @signal
    def above_average(text: pl.Expr) -> pl.Expr:
        return text.str.len_chars() > text.str.len_chars().mean()

    assert _broken_laws(above_average) == {"the same answers in batches of 7"}  # one bug, one line


def test_laws_find_what_depends_on_the_order():
    @signal
    def first_letter_rises(text: pl.Series) -> pl.Series:
        return pl.Series([place % 2 == 0 for place in range(len(text))])

    assert "the same answers in another order" in _broken_laws(first_letter_rises)


def test_laws_find_what_changes_its_mind():
    state = {"calls": 0}

    @signal
    def moody(text: pl.Series) -> pl.Series:
        state["calls"] += 1
        return pl.Series([state["calls"] % 2 == 0] * len(text), dtype=pl.Boolean)

    assert "the same answers again" in _broken_laws(moody)


def test_laws_find_what_raises_or_answers_wrongly():
    @signal
    def fragile(text: str) -> bool:
        return text.index("nike") >= 0

    @signal
    def short(text: pl.Series) -> pl.Series:
        return text.head(1).is_null()

    assert "raises on no row" in _broken_laws(fragile)
    assert "one answer of the right type for each row" in _broken_laws(short)


def test_laws_find_what_threads_share_and_name_the_line_that_raises():
    state = {"text": ""}

    @signal
    def shared(text: pl.Series) -> pl.Series:
        def slow(one: str) -> bool:
            state["text"] = one
            time.sleep(0.001)
            return state["text"] == one

        return pl.Series([slow(one) for one in text], dtype=pl.Boolean)

    assert _broken_laws(shared) == {"the same answers in several threads"}

    @signal
    def fragile(text: str) -> bool:
        return text.index("nike") >= 0

    (law,) = (law for law in check_laws(fragile, FRAME) if not law.holds)
    assert "on line" in law.detail
    assert "of test_analysis.py" in law.detail


def test_examples_are_laws():
    @signal(examples=[("a", True), ("b", True), (None, None), ("c", 1)])
    def is_a(text: str) -> bool:
        return text == "a"

    laws = check_laws(is_a, FRAME.clear())
    assert [law.holds for law in laws] == [True, False, True, False]
    assert str(laws[1]) == "FAIL is_a: example 2 (b): expected True, found False"


def test_what_a_slow_signal_costs_is_a_plain_number() -> None:
    slow = SignalStatistics(rows=2, true=1, false=1, ran=2, calls=1, seconds=0.0247, position=0)
    told = explain(Statistics("slow", rows=2, signals={"slow": slow}))
    assert "12,350" in told
