"""Rows that two splits share, and splits of another size than was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.run.actions import curate_with, explain_example, write_command
from siftset.pipeline.reports.run.statement import ReportFinding
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import RunMetrics

_HELD_OUT_TODO: Final = (
    "metrics measured on the held-out file are too optimistic: remove these rows from the set"
)
_SPLIT_TODO: Final = "drop them from one split, or let siftset split: it keeps such rows together"
_NEAR_TODO: Final = (
    "metrics measured on them are too optimistic: set dedupe.near, such as 0.8, to remove them"
)
_SPLIT_POINTS, _SPLIT_PART = 0.05, 1 / 3
"""How far a split's share may be from the one that was asked for: in points, and in parts of it."""


def judge_leakage(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield the pairs of splits, or of a split and a held-out file, that share rows."""
    found = [leak for leak in metrics.leakage if leak.rows and leak.kind != "answer"]
    for left, right in dict.fromkeys((leak.left, leak.right) for leak in found):
        leaks = {leak.kind: leak for leak in found if (leak.left, leak.right) == (left, right)}
        together = leaks.pop("any", None) or max(leaks.values(), key=lambda leak: leak.rows)
        kinds = ", ".join(f"{kind} {leak.rows:,}" for kind, leak in leaks.items())
        claim = (
            f"{together.rows:,} of {format_count(together.of, 'row')} of {left} "
            f"{conjugate(together.rows, 'are')} also in {right} ({kinds})."
        )
        todo = _HELD_OUT_TODO
        if right in SPLITS:
            only_near = leaks.keys() <= {"near"}
            todo = _NEAR_TODO if only_near else _SPLIT_TODO
        examples = tuple(one for leak in leaks.values() for one in leak.examples)
        command = explain_example(metrics, examples)
        if todo == _NEAR_TODO:
            command = curate_with(metrics, "dedupe.near=0.8")
        yield ReportFinding("leakage", "warn", claim, todo, command=command)


def judge_answers(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield the splits whose conversations end with answers that another one has."""
    for leak in metrics.leakage:
        if leak.kind == "answer" and leak.rows:
            claim = (
                f"{leak.rows:,} of {format_count(leak.of, 'row')} of {leak.left} "
                f"{conjugate(leak.rows, 'end')} with an answer that "
                f"{leak.right} has too."
            )
            todo = "a model that learned these answers scores too high: look at the examples"
            command = explain_example(metrics, leak.examples)
            yield ReportFinding("leakage", "warn", claim, todo, command=command)


def judge_split(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield splits of another size than was asked for, and groups that two of them share."""
    facts = metrics.split
    if facts is None or not facts.rows:
        return
    name = ", ".join(facts.group)
    look = write_command(metrics, "export", "--split", "{}", "--out", "{}.csv")
    for split, asked in facts.asked.items():
        share = facts.held.get(split, 0) / facts.rows
        if abs(share - asked) <= min(_SPLIT_POINTS, asked * _SPLIT_PART):
            continue
        claim = f"{split} holds {format_percent(share, 1)} of the rows, asked {asked:.0%}"
        largest = facts.largest.get(split)
        if largest is not None:
            part = format_percent(largest.rows, facts.rows)
            claim += f": group {name} '{largest.value}' alone holds {part}"
        todo = "shares are of groups: use smaller groups, or accept these shares"
        command = look.replace("{}", split).replace("'", "")
        yield ReportFinding("leakage", "warn", f"{claim}.", todo, command=command)
    for leak in facts.leaks:
        if leak.rows:
            claim = (
                f"{leak.rows:,} of {format_count(leak.of, 'row')} of {leak.left} "
                f"{conjugate(leak.rows, 'have')} a group ({name}) that is "
                f"also in {leak.right}."
            )
            todo = "metrics measured on them are too optimistic"
            command = explain_example(metrics, leak.examples)
            yield ReportFinding("leakage", "warn", claim, todo, command=command)
    if facts.ungrouped:
        claim = (
            f"{facts.ungrouped:,} of {format_count(facts.rows, 'row')} "
            f"{conjugate(facts.ungrouped, 'have')} no group ({name})."
        )
        yield ReportFinding("leakage", "note", claim, "each of them is split by its own text")
