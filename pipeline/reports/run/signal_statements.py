"""Signals that are true of no row, change nothing or fail, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from siftset.pipeline.profile.shares import describe_sample, format_percent
from siftset.pipeline.reports.run.actions import explain_example, try_without
from siftset.pipeline.reports.run.statement import ReportFinding
from siftset.schemas.plurals import format_count
from siftset.schemas.results.funnel_metrics import Funnel
from siftset.schemas.results.metrics import RunMetrics

_SIGNALS_NAMED: Final = 20
"""Signals of which each is named with its command, which holds the whole formula."""


def judge_signals(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield the signals that are true of no row, then those that change no outcome."""
    funnel = metrics.funnel
    if funnel is None:
        return
    seen = describe_sample(funnel.analysed, funnel.decided)
    whole = funnel.analysed >= funnel.decided
    mute = set()
    for signal in funnel.signals:
        true = signal.true if signal.analysed_true is None else signal.analysed_true
        false = signal.false if signal.analysed_false is None else signal.analysed_false
        unknown = signal.unknown if signal.analysed_unknown is None else signal.analysed_unknown
        if not signal.faults and false and not true and not signal.true:
            mute.add(signal.name)
            if len(mute) > _SIGNALS_NAMED:
                continue
            of = f"{format_count(true + false + unknown, 'row')}" if whole else seen
            if signal.analysed_true is None:
                of = f"the {format_count(signal.evaluated, 'row')} that it was asked about"
            claim = f"The `{signal.name}` signal is true of none of {of}."
            command = try_without(metrics, signal.name)
            todo = "check its words or its limits"
            yield ReportFinding("balance", "warn", claim, todo, command=command)
    yield from _name_others("true of no row", len(mute), "check their words or their limits")
    yield from _find_idle_signals(metrics, funnel, mute)


def _name_others(what: str, signals: int, todo: str) -> Iterator[ReportFinding]:
    """Yield one finding for all signals beyond those that are named one by one."""
    others = signals - _SIGNALS_NAMED
    if others > 0:
        claim = f"{others:,} more {'signals are' if others > 1 else 'signal is'} {what}."
        yield ReportFinding("balance", "warn", claim, todo)


def _find_idle_signals(
    metrics: RunMetrics, funnel: Funnel, said: Collection[str]
) -> Iterator[ReportFinding]:
    """Yield the signals without which the formula keeps the same rows, but for those `said`."""
    seen = describe_sample(funnel.analysed, funnel.decided)
    whole = funnel.analysed >= funnel.decided
    new = "new " if metrics.run.incremental else ""
    is_and = funnel.tree is not None and funnel.tree.label == "and"
    top = {clause.label for clause in funnel.tree.children} if funnel.tree and is_and else set()
    # A clause that decided rows is never said to be idle, whatever a sample of them shows.
    decided = [clause for clause, rows in funnel.clauses.items() if rows]
    decides = {word for clause in decided for word in re.findall(r"\w+", clause)}
    idle = 0
    for out in funnel.leave_one_out:
        asked = out.signal in decides or out.signal in said
        if out.removed or out.added or not funnel.analysed or asked:
            continue
        idle += 1
        if idle > _SIGNALS_NAMED:
            continue
        # A signal that stands by itself between ands can only remove.
        does = "removes" if out.signal in top else "changes"
        # What the analysis of all rows did not see was quarantined: no formula changes that.
        rows = f"{metrics.rows.read:,} {new}rows" if whole else seen
        claim = f"The `{out.signal}` signal {does} nothing (leave-one-out: 0 of {rows})."
        todo = "drop it from the formula, or make it stricter"
        if new:
            todo = "look at earlier runs, which read the other rows, before you drop it"
        if not whole:
            most = format_percent(3, funnel.analysed)  # the rule of three
            claim = f"{claim[:-1]}; by itself it decides at most {most} of all rows, 95 %."
            todo = "look at every row, with analysis: full, before you drop it from the formula"
        command = try_without(metrics, out.signal)
        yield ReportFinding("balance", "warn", claim, todo, command=command)
    others = "drop them from the formula, or make them stricter; the table of signals names them"
    yield from _name_others("without effect: the formula keeps the same rows", idle, others)


def judge_faults(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield the signals that failed on rows."""
    left_open = any(check.name == "signal faults" for check in metrics.checks)
    examples = [one for c in metrics.checks if c.name == "signal faults" for one in c.examples]
    command = explain_example(metrics, tuple(examples))
    todo = "see rows that it left undecided, with the exceptions"
    if not left_open:
        todo = "the formula decided these rows without it"
    for signal in metrics.funnel.signals if metrics.funnel else ():
        if signal.faults:
            claim = f"The `{signal.name}` signal failed on {format_count(signal.faults, 'row')}."
            yield ReportFinding("balance", "warn", claim, todo, command=command)
