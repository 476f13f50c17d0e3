"""Parts 3 to 5: checks, missing values, duplicates."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from siftset.pipeline.reports.charts import bar, sparkline
from siftset.pipeline.reports.markup import Child, Markup, breakable, h
from siftset.pipeline.reports.page import Column, absent, count, number, pill, share, table
from siftset.pipeline.reports.run.findings import check_level
from siftset.schemas.results.metrics import Check, Example, Group, Profile, RunMetrics

_WORDS = {"note": "info", "warn": "warning", "fail": "critical", "pass": "passed"}
_MOST, _MOST_EXAMPLES = 200, 40
_ORDER = {"fail": 0, "warn": 1, "note": 2, "pass": 3}


def checks(metrics: RunMetrics, history: Sequence[RunMetrics]) -> Child:
    """Return every check, the failed ones first, with its trend and examples."""
    own = _own(metrics.custom)
    if not metrics.checks:
        return [absent("No rule and no suite is set: nothing was checked."), own]
    ranked = sorted(metrics.checks, key=lambda check: _ORDER[check_level(check)])
    more = len(ranked) - _MOST
    rest = (
        h("p", f"{more:,} more checks stand in metrics.json.", class_="soft") if more > 0 else None
    )
    ranked = ranked[:_MOST]
    rows = [_check(check, _before(check, history)) for check in ranked]
    columns = [
        Column("", "nowrap"),
        Column("Check", "text"),
        Column("Fails on, or value", "num"),
        Column("Limit", "name"),
        Column("Last run", "num"),
        Column("Trend", "nowrap"),
    ]
    if not history:
        rows, columns = [row[:4] for row in rows], columns[:4]
    failing = [check for check in ranked if not check.passed and check.examples]
    shown = [_examples(check) for check in failing[:_MOST_EXAMPLES]]
    return [table(columns, rows), rest, shown, own]


def _check(check: Check, before: list[float]) -> list[Child]:
    level = check_level(check)
    name = [h("code", check.column), " "] if check.column else []
    status: Child = pill("none" if level == "note" else level, _WORDS[level])
    return [
        status,
        [name, breakable(check.name), _asked(check), h("div", _detail(check), class_="small soft")],
        _measured(check),
        check.threshold,
        _shift(check, before),
        sparkline([*before, _value(check)], f"{check.name}: last runs") if before else "",
    ]


def _asked(check: Check) -> Child:
    return h("div", h("code", check.arguments), class_="small") if check.arguments else None


def _detail(check: Check) -> Child:
    where = f"{check.name} on {check.column}: " if check.column else f"{check.name}: "
    said = check.message.removeprefix(where).strip("()")
    return " · ".join(part for part in (check.stage, said) if part)


def _measured(check: Check) -> Child:
    if check.failed is not None and check.rows is not None:
        return share(check.failed, check.rows)
    return "" if check.observed is None else number(check.observed)


def _value(check: Check) -> float:
    if check.failed is not None and check.rows:
        return check.failed / check.rows
    return check.observed or 0.0


def _identity(check: Check) -> tuple[str, str | None, str, str]:
    # A rule that looks for two things is two checks, told apart by what they say.
    told = check.message if check.stage == "row rules" else check.arguments
    return check.stage, check.column, check.name, told


def _before(check: Check, history: Sequence[RunMetrics]) -> list[float]:
    return [
        _value(one)
        for run in history[-19:]
        for one in run.checks
        if _identity(one) == _identity(check)
    ]


def _shift(check: Check, before: list[float]) -> str:
    if not before:
        return ""
    change = _value(check) - before[-1]
    if not change:
        return "same"
    if check.failed is not None:
        return f"{100 * change:+.3g} points"
    return f"+{number(change)}" if change > 0 else number(change)


def _examples(check: Check) -> Markup:
    title = f"{check.column}: {check.name}" if check.column else check.name
    title += f" ({check.arguments})" if check.arguments else ""
    rows = [example(one) for one in check.examples[:8]]
    columns = [Column("Row", "name"), Column("Value", "text"), Column("Reason", "name")]
    return h("details", h("summary", f"Rows that fail: {title}"), table(columns, rows))


def example(one: Example) -> list[Child]:
    """Return a row of examples: id, value, reason."""
    value: Child = h("span", "null", class_="faint") if one.value is None else one.value
    return [h("code", one.row_id), value, one.reason]


def _own(custom: dict[str, JsonValue]) -> Child:
    if not custom:
        return None
    rows = [[name, str(value)[:400]] for name, value in custom.items()]
    return [
        h("h3", "Your own metrics"),
        table([Column("Metric", "name"), Column("Value", "text")], rows),
    ]


def columns(metrics: RunMetrics) -> Child:
    """Return null, empty and blank per column, of what came in and of what was kept."""
    if not metrics.profiles:
        return absent("Columns were not profiled in this run.")
    return h("div", [_columns(name, one) for name, one in metrics.profiles.items()])


def population(name: str, profile: Profile) -> str:
    """Return whose rows these are, and how many of them were looked at."""
    who = {"input": "What came in", "kept": "What was kept"}.get(name, name)
    if profile.of > profile.rows:
        return f"{who}: a seeded sample of {count(profile.rows)} of {count(profile.of)} rows"
    return f"{who}: all {count(profile.rows)} rows"


def _columns(name: str, profile: Profile) -> Markup:
    rows = [
        [
            [h("code", column.name), " ", h("span", column.type, class_="faint small")],
            _share(column.null, profile.rows),
            _share(column.empty, profile.rows),
            _share(column.blank, profile.rows),
        ]
        for column in profile.columns[:100]
    ]
    head = [Column("Column", "name"), *(Column(n, "num") for n in ("Null", "Empty", "Blank"))]
    return table(head, rows, population(name, profile))


def _share(part: int, whole: int) -> Child:
    return share(part, whole) if part else h("span", "0", class_="faint")


def duplicates(metrics: RunMetrics) -> Child:
    """Return how many rows repeat another, and the largest groups."""
    found = metrics.duplicates
    if found is None:
        return absent("Duplicates were not looked for (dedupe.exact is off).")
    near: Child = "not looked for; set dedupe.near, such as 0.8"
    if found.near is not None:
        near = share(found.near, found.rows)
    said = h("p", "Exact: ", share(found.exact, found.rows), " · near: ", near)
    if not found.groups:
        return [said, absent("No row repeats another.") if not found.exact else None]
    shown, whole = sum(g.repeats for g in found.groups), found.exact + (found.near or 0)
    note = f"They hold {count(shown)} of the {count(whole)} rows that repeat another."
    return [said, h("h3", "The largest groups"), _groups(found.groups), absent(note)]


def _groups(groups: Sequence[Group]) -> Markup:
    most = max(group.repeats for group in groups)
    rows = [
        [
            [group.text, h("div", h("code", group.row_id), class_="small soft")],
            bar(group.repeats, most, f"{group.repeats:,} repeats"),
            count(group.repeats),
            group.kind,
        ]
        for group in groups
    ]
    head = [
        Column("Kept row", "text"),
        Column("Rows that repeat it", "bar"),
        Column("", "num"),
        Column("Kind", "nowrap"),
    ]
    return table(head, rows)
