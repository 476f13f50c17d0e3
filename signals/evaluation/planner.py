"""The order in which a formula asks its signals, from measured cost and selectivity.

A sample of the first frame tells each signal's cost (a fixed part and a part per row, from two
sizes) and its answers, so that rates are joint: what is left after the first term decides how well
the second one sorts out. Each step takes the term with the least cost per row that it settles, as
Velox orders filters by clocks / (rows in - rows out). Cheap expressions that most rows need anyway
are fused into one pass. The order never changes an answer, only what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.evaluation.bodies import FALSE, SKIPPED, TRUE, UNKNOWN, Codes
from siftset.signals.evaluation.kleene import DECIDES, TABLES
from siftset.signals.evaluation.score_cache import ScoreCache
from siftset.signals.evaluation.thresholds import SignalUse, compare_scores
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.formula.tree import AskSignal, FillUnknown, Node, Not, Op, leaves
from siftset.signals.kernels.arrays import to_series

MINIMUM_ROWS = 4096
"""Rows below which measuring costs more than a good order saves."""
SAMPLE = (8, 16, 128, 1024)
"""Sizes asked in turn: the first warms up (compilers, caches), the others are timed."""
PATIENCE = 0.05
"""Seconds in one sample size after which a signal counts as slow and is sampled no further."""
GATHER = 6e-8
"""Seconds to gather one row, which asking about some rows costs and asking about all does not."""
MAX_GREEDY = 64
DRIFT = 4.0
"""Factor from the measured cost beyond which a plan is made again: busy machines stay below it."""
DRIFT_SECONDS = 0.02
"""Time in one frame below which a wrong cost does not matter."""
_RANK = {"expression": 0, "batch": 1, "row": 2}


@dataclass(frozen=True, slots=True)
class SignalCost:
    """Seconds that a signal takes: `fixed` for each frame, `row` for each row asked."""

    fixed: float
    row: float

    def estimate_seconds(self, rows: float, frame: int, sample: int) -> float:
        """Estimate for rows of a sample that stands for a frame."""
        return rows * self.row + self.fixed * sample / max(frame, 1) if rows else 0.0


@dataclass(frozen=True, slots=True)
class FormulaPlan:
    """An order for each operator of a formula, and what it was derived from."""

    orders: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    fused: tuple[str, ...] = ()
    costs: Mapping[str, SignalCost] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    """Share of yes among the rows that each signal is expected to be asked about."""

    def __call__(self, node: Op) -> tuple[int, ...]:
        """The order of an operator's terms, as written where nothing is known."""
        return self.orders.get(id(node)) or tuple(range(len(node.terms)))


def plan_as_written(root: Node, questions: Mapping[str, SignalUse], *, pinned: bool) -> FormulaPlan:
    """Plan without measuring: by the kind of signal, or exactly as written where pinned."""
    if pinned:
        return FormulaPlan()
    orders: dict[int, tuple[int, ...]] = {}
    _rank_written(root, questions, orders)
    expressions = [name for name, question in questions.items() if _can_fuse(question)]
    return FormulaPlan(orders, tuple(expressions))


def _can_fuse(question: SignalUse) -> bool:
    return question.signal.kind == "expression" and not question.signal.preprocessors


def _rank_written(
    node: Node, questions: Mapping[str, SignalUse], orders: dict[int, tuple[int, ...]]
) -> int:
    if isinstance(node, AskSignal):
        return _RANK[questions[node.signal].signal.kind]
    if isinstance(node, Op):
        ranks = [_rank_written(term, questions, orders) for term in node.terms]
        orders[id(node)] = tuple(sorted(range(len(ranks)), key=ranks.__getitem__))
        return max(ranks)
    return _rank_written(node.term, questions, orders)


def plan_from_sample(
    root: Node,
    questions: Mapping[str, SignalUse],
    frame: pl.DataFrame,
    *,
    seed: int,
    cache: ScoreCache | None = None,
) -> FormulaPlan:
    """Plan from a sample of a frame; what is stored costs what looking it up costs."""
    size = min(SAMPLE[-1], frame.height)
    rows = np.random.default_rng(seed).choice(frame.height, size, replace=False)
    sample = Workspace(frame[to_series("rows", rows)], questions, cache=cache)
    costs = {name: _measure_cost(sample, name) for name in questions}
    return _Planner(root, questions, sample, costs, frame.height).plan()


def _measure_cost(space: Workspace, name: str) -> SignalCost:
    """Ask about more and more of a sample; cost from the two largest sizes."""
    leaf = AskSignal(name)
    points: list[tuple[int, float]] = []
    done = 0
    for target in SAMPLE:
        target = min(target, space.size)
        if target <= done:
            break
        start = perf_counter()
        space.answer_leaf(leaf, np.arange(done, target))
        points.append((target - done, perf_counter() - start))
        warm, done = done > 0, target
        if warm and points[-1][1] > PATIENCE:
            break
    # the rows that were not asked repeat the answers of those that were
    for answers in (space.codes.get(name), space.scores.get(name)):
        if answers is not None and done:
            answers[:] = np.resize(answers[:done], space.size)
    space.complete.add(name)
    size, seconds = points[-1]
    if len(points) < len(SAMPLE):
        return SignalCost(0.0, max(seconds / size, 1e-10))
    small, fast = points[-2]
    row = max((seconds - fast) / max(size - small, 1), seconds / size * 0.1, 1e-10)
    return SignalCost(max(seconds - row * size, 0.0), row)


class _Planner:
    """Orders the terms of every operator on a sample whose answers are all known."""

    def __init__(
        self,
        root: Node,
        questions: Mapping[str, SignalUse],
        sample: Workspace,
        costs: Mapping[str, SignalCost],
        frame: int,
    ) -> None:  # fmt: skip
        self.root, self.questions, self.sample = root, questions, sample
        self.costs, self.frame = costs, frame
        self.orders: dict[int, tuple[int, ...]] = {}
        self.rates: dict[str, float] = {}
        self.asked = {name: np.zeros(sample.size, bool) for name in questions}
        self._codes: dict[int, Codes] = {}

    def plan(self) -> FormulaPlan:
        everything = np.ones(self.sample.size, bool)
        self.estimate_cost(self.root, everything, keep=True)
        fused = tuple(name for name in self.questions if self._worth_fusing(name))
        for name in fused:
            self.rates[name] = float((self.sample.codes[name] == TRUE).mean())
        return FormulaPlan(self.orders, fused, self.costs, self.rates)

    def _worth_fusing(self, name: str) -> bool:
        """Whether asking about every row costs less than gathering those that need it."""
        if not _can_fuse(self.questions[name]):
            return False
        share = float(self.asked[name].mean())
        cost = self.costs[name]
        return cost.row <= share * (cost.row + GATHER) + cost.fixed / self.frame

    def estimate_cost(self, node: Node, live: NDArray[np.bool_], *, keep: bool) -> float:
        """Estimate the seconds to answer a node for live rows; `keep` fixes the order."""
        if isinstance(node, AskSignal):
            name = node.signal
            new = live & ~self.asked[name]
            count = int(new.sum())
            if keep and count:
                self.asked[name] |= new
                self.rates[name] = float((self.sample.codes[name][live] == TRUE).mean())
            return self.costs[name].estimate_seconds(count, self.frame, self.sample.size)
        if not isinstance(node, Op):
            return self.estimate_cost(node.term, live, keep=keep)
        if keep or id(node) not in self.orders:
            self.orders[id(node)] = self._greedy_order(node, live)
        total, left = 0.0, live
        for index in self.orders[id(node)]:
            total += self.estimate_cost(node.terms[index], left, keep=keep)
            left = left & (self.codes(node.terms[index]) != DECIDES[node.symbol])
        return total

    def _greedy_order(self, node: Op, live: NDArray[np.bool_]) -> tuple[int, ...]:
        """Take again and again the term with the least cost per row that it settles."""
        waiting = list(range(len(node.terms)))
        if len(waiting) > MAX_GREEDY:
            return tuple(
                sorted(waiting, key=lambda index: self._cost_per_settled(node, index, live))
            )
        order: list[int] = []
        while waiting:
            best = min(waiting, key=lambda index: self._cost_per_settled(node, index, live))
            live = live & (self.codes(node.terms[best]) != DECIDES[node.symbol])
            waiting.remove(best)
            order.append(best)
        return tuple(order)

    def _cost_per_settled(self, node: Op, index: int, live: NDArray[np.bool_]) -> tuple[float, int]:
        cost = self.estimate_cost(node.terms[index], live, keep=False)
        settled = int((live & (self.codes(node.terms[index]) == DECIDES[node.symbol])).sum())
        return (cost / settled if settled else 1e12 + cost, index)

    def codes(self, node: Node) -> Codes:
        """The answers of a node on the sample."""
        found = self._codes.get(id(node))
        if found is None:
            found = self._codes[id(node)] = self._sample_codes(node)
        return found

    def _sample_codes(self, node: Node) -> Codes:
        if isinstance(node, AskSignal):
            if node.test is not None and node.signal in self.sample.scores:
                return compare_scores(self.sample.scores[node.signal], node.test)
            return self.sample.codes[node.signal]
        if isinstance(node, Op):
            whole = self.codes(node.terms[0])
            for term in node.terms[1:]:
                whole = TABLES[node.symbol][whole, self.codes(term)]
            return whole
        codes = self.codes(node.term)
        if isinstance(node, Not):
            return np.array([TRUE, FALSE, UNKNOWN], np.uint8)[codes]
        assert isinstance(node, FillUnknown)
        return np.where(codes == UNKNOWN, np.uint8(node.value), codes)


def can_skip(root: Node) -> bool:
    """Say whether an order can make a difference: with one signal none can."""
    return len({leaf.signal for leaf in leaves(root)}) > 1


def has_drifted(plan: FormulaPlan, space: Workspace) -> bool:
    """Say whether a frame's rates or costs are far from those that a plan was made for.

    A cost counts where it is far from what was expected, by a time that matters in the frame.
    """
    for name, expected in plan.rates.items():
        codes = space.codes.get(name)
        if codes is None:
            continue
        asked = codes[codes != SKIPPED]
        if asked.size >= 1000 and abs(float((asked == TRUE).mean()) - expected) > 0.2:
            return True
    whole = sum(ledger.seconds for ledger in space.ledgers.values())
    for name, cost in plan.costs.items():
        ledger = space.ledgers[name]
        if name in plan.fused or not ledger.calls:
            continue
        expected = ledger.calls * cost.fixed + ledger.asked * cost.row
        matters = abs(ledger.seconds - expected) > max(DRIFT_SECONDS, whole / 4)
        if matters and not expected / DRIFT < ledger.seconds < expected * DRIFT:
            return True
    return False
