"""Parts 3 to 5: checks, missing values, duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from siftset.pipeline.profile.scalars import PREFIX_SHARE
from siftset.pipeline.profile.shares import describe_sample
from siftset.pipeline.reports.charts import draw_bar, draw_sparkline
from siftset.pipeline.reports.markup import Child, allow_breaks, h
from siftset.pipeline.reports.page import (
    TableColumn,
    draw_table,
    format_number,
    format_share,
    label_status,
    note_absence,
)
from siftset.pipeline.reports.run.findings import check_level
from siftset.schemas.results.metrics import Check, Example, Profile, RunMetrics

_WORDS = {"note": "info", "warn": "warning", "fail": "critical", "pass": "passed"}
_MOST, _MOST_EXAMPLES = 200, 40
_ORDER = {"fail": 0, "warn": 1, "note": 2, "pass": 3}


_EXAMPLES: Final = (
    TableColumn("Row", "name"),
    TableColumn("Value", "text"),
    TableColumn("Reason", "name"),
)


def checks_part(metrics: RunMetrics, history: Sequence[RunMetrics]) -> Child:
    """Return every check, the failed ones first, with its trend and examples."""
    named = [[name, str(value)[:400]] for name, value in metrics.custom.items()]
    head = [TableColumn("Metric", "name"), TableColumn("Value", "text")]
    title = "Further metrics" if PREFIX_SHARE in metrics.custom else "Your own metrics"
    own = [h("h3", title), draw_table(head, named)] if named else None
    if not metrics.checks:
        return [note_absence("No rule and no suite is set: nothing was checked."), own]
    ranked = sorted(metrics.checks, key=lambda check: _ORDER[check_level(check)])
    more = len(ranked) - _MOST
    rest = (
        h("p", f"{more:,} more checks stand in metrics.json.", class_="soft") if more > 0 else None
    )
    ranked = ranked[:_MOST]
    rows = [_check_row(check, history) for check in ranked]
    columns = [
        TableColumn("", "nowrap"),
        TableColumn("Check", "text"),
        TableColumn("Fails on, or value", "num"),
        TableColumn("Limit", "name"),
        TableColumn("Last run", "num"),
        TableColumn("Trend", "nowrap"),
    ]
    if not history:
        rows, columns = [row[:4] for row in rows], columns[:4]
    failing = [check for check in ranked if not check.passed and check.examples]
    shown = []
    for check in failing[:_MOST_EXAMPLES]:
        title = f"{check.column}: {check.name}" if check.column else check.name
        title += f" ({check.arguments})" if check.arguments else ""
        examples = draw_table(_EXAMPLES, [example_row(one) for one in check.examples[:8]])
        shown.append(h("details", h("summary", f"Rows that fail: {title}"), examples))
    return [draw_table(columns, rows), rest, shown, own]


def _check_row(check: Check, history: Sequence[RunMetrics]) -> list[Child]:
    before = [
        _check_value(one)
        for run in history[-19:]
        for one in run.checks
        if _check_identity(one) == _check_identity(check)
    ]
    level = check_level(check)
    name = [h("code", check.column), " "] if check.column else []
    status: Child = label_status("none" if level == "note" else level, _WORDS[level])
    where = f"{check.name} on {check.column}: " if check.column else f"{check.name}: "
    said = check.message.removeprefix(where).strip("()")
    figure: Child = "" if check.observed is None else format_number(check.observed)
    if check.failed is not None and check.rows is not None:
        figure = format_share(check.failed, check.rows)
    return [
        status,
        [
            name,
            allow_breaks(check.name),
            (h("div", h("code", check.arguments), class_="small") if check.arguments else None),
            h("div", " · ".join(part for part in (check.stage, said) if part), class_="small soft"),
        ],
        figure,
        check.threshold,
        _describe_shift(check, before),
        draw_sparkline(
            [*before, _check_value(check)],
            f"{check.name}: last runs",
            as_share=check.failed is not None,
        )
        if before
        else "",
    ]


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
    if check.failed is not None:
        return f"{100 * change:+.3g} points"
    return f"+{format_number(change)}" if change > 0 else format_number(change)


def example_row(one: Example) -> list[Child]:
    """Return a row of examples: id, value, reason."""
    value: Child = h("span", "null", class_="faint") if one.value is None else one.value
    return [h("code", one.row_id), value, one.reason]


def columns_part(metrics: RunMetrics) -> Child:
    """Return null, empty and blank per column, of what came in and of what was kept."""
    if not metrics.profiles:
        return note_absence("Columns were not profiled in this run.")
    head = [
        TableColumn("Column", "name"),
        *(TableColumn(n, "num") for n in ("Null", "Empty", "Blank")),
    ]
    tables = []
    for name, profile in metrics.profiles.items():
        rows = [
            [
                [h("code", column.name), " ", h("span", column.type, class_="faint small")],
                _share_or_zero(column.null, profile.rows, profile.of),
                _share_or_zero(column.empty, profile.rows, profile.of),
                _share_or_zero(column.blank, profile.rows, profile.of),
            ]
            for column in profile.columns[:100]
        ]
        tables.append(draw_table(head, rows, describe_population(name, profile)))
    return h("div", tables)


def describe_population(name: str, profile: Profile) -> str:
    """Return whose rows these are, and how many of them were looked at."""
    who = {"input": "What came in", "kept": "What was kept"}.get(name, name)
    return f"{who}: {describe_sample(profile.rows, profile.of)}"


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
    note = f"They hold {shown:,} of the {whole:,} rows that repeat another, one kind a group."
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
    return [table, h("h3", "The largest groups"), draw_table(head, groups), note_absence(note)]
