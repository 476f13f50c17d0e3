"""What the checks of a run found, in words: thresholds, expectations and row rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from siftset.pipeline.profile.shares import format_figure, format_percent
from siftset.pipeline.reports.page import Level
from siftset.pipeline.reports.run.actions import explain_example, export_rows, write_command
from siftset.pipeline.reports.run.statement import WORST_FIRST, ReportFinding
from siftset.schemas.conversations import COLUMN
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import Check, RunMetrics, Severity

_LEVEL: Final[dict[Severity, Level]] = {"info": "note", "warning": "warn", "critical": "fail"}
_CHECK_TODO: Final = "look at the rows that fail in part 3; fix the source or the rule"
_SET_ASIDE: Final = "such rows are quarantined)"
_ASIDE_LIMITS: Final = ("quarantined_share", "quarantined_rows")
_NAMED_RULES: Final = 4


def sets_aside(check: Check) -> bool:
    """Say whether a check counts rows that its rule put into the quarantine."""
    return check.failed is not None and check.message.endswith(_SET_ASIDE)


def _judge_quarantine(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Say in one line how many rows the rules set aside, whether that is too many, and which did.

    A rule counts every row that breaks it, so that the counts may add up to more than the rows.
    """
    rules = [check for check in metrics.checks if sets_aside(check) and check.failed]
    limits = [c for c in metrics.checks if c.name in _ASIDE_LIMITS and not c.passed]
    rows = metrics.rows
    if not rows.quarantined or not (rules or limits):
        return
    claim = (
        f"{rows.quarantined:,} of {format_count(rows.read, 'row')} "
        f"{conjugate(rows.quarantined, 'are')} quarantined "
        f"({format_percent(rows.quarantined, rows.read)})"
    )
    level: Level = "note"
    for limit in limits:
        level = min(level, check_rank(limit), key=lambda one: WORST_FIRST[one])
        claim += f", {limit_in_words(limit)}"
    ranked = sorted(rules, key=lambda check: -(check.failed or 0))
    named = [f"{_name_reason(check)} ({check.failed:,})" for check in ranked[:_NAMED_RULES]]
    if more := len(ranked) - len(named):
        named.append(format_count(more, "more rule"))
    claim += f": {', '.join(named)}." if named else "."
    todo = "see quarantine/ for these rows; fix the source to get them back"
    command = export_rows(metrics, "quarantined")
    about = f"quarantined, {level}: {sorted(_name_reason(check) for check in ranked)}"
    yield ReportFinding("checks", level, claim, todo, command=command, about=about)


def _name_reason(check: Check) -> str:
    """Return why a rule sets rows aside: `text longer than 220 characters`."""
    reason = check.message.removeprefix("(").removesuffix(_SET_ASIDE).rstrip("; ")
    if check.name.startswith("expect_"):
        reason = f"not: {check.words or check.name}"
    elif check.column:
        where = "" if check.column == COLUMN else f"{check.column} "
        reason = where + reason.replace("_", " ")
    return reason


def check_rank(check: Check) -> Level:
    """Return how grave a failed check is."""
    return _LEVEL[check.severity]


def check_level(check: Check) -> Level | Literal["pass"]:
    """Return how a check stands: its severity where it failed."""
    return "pass" if check.passed else check_rank(check)


def show_observed(check: Check) -> str:
    """Return the figure of a check, as a percentage where it is a share."""
    if check.observed is None:
        return ""
    if is_share(check):
        return format_percent(check.observed, 1)
    return format_figure(check.observed)


def is_share(check: Check) -> bool:
    """Say whether a threshold limits a share of rows."""
    return check.stage == "threshold" and (
        check.name.endswith("_share") or check.name.startswith("missing_share_")
    )


def show_limit(check: Check) -> str:
    """Return the limit of a check, as a percentage where it is of a share: `at most 2%`."""
    if not is_share(check):
        return check.threshold
    return re.sub(r"\d+(?:\.\d+)?(?:e-?\d+)?", lambda n: f"{100 * float(n[0]):g}%", check.threshold)


def limit_in_words(check: Check) -> str:
    """Return how a threshold is broken: `above the limit of 2%`."""
    limit = show_limit(check)
    how = "below" if limit.startswith("at least") else "above"
    return f"{how} the limit of {limit.removeprefix('at most ').removeprefix('at least ')}"


def judge_checks(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield what failed: all that was quarantined in one line, then each check by itself."""
    yield from _judge_quarantine(metrics)
    for check in metrics.checks:
        if check.passed or sets_aside(check) or check.name in _ASIDE_LIMITS:
            continue
        rows = ""
        if check.failed is not None and check.rows:
            rows = f"fails on {check.failed:,} of {format_count(check.rows, 'row')}"
        what = f"{check.column}: {check.name}" if check.column else check.name
        if check.stage == "threshold":
            claim = f"{check.name.replace('_', ' ')} is {show_observed(check)}"
            claim = f"{claim}, {limit_in_words(check)}."
        elif check.words:
            said = f"is {show_observed(check)}" if check.observed is not None else "does not hold"
            claim = f"Expected: {check.words}; {rows or said}."
        else:
            joint = " " if check.message.startswith("(") or not check.message else ". "
            told = check.message.startswith(check.name)
            claim = check.message if told else f"{what} {rows}{joint}{check.message}".strip()
        todo = check.advice or _CHECK_TODO
        command = explain_example(metrics, check.examples) or write_command(
            metrics, "explain", "--analyze"
        )
        level = check_rank(check)
        yield ReportFinding("checks", level, claim, todo, check.note, command)
