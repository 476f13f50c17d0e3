"""What differs, as a page: the figures, the reasons, what moved most, and rows to look at."""

from __future__ import annotations

import math
import shlex
from typing import Final

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.charts import draw_bar, draw_pairs
from siftset.pipeline.reports.difference.lines import describe_cause, describe_changes, shorten
from siftset.pipeline.reports.markup import Child, Markup, h, link_file
from siftset.pipeline.reports.page import (
    WORDS,
    Extras,
    Header,
    PagePart,
    TableColumn,
    draw_table,
    label_status,
    list_facts,
    note_absence,
    render_page,
    show_command,
    show_figures,
)
from siftset.schemas.plurals import format_count
from siftset.schemas.results.difference import (
    KINDS,
    NULL,
    REASON_WORDS,
    Distribution,
    RowChange,
    RowSide,
    SetDifference,
    Slice,
)

EXTRAS: Final = Extras("difference.css", "search.js")
_DRAWN = ("length", "score of ")
"""Distributions of numbers: they are drawn, those of values are listed."""
_VALUES = 12
_SLICES = 15
_FEWEST = 10


def difference_page(found: SetDifference, *, data: str = "") -> str:
    """Return the page of a difference; it holds a small script that searches the rows shown.

    `data` is the file beside the page that holds the same as JSON.
    """
    changes = found.changes
    verdict = found.verdict or "none"
    title = found.recipe or "Difference"
    header = Header(
        f"{title}: {found.before.name} to {found.after.name}",
        "siftset · which rows differ, and why",
        [
            label_status(verdict, WORDS[verdict]) if found.verdict else None,
            h("span", describe_changes(changes)),
        ],
    )
    parts = [
        PagePart("figures", "In figures", _show_figures(found)),
        PagePart("reasons", "Why rows differ", [_list_recipe_changes(found), _list_reasons(found)]),
        PagePart(
            "slices",
            "What moved most",
            _list_slices(found),
            lede=(
                "Sources, labels and splits, first those whose rows differ more often than chance "
                "would have it."
            ),
        ),
        PagePart("distributions", "Before and after", _draw_distributions(found)),
        PagePart("rows", "Rows", _list_samples(found, data), lede=_describe_samples(found)),
    ]
    return render_page(header, parts, extras=EXTRAS)


def _show_figures(found: SetDifference) -> Child:
    changes, before, after = found.changes, found.before, found.after
    figures = [
        (f"{after.rows:,}", "rows after", f"{before.rows:,} before"),
        (f"{changes.added:,}", "added", _share(changes.added, after.rows, "of those after")),
        (
            f"{changes.removed:,}",
            "removed",
            _share(changes.removed, before.rows, "of those before"),
        ),
        (
            f"{changes.changed:,}",
            "changed",
            _share(changes.changed, before.rows, "of those before"),
        ),
    ]
    if changes.changed:
        figures += [
            (f"{changes.relabelled:,}", "relabelled", "of those changed"),
            (f"{changes.moved:,}", "in another split", "of those changed"),
        ]
    facts: dict[str, Child] = {
        "New columns": ", ".join(found.columns_added),
        "Columns gone": ", ".join(found.columns_removed),
        "Formula": h("code", after.formula) if after.formula else "",
    }
    if before.formula and before.formula != after.formula:
        facts["Formula before"] = h("code", before.formula)
    return [show_figures(figures), list_facts(facts), _offer_plan(found)]


def _offer_plan(found: SetDifference) -> Child:
    """Return the command that publishes a plan, below what it would do."""
    if found.after.version is not None or not found.arguments or found.verdict == "fail":
        return None
    recipe, *changes = found.arguments
    command = shlex.join(["siftset", "apply", recipe, found.after.run_id, *changes])
    return [
        h("p", "To publish it exactly as it is here:", class_="small soft"),
        show_command(command),
    ]


def _share(part: int, whole: int, of: str) -> str:
    return f"{format_percent(part, whole)} {of}" if whole else ""


def _list_recipe_changes(found: SetDifference) -> Child:
    """Show what the recipe says otherwise: a threshold with the number it had and has."""
    if not found.recipe_changes:
        return None
    rows: list[list[Child]] = [
        [h("code", one.key), *(_show_setting(value) for value in (one.before, one.after))]
        for one in found.recipe_changes
    ]
    columns = [TableColumn(name, "name") for name in ("What the recipe says", "Before", "After")]
    return draw_table(columns, rows)


def _show_setting(value: str) -> Child:
    return h("code", shorten(value, 200)) if value else h("span", "not set", class_="faint")


def _list_reasons(found: SetDifference) -> Child:
    if not found.reasons:
        return note_absence("No row differs.")
    most = max(reason.rows for reason in found.reasons)
    rows: list[list[Child]] = [
        [
            _label_kind(reason.kind),
            REASON_WORDS[reason.reason],
            h("code", reason.detail) if reason.detail else "",
            f"{reason.rows:,}",
            draw_bar(reason.rows, most, format_count(reason.rows, "row"), fill=f"f{reason.kind}"),
        ]
        for reason in found.reasons
    ]
    columns = [
        TableColumn("", "nowrap"),
        TableColumn("Why", "name"),
        TableColumn("Clause, signal or column", "name"),
        TableColumn("Rows", "num"),
        TableColumn("", "bar"),
    ]
    return draw_table(columns, rows)


def _label_kind(kind: str) -> Markup:
    return h("span", kind, class_=f"pill {kind}")


def _list_slices(found: SetDifference) -> Child:
    moved = sorted(
        (one for one in found.slices if one.added + one.removed + one.changed),
        key=lambda one: (-_surprise(one, found), one.column, one.value),
    )
    if not moved:
        return note_absence("No row differs.")
    columns = [
        TableColumn("", "nowrap"),
        TableColumn("Value", "name"),
        *(TableColumn(word, "num") for word in ("Before", "After", "Added", "Removed", "Changed")),
        TableColumn("Of its rows", "num"),
    ]
    rows: list[list[Child]] = [
        [
            one.column,
            one.value,
            *(f"{n:,}" for n in (one.before, one.after, one.added, one.removed, one.changed)),
            format_percent(_count_moved(one), max(one.before, one.after)),
        ]
        for one in moved[:_SLICES]
    ]
    more = len(moved) - _SLICES
    return [draw_table(columns, rows), note_absence(f"And {more:,} more.") if more > 0 else None]


def _count_moved(one: Slice) -> int:
    return min(one.added + one.removed + one.changed, max(one.before, one.after))


def _surprise(one: Slice, found: SetDifference) -> float:
    """Return by how many standard deviations more rows of a slice differ than of the whole set."""
    changes = found.changes
    rows = max(found.before.rows, found.after.rows, 1)
    rate = min(1.0, (changes.added + changes.removed + changes.changed) / rows)
    expected = rate * max(one.before, one.after)
    few = max(one.before, one.after) < _FEWEST  # a slice of three rows is no finding
    deviation = math.sqrt(max(1.0, expected * (1 - rate)))
    return (_count_moved(one) - expected) / deviation - (1000 if few else 0)


def _draw_distributions(found: SetDifference) -> Child:
    drawn = [one for one in found.distributions if one.name.startswith(_DRAWN)]
    listed = [one for one in found.distributions if not one.name.startswith(_DRAWN)]
    return [
        h("div", [_list_values(one) for one in listed], class_="grid2"),
        h("div", [_draw_numbers(one) for one in drawn], class_="grid2"),
    ]


def _list_values(one: Distribution) -> Child:
    totals = sum(one.before), sum(one.after)
    rows: list[list[Child]] = [
        [name, format_percent(old, totals[0]), format_percent(new, totals[1]), f"{new - old:+,}"]
        for name, old, new in list(zip(one.bins, one.before, one.after, strict=True))[:_VALUES]
    ]
    columns = [
        TableColumn(one.name, "name"),
        TableColumn("Before", "num"),
        TableColumn("After", "num"),
        TableColumn("Change, of a sample" if one.is_sample else "Change in rows", "num"),
    ]
    more = len(one.bins) - _VALUES
    return h(
        "div",
        draw_table(columns, rows),
        note_absence(f"And {format_count(more, 'more value')}.") if more > 0 else None,
    )


def _draw_numbers(one: Distribution) -> Child:
    name = "length in characters" if one.name == "length" else one.name
    bins = list(zip(one.bins, one.before, one.after, strict=True))
    none = next((found for found in bins if found[0] == NULL), None)
    if none is not None:
        name = f"{name}; none for {format_count(none[1], 'row')} before, {none[2]:,} after"
    bins = [found for found in bins if found is not none]
    filled = [at for at, found in enumerate(bins) if found[1] or found[2]]
    shown = bins[filled[0] : filled[-1] + 1] if filled else []
    return draw_pairs(shown, name, ("before", "after"))


def _describe_samples(found: SetDifference) -> str:
    changes = found.changes
    every = changes.added + changes.removed + changes.changed
    if len(found.samples) >= every:
        return "Every row that differs."
    return (
        f"{len(found.samples):,} of {format_count(every, 'row')} that differ, some for each reason."
    )


def _list_samples(found: SetDifference, data: str) -> Child:
    if not found.samples:
        return note_absence("No row differs.")
    options = [h("option", "all", value=""), [h("option", kind, value=kind) for kind in KINDS]]
    search = h(
        "div",
        h("input", type="search", placeholder="Search these rows", aria_label="Search these rows"),
        h("select", options, aria_label="Which rows"),
        h("output", class_="soft"),
        class_="search",
        id="search",
        hidden=True,
    )
    return [search, [_show_row(row) for row in found.samples], _link_rows(found, data)]


def _link_rows(found: SetDifference, data: str) -> Child:
    """Return where these rows lie as JSON, and the command that explains one of them in full."""
    where = h("p", "These rows, as JSON: ", link_file(data, data), class_="small soft")
    command = ""
    if found.arguments:
        recipe, *changes = found.arguments
        row = found.samples[0].row_id
        command = shlex.join(["siftset", "explain", recipe, "--row", row, *changes])
    return h("div", where if data else None, show_command(command), class_="extract")


def _show_row(row: RowChange) -> Markup:
    labels = _arrow(*(None if one is None else one.label for one in (row.before, row.after)))
    splits = _arrow(*(None if one is None else one.split for one in (row.before, row.after)))
    head = [
        _label_kind(row.kind),
        h("code", row.row_id[:12]),
        h("span", row.source, class_="soft"),
        h("span", "label ", labels, class_="soft") if labels else None,
        h("span", "split ", splits, class_="soft") if splits else None,
    ]
    rewritten = row.before and row.after and row.before.text != row.after.text
    shown = (
        [_quote(row.before, "before", "old"), _quote(row.after, "after")]
        if rewritten
        else _quote(row.after or row.before)
    )
    return h(
        "div",
        h("div", head, class_="head"),
        shown,
        h("span", describe_cause(row).replace(" -> ", " → "), class_="why"),
        class_="sample",
        data_kind=row.kind,
    )


def _quote(side: RowSide | None, word: str = "", kind: str | None = None) -> Markup | None:
    if side is None:
        return None
    told = h("span", word, class_="word") if word else None
    return h("blockquote", told, "(null)" if side.text is None else side.text, class_=kind)


def _arrow(before: str | None, after: str | None) -> str:
    if before is None or after is None or before == after:
        return before or after or ""
    return f"{before} → {after}"
