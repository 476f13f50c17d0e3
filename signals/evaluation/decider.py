"""Decides frames by a formula: what is kept, what each signal said, which clause rejected."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Literal, TypeGuard

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.schemas.conversations import schema_with_views, with_views
from siftset.schemas.errors import SignalError
from siftset.schemas.results.columns import STATES
from siftset.signals.evaluation.bodies import SKIPPED, TRUE, UNKNOWN, Codes
from siftset.signals.evaluation.decisions import Decisions, to_boolean, to_scores, to_states
from siftset.signals.evaluation.kleene import answer_node, join_terms, mark_causes
from siftset.signals.evaluation.planner import (
    MINIMUM_ROWS,
    FormulaPlan,
    can_skip,
    has_drifted,
    plan_as_written,
    plan_from_sample,
)
from siftset.signals.evaluation.score_cache import ScoreCache
from siftset.signals.evaluation.spec import SignalSpec
from siftset.signals.evaluation.statistics import SignalStatistics, Statistics
from siftset.signals.evaluation.thresholds import SignalUse
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.formula import Formula
from siftset.signals.formula.tree import AskSignal, Node, Op, Test, digest, leaves, show
from siftset.signals.kernels.arrays import to_series


class FormulaDecider:
    """Decides frames by a formula; may be shared by threads.

    `order="auto"` measures cost and selectivity on a sample of the first large frame and again when
    the data drifts; `order="pinned"` asks the signals exactly as written. `cache` gives answers of
    earlier runs, which changes what a run costs and nothing else.
    """

    def __init__(
        self,
        formula: Formula,
        signals: Mapping[str, SignalSpec],
        *,
        order: Literal["auto", "pinned"] = "auto",
        seed: int = 0,
        cache: ScoreCache | None = None,
    ) -> None:
        formula.check(signals)
        self.formula = formula
        self.order = order
        self.seed = seed
        self.cache = cache
        tests: dict[str, list[Test | None]] = {}
        for leaf in leaves(formula.root):
            tests.setdefault(leaf.signal, []).append(leaf.test)
        self.questions = {
            name: _question_of(signals[name].named(name), used) for name, used in tests.items()
        }
        self.root: Node = formula.root
        clauses = _clause_texts(self.root)
        self.clauses = list(dict.fromkeys(clauses))
        places = {clause: at for at, clause in enumerate(self.clauses)}
        self._clause_of = [places[clause] for clause in clauses]
        self._plan = plan_as_written(self.root, self.questions, pinned=order == "pinned")
        self.minimum_rows = MINIMUM_ROWS
        self._lock = threading.Lock()
        self._measured = False
        self._patience = 4
        self._since = 0
        self._seen = 0
        self._statistics = Statistics(formula.text)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that must be in a frame."""
        found = (question.signal.columns for question in self.questions.values())
        return tuple(dict.fromkeys(column for columns in found for column in columns))

    @property
    def hash(self) -> str:
        """Hash of the canonical formula and the fingerprints of its signals."""
        prints = sorted(f"{name}={question.signal.fingerprint}"
                        for name, question in self.questions.items())  # fmt: skip
        return digest(self.formula.canonical, *prints)

    def as_written(self) -> FormulaDecider:
        """Give a decider of the same formula that names the first clause as it is written.

        Which clause a decider meets first follows from its plan, and so from what the rows before
        cost: what is told of single rows is asked of this one.
        """
        signals = {name: question.signal for name, question in self.questions.items()}
        return FormulaDecider(self.formula, signals, order="pinned", cache=self.cache)

    def check(self, schema: pl.Schema) -> None:
        """Raise SignalError where a signal does not fit the columns."""
        known = schema_with_views(schema, self.columns)
        for question in self.questions.values():
            question.signal.check(known)

    def decide(self, frame: pl.DataFrame) -> Decisions:
        """Decide every row; raise SignalError for a signal that answers wrongly.

        Views of a conversation and parts of a column that a signal reads are computed from them.
        """
        frame = with_views(frame, self.columns)
        missing = [column for column in self.columns if column not in frame.columns]
        if missing:
            self.check(frame.schema)
        plan = self._plan_for(frame)
        start = perf_counter()
        space = Workspace(frame, self.questions, cache=self.cache)
        space.fuse_signals(plan.fused)
        terms: list[Codes] = []
        if _is_and(self.root):
            terms = [np.full(0, SKIPPED, np.uint8)] * len(self.root.terms)
            codes = join_terms(self.root, None, space, plan, terms)
        else:
            codes = answer_node(self.root, None, space, plan)
        faulted = np.zeros(space.size, bool)
        if space.raised:
            raised = np.zeros(space.size, bool)
            for found in space.raised.values():
                raised[list(found)] = True
            rows = np.flatnonzero((codes == UNKNOWN) & raised)
            faulted[rows] = mark_causes(self.root, rows, space, plan)
        made = Decisions(
            keep=to_boolean("keep", codes),
            signals=to_states(space),
            scores=to_scores(space),
            clause=self._name_clause(codes, terms),
            faults=space.faults(faulted),
            faulted=to_series("faulted", faulted),
        )
        self._add_statistics(space, plan, codes, faulted, perf_counter() - start)
        return made

    def statistics(self) -> Statistics:
        """What was done so far."""
        with self._lock:
            return self._statistics

    def take_statistics(self) -> Statistics:
        """Give what was done since it was last taken, for a decider elsewhere to absorb."""
        with self._lock:
            found, self._statistics = self._statistics, Statistics(self.formula.text)
            return found

    def absorb(self, statistics: Statistics) -> None:
        """Add what other deciders of the same formula did."""
        with self._lock:
            self._statistics += statistics

    def close(self) -> tuple[str, ...]:
        """Store what was scored; give warnings, none of which is about a decision."""
        return () if self.cache is None else self.cache.close()

    @property
    def plan(self) -> FormulaPlan:
        """The order that is used now."""
        return self._plan

    def _name_clause(self, codes: Codes, terms: list[Codes]) -> pl.Series:
        """Name the first clause, as written, that says of a row what the formula says of it."""
        index = np.zeros(codes.size, np.uint32)
        for position in range(len(terms) - 1, -1, -1):
            if terms[position].size:
                index[terms[position] == codes] = self._clause_of[position]
        chosen = to_series("clause", index).set(to_series("true", codes == TRUE), None)
        return chosen.cat.to(pl.Enum(self.clauses))

    def _plan_for(self, frame: pl.DataFrame) -> FormulaPlan:
        with self._lock:
            self._seen += frame.height
            wanted = self.order == "auto" and not self._measured and can_skip(self.root)
            if not (wanted and self._seen >= self.minimum_rows and frame.height):
                return self._plan
            start = perf_counter()
            columns = frame.select(self.columns)
            self._plan = plan_from_sample(
                self.root, self.questions, columns, seed=self.seed, cache=self.cache
            )
            self._measured = True
            self._statistics = replace(
                self._statistics,
                plans=self._statistics.plans + 1,
                planning=self._statistics.planning + perf_counter() - start,
            )
            return self._plan

    def _add_statistics(
        self,
        space: Workspace,
        plan: FormulaPlan,
        codes: Codes,
        faulted: NDArray[np.bool_],
        seconds: float,
    ) -> None:  # fmt: skip
        counts = np.bincount(codes, minlength=4)
        batch = Statistics(
            self.formula.text,
            rows=space.size,
            kept=int(counts[TRUE]),
            unknown=int(counts[UNKNOWN]),
            faulted=int(faulted.sum()),
            seconds=seconds,
            signals=_signal_statistics(self.root, space, plan),
        )
        with self._lock:
            self._statistics += batch
            self._since += 1
            if self._measured and self._since >= self._patience and has_drifted(plan, space):
                self._measured = False
                self._since, self._patience = 0, self._patience * 2


def _question_of(signal: SignalSpec, used: Sequence[Test | None]) -> SignalUse:
    """Find how a formula uses a signal; raise SignalError where the signal cannot be used so."""
    name, tests = signal.name, [test for test in used if test is not None]
    if signal.returns == "bool" and tests:
        raise SignalError(
            f"signal '{name}' answers yes or no and has no score: write  {name}  "
            f"without  {tests[0].symbol} {tests[0].value:g}"
        )
    if signal.returns == "score" and signal.bounds is None and None in used:
        raise SignalError(
            f"signal '{name}' is a score: compare it, as in  {name} >= 0.5 , or give it min or max"
        )
    return SignalUse(signal, tests[0] if tests and signal.bounds is None else None)


def _clause_texts(root: Node) -> list[str]:
    """The texts of the top-level clauses."""
    return [show(term) for term in (root.terms if _is_and(root) else (root,))]


def _signal_statistics(
    root: Node, space: Workspace, plan: FormulaPlan
) -> dict[str, SignalStatistics]:
    order = {name: place for place, name in enumerate(_visit_order(root, plan))}
    found: dict[str, SignalStatistics] = {}
    for name, ledger in space.ledgers.items():
        codes = space.codes.get(name)
        counts = (
            [0, 0, 0, space.size] if codes is None else np.bincount(codes, minlength=4).tolist()
        )
        said = dict(zip(STATES, counts, strict=True))
        found[name] = SignalStatistics(
            rows=space.size, **said, ran=ledger.asked, cached=ledger.cached, raised=ledger.raised,
            calls=ledger.calls, seconds=ledger.seconds, position=order[name],
            fused=name in plan.fused, differs=ledger.differs,
        )  # fmt: skip
    return found


def _visit_order(node: Node, plan: FormulaPlan) -> list[str]:
    """The signals in the order in which a plan comes to them."""
    if isinstance(node, Op):
        found = [name for index in plan(node) for name in _visit_order(node.terms[index], plan)]
        return list(dict.fromkeys(found))
    if isinstance(node, AskSignal):
        return [node.signal]
    return _visit_order(node.term, plan)


def _is_and(root: Node) -> TypeGuard[Op]:
    return isinstance(root, Op) and root.symbol == "&"
