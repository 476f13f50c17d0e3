"""Answers a formula for one frame, asking each signal only about the rows that still need it.

Every node gives a code for each row it is asked about; & goes on with the rows that are not false,
| with those that are not true, so that the codes are exactly Kleene's whatever the order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from signals.bodies import (
    FALSE,
    SKIPPED,
    TRUE,
    UNKNOWN,
    Codes,
    Rows,
    Scores,
    Values,
    run,
    run_step,
    to_answers,
)
from signals.faults import TRACEBACKS, Fault, fault
from signals.signal import Preprocessor, Signal
from signals.tree import Ask, Fill, Node, Not, Op, Test

_NOT = np.array([TRUE, FALSE, UNKNOWN], np.uint8)
_AND = np.array([[0, 0, 0], [0, 1, 2], [0, 2, 2]], np.uint8)
_OR = np.array([[0, 1, 2], [1, 1, 1], [2, 1, 2]], np.uint8)
_XOR = np.array([[0, 1, 2], [1, 0, 2], [2, 2, 2]], np.uint8)
TABLES = {"&": _AND, "|": _OR, "^": _XOR}
DECIDES = {"&": FALSE, "|": TRUE, "^": SKIPPED}
"""The code of a term that settles its operator; none settles ^."""

COMPARE: Mapping[str, Callable[[Scores, float], NDArray[np.bool_]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip

Order = Callable[[Op], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A signal as a formula uses it: how its score becomes the answer that is recorded."""

    signal: Signal
    test: Test | None
    """The comparison that is recorded for a score without bounds: the first in the formula."""


@dataclass(slots=True)
class Ledger:
    """What one signal did in one frame."""

    seconds: float = 0.0
    calls: int = 0
    asked: int = 0
    """Rows that its body was run on."""
    raised: int = 0


def decision(question: Asked, scores: Scores) -> Codes:
    """Make the recorded answer of scores."""
    bounds = question.signal.bounds
    if bounds is None:
        return compare(scores, question.test) if question.test else _known(scores)
    passed = np.ones(scores.shape, bool)
    if bounds.minimum is not None:
        passed &= scores >= bounds.minimum
    if bounds.maximum is not None:
        passed &= scores <= bounds.maximum
    return _with_unknown(passed, scores)


def compare(scores: Scores, test: Test) -> Codes:
    """Compare scores with a number; NaN is unknown."""
    return _with_unknown(COMPARE[test.symbol](scores, test.value), scores)


def _with_unknown(passed: NDArray[np.bool_], scores: Scores) -> Codes:
    codes = passed.astype(np.uint8)
    codes[np.isnan(scores)] = UNKNOWN
    return codes


def _known(scores: Scores) -> Codes:
    return _with_unknown(np.ones(scores.shape, bool), scores)


class Workspace:
    """The answers of signals for one frame, each asked at most once about a row."""

    def __init__(self, frame: pl.DataFrame, questions: Mapping[str, Asked]) -> None:
        self.frame = frame
        self.questions = questions
        self.size = frame.height
        self.codes: dict[str, Codes] = {}
        self.scores: dict[str, Scores] = {}
        self.complete: set[str] = set()
        self.raised: dict[str, dict[int, Exception]] = {}
        self.ledgers = {name: Ledger() for name in questions}
        self._nulls: dict[str, NDArray[np.bool_] | None] = {}
        self._steps: dict[Preprocessor, _Steps] = {}

    def leaf(self, leaf: Ask, rows: Rows | None) -> Codes:
        """Answer a leaf for rows, all of them for None."""
        name = leaf.signal
        if name not in self.complete:
            self._ensure(name, rows)
        if leaf.test is None or leaf.test == self.questions[name].test:
            codes = self.codes[name]
            return codes if rows is None else codes[rows]
        scores = self.scores[name]
        return compare(scores if rows is None else scores[rows], leaf.test)

    def fuse(self, names: tuple[str, ...]) -> None:
        """Ask several expression signals about every row in one pass."""
        waiting = [name for name in names if name not in self.codes]
        if not waiting:
            return
        start = perf_counter()
        signals = [self.questions[name].signal for name in waiting]
        try:
            answers = self.frame.select(signal.expression() for signal in signals)
        except pl.exceptions.PolarsError:
            answers = None
        if answers is None or answers.height != self.size:
            for name in waiting:
                self._ensure(name, None)
            return
        made = [to_answers(signal, answers[signal.name]) for signal in signals]
        share = (perf_counter() - start) / len(waiting)
        for signal, answer in zip(signals, made, strict=True):
            self._store(signal, None, answer, share)
            self._clear_nulls(signal)
            self.complete.add(signal.name)

    def _ensure(self, name: str, rows: Rows | None) -> None:
        """Ask a signal about those of the rows that it was not asked about yet."""
        signal = self.questions[name].signal
        known = self.codes.get(name)
        if known is not None:
            wanted = np.flatnonzero(known == SKIPPED) if rows is None else rows
            rows = wanted[known[wanted] == SKIPPED]
        else:
            self._open(signal)
        if rows is None:
            self.complete.add(name)
        asked = self._without_nulls(signal, rows)
        if asked is None or asked.size:
            self._ask(signal, asked)

    def _open(self, signal: Signal) -> None:
        self.codes[signal.name] = np.full(self.size, SKIPPED, np.uint8)
        if signal.returns == "score":
            self.scores[signal.name] = np.full(self.size, np.nan)

    def _without_nulls(self, signal: Signal, rows: Rows | None) -> Rows | None:
        nulls = self.nulls_of(signal)
        if nulls is None:
            return rows
        codes = self.codes[signal.name]
        if rows is None:
            codes[nulls] = UNKNOWN
            return np.flatnonzero(~nulls)
        hit = nulls[rows]
        codes[rows[hit]] = UNKNOWN
        return rows[~hit]

    def _clear_nulls(self, signal: Signal) -> None:
        nulls = self.nulls_of(signal)
        if nulls is None:
            return
        self.codes[signal.name][nulls] = UNKNOWN
        if signal.returns == "score":
            self.scores[signal.name][nulls] = np.nan

    def nulls_of(self, signal: Signal) -> NDArray[np.bool_] | None:
        """Mark the rows on which a signal is unknown because an input is null; None for none."""
        if signal.nulls == "handle":
            return None
        masks = [mask for column in signal.columns if (mask := self._null(column)) is not None]
        return np.logical_or.reduce(masks) if masks else None

    def _null(self, column: str) -> NDArray[np.bool_] | None:
        if column not in self._nulls:
            series = self.frame.get_column(column)
            self._nulls[column] = series.is_null().to_numpy() if series.null_count() else None
        return self._nulls[column]

    def _ask(self, signal: Signal, rows: Rows | None) -> None:
        start = perf_counter()
        inputs, rows = self._inputs(signal, rows)
        size = self.size if rows is None else rows.size
        answers, raised = run(signal, inputs, size)
        self._store(signal, rows, answers, perf_counter() - start)
        if raised:
            self._blame(signal, rows, raised)

    def _blame(self, signal: Signal, rows: Rows | None, raised: Mapping[int, Exception]) -> None:
        found = self.raised.setdefault(signal.name, {})
        for position, error in raised.items():
            found[position if rows is None else int(rows[position])] = error
        self.ledgers[signal.name].raised += len(raised)

    def _store(
        self, signal: Signal, rows: Rows | None, answers: Codes | Scores, seconds: float
    ) -> None:
        name = signal.name
        where: Rows | slice = slice(None) if rows is None else rows
        if name not in self.codes:
            self._open(signal)
        if signal.returns == "score":
            self.scores[name][where] = answers
            answers = decision(self.questions[name], answers.astype(np.float64, copy=False))
        self.codes[name][where] = answers
        ledger = self.ledgers[name]
        ledger.seconds += seconds
        ledger.calls += 1
        ledger.asked += answers.size

    def _inputs(self, signal: Signal, rows: Rows | None) -> tuple[dict[str, Values], Rows | None]:
        """Gather what a body reads; rows on which a preprocessor raised are left out."""
        steps = {step.name: step for step in signal.preprocessors}
        names = signal.inputs or signal.columns
        for name in names:
            if name in steps:
                rows = self._prepare(signal, steps[name], rows)
        return {
            name: self._step(steps[name]).gather(rows)
            if name in steps
            else self._column(name, rows)
            for name in names
        }, rows

    def _prepare(self, signal: Signal, step: Preprocessor, rows: Rows | None) -> Rows | None:
        store = self._step(step)
        wanted = np.arange(self.size) if rows is None else rows
        missing = wanted[store.position[wanted] < 0]
        if missing.size:
            inputs = {column: self._column(column, missing) for column in step.columns}
            values, raised = run_step(step, inputs, missing.size)
            store.add(missing, values, raised)
        if not store.raised:
            return rows
        guilty = {position: store.raised[int(row)] for position, row in enumerate(wanted)
                  if int(row) in store.raised}  # fmt: skip
        codes = self.codes[signal.name]
        codes[wanted[list(guilty)]] = UNKNOWN
        self._blame(signal, wanted, guilty)
        return np.delete(wanted, list(guilty))

    def _step(self, step: Preprocessor) -> _Steps:
        if step not in self._steps:
            self._steps[step] = _Steps(self.size)
        return self._steps[step]

    def _column(self, name: str, rows: Rows | None) -> pl.Series:
        series = self.frame.get_column(name)
        return series if rows is None else series.gather(rows)

    def faults(self, rows: NDArray[np.bool_]) -> tuple[Fault, ...]:
        """Describe the faults on the marked rows."""
        found: list[Fault] = []
        for name, raised in sorted(self.raised.items()):
            column = self.questions[name].signal.columns[0]
            for row in sorted(row for row in raised if rows[row]):
                full = len(found) < TRACEBACKS
                value = self.frame.get_column(column)[row]
                found.append(fault(name, row, value, raised[row], full=full))
        return tuple(found)


class _Steps:
    """What a preprocessor gave for the rows that needed it."""

    def __init__(self, size: int) -> None:
        self.position = np.full(size, -1, np.int64)
        self.parts: list[Values] = []
        self.raised: dict[int, Exception] = {}
        self.filled = 0

    def add(self, rows: Rows, values: Values, raised: Mapping[int, Exception]) -> None:
        self.position[rows] = np.arange(self.filled, self.filled + rows.size)
        self.filled += rows.size
        self.raised.update({int(rows[position]): error for position, error in raised.items()})
        if self.parts and isinstance(values, pl.Series) and isinstance(self.parts[0], pl.Series):
            values = values.cast(self.parts[0].dtype)
        self.parts.append(values)

    def gather(self, rows: Rows | None) -> Values:
        where = self.position if rows is None else self.position[rows]
        series = [part for part in self.parts if isinstance(part, pl.Series)]
        if series:
            return pl.concat(series).gather(where)
        flat = [value for part in self.parts for value in part]
        return [flat[position] for position in where.tolist()]


def answer(node: Node, rows: Rows | None, space: Workspace, order: Order) -> Codes:
    """Answer a node for rows, all of them for None."""
    if isinstance(node, Ask):
        return space.leaf(node, rows)
    if isinstance(node, Not):
        return _NOT[answer(node.term, rows, space, order)]
    if isinstance(node, Fill):
        codes = answer(node.term, rows, space, order)
        return np.where(codes == UNKNOWN, np.uint8(node.value), codes)
    return join_terms(node, rows, space, order, None)


def join_terms(
    node: Op, rows: Rows | None, space: Workspace, order: Order, seen: list[Codes] | None
) -> Codes:
    """Answer an operator term by term; `seen` takes each term's codes, in written order."""
    table, decides = TABLES[node.symbol], DECIDES[node.symbol]
    size = space.size if rows is None else rows.size
    whole = np.full(size, FALSE if node.symbol != "&" else TRUE, np.uint8)
    live: Rows | None = None
    for index in order(node):
        asked = rows if live is None else (live if rows is None else rows[live])
        codes = answer(node.terms[index], asked, space, order)
        if seen is not None:
            seen[index] = spread(codes, live, size)
        if live is None:
            whole = table[whole, codes]
        else:
            whole[live] = table[whole[live], codes]
        if decides != SKIPPED:
            open_rows = np.flatnonzero(codes != decides)
            if open_rows.size < codes.size:
                live = open_rows if live is None else live[open_rows]
            if live is not None and not live.size:
                break
    return whole


def spread(codes: Codes, live: Rows | None, size: int) -> Codes:
    """Lay codes of some rows out over all rows, the others skipped."""
    if live is None:
        return codes
    whole = np.full(size, SKIPPED, np.uint8)
    whole[live] = codes
    return whole


def caused(node: Node, rows: Rows, space: Workspace, order: Order) -> NDArray[np.bool_]:
    """Mark, among rows on which a node is unknown, those where a fault is a cause of it."""
    if isinstance(node, Ask):
        raised = np.fromiter(space.raised.get(node.signal, {}), np.int64)
        return np.isin(rows, raised)
    if isinstance(node, Not):
        return caused(node.term, rows, space, order)
    found = np.zeros(rows.size, bool)
    if isinstance(node, Op):
        for term in node.terms:
            unknown = answer(term, rows, space, order) == UNKNOWN
            found[unknown] |= caused(term, rows[unknown], space, order)
    return found
