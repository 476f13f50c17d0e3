"""What the formula did with the rows, as the page shows it: the tree, the steps, the signals."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from siftset.schemas.results.funnel_metrics import (
    Funnel,
    LeaveOneOut,
    Pair,
    SignalMetrics,
    Step,
    Tree,
)
from siftset.signals.analysis import Analysis, SignalAnalysis, analyse
from siftset.signals.evaluation.statistics import SignalStatistics, Statistics
from siftset.signals.formula.tree import AskSignal, FillUnknown, Node, Not, Op, show

if TYPE_CHECKING:
    import polars as pl

    from siftset.signals.decider import Decider
    from siftset.signals.evaluation.spec import SignalSpec

_WORDS: Final = {"&": "and", "|": "or", "^": "xor"}
_LONGEST: Final = 300
_NAMED: Final = 8
_ANSWERS: Final = 2**23
"""Answers of signals that are held at a time: one batch of 128 signals."""
_FEWEST_ROWS: Final = 4_096


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is known of the sifting once it is done: counts of the whole run."""

    statistics: Statistics
    clauses: Mapping[str, int]
    """Rejected rows by the clause that decided."""


def analyse_frame(decider: Decider, frame: pl.DataFrame) -> Analysis:
    """Evaluate every signal and every node of the formula on a frame.

    Of many signals on some rows at a time: the answers of every node to every row are held.
    """
    signals = {name: question.signal for name, question in decider.questions.items()}
    rows = max(_FEWEST_ROWS, _ANSWERS // max(1, len(signals)))
    slices = (frame.slice(start, rows) for start in range(0, max(1, frame.height), rows))
    found = (analyse(decider.formula, signals, one, cache=decider.cache) for one in slices)
    return reduce(operator.add, found)


def describe_funnel(decider: Decider, sifted: Sifted, analysis: Analysis | None) -> Funnel:
    """Return the funnel; `analysis` comes from `analyse_frame`, or from the sum of several.

    Everything stands in the order of the formula as written, and what the analysis has counted
    depends on the rows alone; what the plan of the run asked is kept beside it.
    """
    said = sifted.statistics.signals
    found = {} if analysis is None else analysis.signals
    clauses = sifted.clauses if analysis is None else analysis.clauses
    ranked = sorted(clauses.items(), key=lambda one: (-one[1], one[0]))
    known = Funnel(
        formula=decider.formula.text,
        tree=_describe_tree(decider.root, analysis),
        decided=sifted.statistics.rows,
        signals=tuple(
            _describe_signal(name, said[name], question.signal, found.get(name))
            for name, question in decider.questions.items()
            if name in said
        ),
        clauses={name: rows for name, rows in ranked if rows},
    )
    if analysis is None:
        return known
    pairs = [
        Pair(left=left, right=right, both=same, either=both)
        for (left, right), (same, both) in analysis.agreement.items()
    ]
    out = [
        LeaveOneOut(
            signal=name, kept_without=one.kept_without, removed=one.removes, added=one.admits
        )
        for name, one in analysis.signals.items()
    ]
    more = {
        "steps": _count_steps(decider, analysis),
        "analysed": analysis.rows,
        "analysed_kept": analysis.kept,
        "leave_one_out": tuple(out),
        "pairs": tuple(pairs),
    }
    return known.model_copy(update=more)


def _write_value(value: JsonValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _describe_signal(
    name: str, found: SignalStatistics, signal: SignalSpec, analysed: SignalAnalysis | None
) -> SignalMetrics:
    said = []
    for key, value in signal.parameters.items():
        listed = value if isinstance(value, list) else [value]
        more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
        said.append(f"{key} {' '.join(map(_write_value, listed[:_NAMED]))}{more}")
    return SignalMetrics(
        name=name,
        kind=signal.defined,
        description=", ".join(said)[:_LONGEST] or signal.description,
        true=found.true,
        false=found.false,
        unknown=found.unknown,
        evaluated=found.evaluated,
        skipped=found.skipped,
        ran=found.ran,
        cached=found.cached,
        faults=found.raised,
        seconds=round(found.seconds, 6),
        fused=found.fused,
        analysed_true=None if analysed is None else analysed.true,
        analysed_false=None if analysed is None else analysed.false,
        analysed_unknown=None if analysed is None else analysed.unknown,
    )


def _count_steps(decider: Decider, analysis: Analysis) -> tuple[Step, ...]:
    """Return the rows that are left after each clause, on the rows that were analysed."""
    root, steps, entered = decider.root, [], analysis.rows
    terms = root.terms if isinstance(root, Op) and root.symbol == "&" else (root,)
    for term, passed in zip(terms, analysis.steps, strict=True):
        clause = show(term)
        alone = analysis.nodes[clause]
        steps.append(Step(clause=clause[:_LONGEST], entered=entered, passed=passed, alone=alone))
        entered = passed
    return tuple(steps)


def _child_nodes(node: Node) -> tuple[Node, ...]:
    if isinstance(node, AskSignal):
        return ()
    return node.terms if isinstance(node, Op) else (node.term,)


def _describe_tree(node: Node, analysis: Analysis | None) -> Tree:
    label = show(node)[:_LONGEST]
    if isinstance(node, Op):
        label = _WORDS[node.symbol]
    elif isinstance(node, Not):
        label = "not"
    elif isinstance(node, FillUnknown):
        label = f"unknown is {str(node.value).lower()}"
    children = tuple(_describe_tree(child, analysis) for child in _child_nodes(node))
    true = None if analysis is None else analysis.nodes.get(show(node))
    return Tree(label=label, children=children, true=true)
