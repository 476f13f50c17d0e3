"""Parts 3 to 5: checks, missing values, duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.profile.scalars import PREFIX_SHARE
from siftset.pipeline.profile.shares import describe_sample, format_figure, format_percent
from siftset.pipeline.reports.charts import draw_bar, draw_sparkline
from siftset.pipeline.reports.markup import Child, allow_breaks, h
from siftset.pipeline.reports.page import (
    TableColumn,
    draw_table,
    format_share,
    label_status,
    note_absence,
)
from siftset.pipeline.reports.run.actions import link_rows
from siftset.pipeline.reports.run.check_statements import (
    check_level,
    is_share,
    sets_aside,
    show_limit,
    show_observed,
)
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import Check, RunMetrics
from siftset.schemas.results.metrics_part import Example
from siftset.schemas.results.profile_metrics import Profile

_WORDS = {"note": "info", "warn": "warning", "fail": "critical", "pass": "passed"}
_MOST, _MOST_EXAMPLES = 200, 40
_ORDER = {"fail": 0, "warn": 1, "note": 2, "pass": 3}


_EXAMPLES: Final = (
    TableColumn("Row", "name"),
    TableColumn("Value", "text"),
    TableColumn("Reason", "name"),
)


def checks_part(metrics: RunMetrics, history: Sequence[RunMetrics]) -> Child:
    """Return what failed with its trend and examples, then what holds, folded."""
    named = [[name, _show_own(name, value)] for name, value in metrics.custom.items()]
    head = [TableColumn("Metric", "name"), TableColumn("Value", "text")]
    title = "Further metrics" if PREFIX_SHARE in metrics.custom else "Your own metrics"
    own = [h("h3", title), draw_table(head, named)] if named else None
    if not metrics.checks:
        return [note_absence("No rule and no suite is set: nothing was checked."), own]
    ranked = sorted(metrics.checks, key=lambda check: _ORDER[check_level(check)])[:_MOST]
    more = len(metrics.checks) - len(ranked)
    rest = None
    if more:
        rest = h(
            "p",
            f"{format_count(more, 'more check')} {conjugate(more, 'are')} in metrics.json.",
            class_="soft",
        )
    failing = [check for check in ranked if not check.passed]
    passing = [check for check in ranked if check.passed]
    shown: list[Child] = []
    for check in [one for one in failing if one.examples][:_MOST_EXAMPLES]:
        said = check.words or f"{check.column or ''} {check.name}".strip()
        asked = f" ({check.arguments})" if check.arguments and not check.words else ""
        examples = draw_table(_EXAMPLES, [example_row(one) for one in check.examples[:8]])
        title_ = h("summary", f"Rows that fail: {said}{asked}")
        shown.append(h("details", title_, examples))
    if any(sets_aside(check) for check in failing):
        shown.append(link_rows(metrics, "quarantined"))
    held: Child = None
    if passing:
        count = f"{format_count(len(passing), 'check')} {conjugate(len(passing), 'hold')}"
        held = _check_table(passing, history)
        # What holds is read when somebody asks for it, unless nothing else is there to read.
        held = h("details", h("summary", count), held, open=not failing)
    return [_check_table(failing, history) if failing else None, shown, held, rest, own]


def _show_own(name: str, value: JsonValue) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)[:400]
    return format_percent(value, 1) if name.endswith("_share") else format_figure(value)


def _check_table(checks: Sequence[Check], history: Sequence[RunMetrics]) -> Child:
    columns = [
        TableColumn("", "nowrap"),
        TableColumn("What is asked", "text"),
        TableColumn("Fails on, or value", "num"),
        TableColumn("Limit", "name"),
        TableColumn("Last run", "num"),
        TableColumn("Trend"),
    ]
    rows = [_check_row(check, history) for check in checks]
    if not history:
        rows, columns = [row[:4] for row in rows], columns[:4]
    return draw_table(columns, rows)


def _check_row(check: Check, history: Sequence[RunMetrics]) -> list[Child]:
    before = [
        _check_value(one)
        for run in history[-19:]
        for one in run.checks
        if _check_identity(one) == _check_identity(check)
    ]
    level = check_level(check)
    status: Child = label_status("none" if level == "note" else level, _WORDS[level])
    figure: Child = show_observed(check)
    if check.failed is not None and check.rows is not None:
        figure = format_share(check.failed, check.rows)
    trend: Child = ""
    if before:
        values = [*before, _check_value(check)]
        counted = check.failed is not None or is_share(check)
        trend = draw_sparkline(values, f"{check.name}: last runs", as_share=counted)
    return [
        status,
        _name_check(check),
        figure,
        "" if check.failed == 0 and check.passed else show_limit(check),
        _describe_shift(check, before),
        trend,
    ]


def _name_check(check: Check) -> list[Child]:
    """Return what a check asks in words, and below it its stage, its name and what the suite says.

    Files of an earlier siftset have no words: the name and the arguments stand for them.
    """
    if check.words:
        asked: Child = check.words
        below: list[Child] = [check.stage, h("code", allow_breaks(check.name))]
    else:
        where = f"{check.name} on {check.column}: " if check.column else f"{check.name}: "
        said = check.message.removeprefix(where).strip("()")
        said = "" if check.stage == "threshold" and not check.passed else said
        name = check.name.replace("_", " ") if check.stage == "threshold" else check.name
        asked = [h("code", check.column), " "] if check.column else []
        asked = [asked, allow_breaks(name)]
        if check.arguments:
            asked = [asked, h("div", h("code", check.arguments), class_="small")]
        below = [part for part in (check.stage, said) if part]
    line: list[Child] = [[part, " · "] for part in below[:-1]]
    note = h("div", check.note, class_="small soft") if check.note and not check.passed else None
    return [asked, h("div", line, below[-1:], class_="small soft"), note]


def _check_value(check: Check) -> float:
    if check.failed is not None and check.rows:
        return check.failed / check.rows
    return check.observed or 0.0


def _check_identity(check: Check) -> tuple[str, str | None, str, str]:
    # A rule that looks for two things is two checks, told apart by what they say.
    told = check.message if check.stage == "row rules" else check.arguments
    return check.stage, check.column, check.name, told


def _describe_shift(check: Check, before: list[float]) -> str:
    if not before:
        return ""
    change = _check_value(check) - before[-1]
    if not change:
        return "same"
    if check.failed is not None or is_share(check):
        return f"{100 * change:+.3g} points"
    return f"+{format_figure(change)}" if change > 0 else format_figure(change)


def example_row(one: Example) -> list[Child]:
    """Return a row of examples: id, value, reason."""
    value: Child = h("span", "null", class_="faint") if one.value is None else one.value
    return [h("code", one.row_id), value, one.reason]


def columns_part(metrics: RunMetrics) -> Child:
    """Return null, empty and blank per column, of what came in and of what was kept."""
    if not metrics.profiles:
        return note_absence("Columns were not profiled in this run.")
    rows: list[list[Child]] = []
    whole: dict[str, None] = {}
    for name, profile in metrics.profiles.items():
        for column in profile.columns:
            counts = (column.null, column.empty, column.blank)
            whole.setdefault(column.name)
            if any(counts) and len(rows) < _MOST:
                typed = h("span", column.type, class_="faint small")
                shares = [_share_or_zero(n, profile.rows, profile.of) for n in counts]
                rows.append([[h("code", column.name), " ", typed], name_population(name), *shares])
    lacking = {column.name for one in metrics.profiles.values() for column in one.columns
               if column.null or column.empty or column.blank}  # fmt: skip
    filled = [name for name in whole if name not in lacking]
    kinds = [TableColumn(one, "num") for one in ("Null", "Empty", "Blank")]
    head = [TableColumn("Column", "name"), TableColumn("", "nowrap"), *kinds]
    names = [[", " if at else "", h("code", name)] for at, name in enumerate(filled[:_MOST])]
    said = h("p", "Without null, empty or blank values: ", names, ".") if filled else None
    of = [h("li", describe_population(name, one)) for name, one in metrics.profiles.items()]
    return [draw_table(head, rows) if rows else None, said, h("ul", of, class_="legend")]


def describe_population(name: str, profile: Profile) -> str:
    """Return whose rows these are, and how many of them were looked at."""
    return f"{name_population(name)}: {describe_sample(profile.rows, profile.of)}"


def name_population(name: str) -> str:
    """Return what a profile is of."""
    return {"input": "What came in", "kept": "What was kept"}.get(name, name)


def _share_or_zero(part: int, whole: int, of: int) -> Child:
    return format_share(part, whole, of) if part else h("span", "0", class_="faint")


_KINDS: Final = {
    "exact": ("equal texts", "dedupe.exact is off"),
    "near": ("similar texts", "set dedupe.near, such as 0.8"),
    "ids": ("ids met before", "no column is mapped as id"),
    "labels": ("equal texts, other labels", "dedupe.relabelled is not set"),
}


def duplicates_part(metrics: RunMetrics) -> Child:
    """Return how many rows repeat another by kind, and the largest groups."""
    found = metrics.duplicates
    if found is None:
        return note_absence("Duplicates were not looked for.")
    counts = {kind: getattr(found, kind) for kind in _KINDS}
    rows = [
        [
            name,
            f"not looked for: {how}"
            if counts[kind] is None
            else format_share(counts[kind], found.rows),
        ]
        for kind, (name, how) in _KINDS.items()
    ]
    if found.relabelled is not None:
        rows.append(
            [
                "rows under another label than their text's",
                format_share(found.relabelled, found.rows),
            ]
        )
    head = [TableColumn("Duplicates by", "name"), TableColumn("Rows that the formula kept", "num")]
    table = draw_table(head, rows)
    if not found.groups:
        return [table, note_absence("No row repeats another.")]
    shown, whole = sum(g.repeats for g in found.groups), sum(n or 0 for n in counts.values())
    note = f"These groups hold {shown:,} of the {format_count(whole, 'row')} that repeat another."
    most = max(group.repeats for group in found.groups)
    groups = [
        [
            [group.text, h("div", h("code", group.row_id), class_="small soft")],
            draw_bar(group.repeats, most, f"{group.repeats:,} repeats"),
            f"{group.repeats:,}",
            group.kind,
        ]
        for group in found.groups
    ]
    head = [
        TableColumn("Kept row", "text"),
        TableColumn("Rows that repeat it", "bar"),
        TableColumn("", "num"),
        TableColumn("Kind", "nowrap"),
    ]
    return [
        table,
        h("h3", "The largest groups"),
        draw_table(head, groups),
        note_absence(note),
        link_rows(metrics, "duplicates"),
    ]
