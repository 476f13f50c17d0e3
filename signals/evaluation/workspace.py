"""The answers of signals for one frame, each asked at most once about a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.evaluation.bodies import (
    SKIPPED,
    UNKNOWN,
    Codes,
    Rows,
    Scores,
    Values,
    run_body,
    run_preprocessor,
    to_answers,
)
from siftset.signals.evaluation.faults import TRACEBACKS, Fault, describe_fault
from siftset.signals.evaluation.preprocessing import Steps
from siftset.signals.evaluation.repeats import find_difference
from siftset.signals.evaluation.score_cache import ScoreCache, Shelf, content_keys
from siftset.signals.evaluation.spec import Preprocessor, SignalSpec
from siftset.signals.evaluation.thresholds import SignalUse, compare_scores, decide_scores
from siftset.signals.formula.tree import AskSignal
from siftset.signals.kernels.arrays import to_series


@dataclass(slots=True)
class SignalLedger:
    """What one signal did in one frame."""

    seconds: float = 0.0
    calls: int = 0
    asked: int = 0
    """Rows that its body was run on."""
    cached: int = 0
    """Rows whose answers were stored by an earlier call or run."""
    raised: int = 0
    differs: str = ""
    """Where it answered a row otherwise when it was asked again; empty where it did not."""


class Workspace:
    """The answers of signals for one frame, each asked at most once about a row."""

    def __init__(
        self,
        frame: pl.DataFrame,
        questions: Mapping[str, SignalUse],
        *,
        cache: ScoreCache | None = None,
    ) -> None:
        self.frame = frame
        self.questions = questions
        self.cache = cache
        self.size = frame.height
        self.codes: dict[str, Codes] = {}
        self.scores: dict[str, Scores] = {}
        self.complete: set[str] = set()
        self.raised: dict[str, dict[int, Exception]] = {}
        self.ledgers = {name: SignalLedger() for name in questions}
        self._nulls: dict[str, NDArray[np.bool_] | None] = {}
        self._steps: dict[Preprocessor, Steps] = {}

    def answer_leaf(self, leaf: AskSignal, rows: Rows | None) -> Codes:
        """Answer a leaf for rows, all of them for None."""
        name = leaf.signal
        if name not in self.complete:
            self._ask_missing(name, rows)
        if leaf.test is None or leaf.test == self.questions[name].test:
            codes = self.codes[name]
            return codes if rows is None else codes[rows]
        scores = self.scores[name]
        return compare_scores(scores if rows is None else scores[rows], leaf.test)

    def fuse_signals(self, names: tuple[str, ...]) -> None:
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
                self._ask_missing(name, None)
            return
        made = [to_answers(signal, answers[signal.name]) for signal in signals]
        share = (perf_counter() - start) / len(waiting)
        for signal, answer in zip(signals, made, strict=True):
            self._set_answers(signal, None, answer)
            self._charge_time(signal, self.size, share)
            self._ask_again(signal, answer, share)
            nulls = self.nulls_of(signal)
            if nulls is not None:
                self.codes[signal.name][nulls] = UNKNOWN
                if signal.returns == "score":
                    self.scores[signal.name][nulls] = np.nan
            self.complete.add(signal.name)

    def _ask_again(self, signal: SignalSpec, answers: Codes | Scores, seconds: float) -> None:
        def gather(count: int) -> dict[str, Values]:
            return self._gather_inputs(signal, np.arange(count))[0]

        differs = find_difference(signal, gather, answers, seconds=seconds)
        self.ledgers[signal.name].differs = differs or ""

    def _ask_missing(self, name: str, rows: Rows | None) -> None:
        """Ask a signal about those of the rows that it was not asked about yet."""
        signal = self.questions[name].signal
        known = self.codes.get(name)
        if known is not None:
            wanted = np.flatnonzero(known == SKIPPED) if rows is None else rows
            rows = wanted[known[wanted] == SKIPPED]
        else:
            self._open_answers(signal)
        if rows is None:
            self.complete.add(name)
        nulls = self.nulls_of(signal)
        if nulls is not None:
            wanted = np.arange(self.size) if rows is None else rows
            hit = nulls[wanted]
            self.codes[name][wanted[hit]] = UNKNOWN
            rows = wanted[~hit]
        if rows is None or rows.size:
            self._run_signal(signal, rows)

    def _open_answers(self, signal: SignalSpec) -> None:
        self.codes[signal.name] = np.full(self.size, SKIPPED, np.uint8)
        if signal.returns == "score":
            self.scores[signal.name] = np.full(self.size, np.nan)

    def nulls_of(self, signal: SignalSpec) -> NDArray[np.bool_] | None:
        """Mark the rows on which a signal is unknown because an input is null; None for none."""
        if signal.nulls == "handle":
            return None
        for column in signal.columns:
            if column not in self._nulls:
                series = self.frame.get_column(column)
                self._nulls[column] = series.is_null().to_numpy() if series.null_count() else None
        masks = [mask for column in signal.columns if (mask := self._nulls[column]) is not None]
        return np.logical_or.reduce(masks) if masks else None

    def _run_signal(self, signal: SignalSpec, rows: Rows | None) -> None:
        """Look rows up where that pays, and run the body on the others."""
        shelf = None if self.cache is None else self.cache.shelf(signal)
        if shelf is not None and shelf.pays:
            rows = self._recall_answers(signal, shelf, rows)
            if not rows.size:
                return
        start = perf_counter()
        inputs, rows = self._gather_inputs(signal, rows)
        size = self.size if rows is None else rows.size
        answers, raised = run_body(signal, inputs, size)
        seconds = perf_counter() - start
        self._set_answers(signal, rows, answers)
        self._charge_time(signal, answers.size, seconds)
        if raised:
            self._record_faults(signal, rows, raised)
        differs = find_difference(
            signal,
            lambda count: {name: values[:count] for name, values in inputs.items()},
            answers,
            raised=raised,
            seconds=seconds,
        )
        self.ledgers[signal.name].differs = differs or ""
        # only what is known to be a function of its input is stored
        if shelf is not None and shelf.ran(size, seconds) and differs == "":
            wanted = np.delete(np.arange(self.size) if rows is None else rows, list(raised))
            keys = content_keys(self.frame.select(signal.columns)[to_series("rows", wanted)])
            if keys is not None and wanted.size:
                sound = np.ones(answers.size, bool)
                sound[list(raised)] = False
                shelf.add(keys, answers[sound])

    def _recall_answers(self, signal: SignalSpec, shelf: Shelf, rows: Rows | None) -> Rows:
        """Take the answers that are stored; give the rows that are left."""
        wanted = np.arange(self.size) if rows is None else rows
        keys = content_keys(self.frame.select(signal.columns)[to_series("rows", wanted)])
        if keys is None:
            return wanted
        found = shelf.find(keys)
        hit = wanted[found.known]
        if hit.size:
            self._set_answers(signal, hit, found.answers)
            self.ledgers[signal.name].cached += hit.size
        return wanted[~found.known]

    def _record_faults(
        self, signal: SignalSpec, rows: Rows | None, raised: Mapping[int, Exception]
    ) -> None:
        found = self.raised.setdefault(signal.name, {})
        for position, error in raised.items():
            found[position if rows is None else int(rows[position])] = error
        self.ledgers[signal.name].raised += len(raised)

    def _set_answers(self, signal: SignalSpec, rows: Rows | None, answers: Codes | Scores) -> None:
        name = signal.name
        where: Rows | slice = slice(None) if rows is None else rows
        if name not in self.codes:
            self._open_answers(signal)
        if signal.returns == "score":
            self.scores[name][where] = answers
            answers = decide_scores(self.questions[name], answers.astype(np.float64, copy=False))
        self.codes[name][where] = answers

    def _charge_time(self, signal: SignalSpec, rows: int, seconds: float) -> None:
        ledger = self.ledgers[signal.name]
        ledger.seconds += seconds
        ledger.calls += 1
        ledger.asked += rows

    def _gather_inputs(
        self, signal: SignalSpec, rows: Rows | None
    ) -> tuple[dict[str, Values], Rows | None]:
        """Gather what a body reads; rows on which a preprocessor raised are left out."""
        steps = {step.name: step for step in signal.preprocessors}
        names = signal.inputs or signal.columns
        for name in names:
            if name in steps:
                rows = self._run_preprocessor(signal, steps[name], rows)
        return {
            name: self._step_values(steps[name]).gather(rows)
            if name in steps
            else self._take_column(name, rows)
            for name in names
        }, rows

    def _run_preprocessor(
        self, signal: SignalSpec, step: Preprocessor, rows: Rows | None
    ) -> Rows | None:
        store = self._step_values(step)
        wanted = np.arange(self.size) if rows is None else rows
        missing = wanted[store.position[wanted] < 0]
        if missing.size:
            inputs = {column: self._take_column(column, missing) for column in step.columns}
            values, raised = run_preprocessor(step, inputs, missing.size)
            store.add(missing, values, raised)
        if not store.raised:
            return rows
        guilty = {position: store.raised[int(row)] for position, row in enumerate(wanted)
                  if int(row) in store.raised}  # fmt: skip
        codes = self.codes[signal.name]
        codes[wanted[list(guilty)]] = UNKNOWN
        self._record_faults(signal, wanted, guilty)
        return np.delete(wanted, list(guilty))

    def _step_values(self, step: Preprocessor) -> Steps:
        if step not in self._steps:
            self._steps[step] = Steps(self.size)
        return self._steps[step]

    def _take_column(self, name: str, rows: Rows | None) -> pl.Series:
        series = self.frame.get_column(name)
        return series if rows is None else series.gather(to_series("rows", rows))

    def faults(self, rows: NDArray[np.bool_]) -> tuple[Fault, ...]:
        """Describe the faults on the marked rows."""
        found: list[Fault] = []
        for name, raised in sorted(self.raised.items()):
            column = self.questions[name].signal.columns[0]
            for row in sorted(row for row in raised if rows[row]):
                full = len(found) < TRACEBACKS
                value = self.frame.get_column(column)[row]
                found.append(describe_fault(name, row, value, raised[row], full=full))
        return tuple(found)
