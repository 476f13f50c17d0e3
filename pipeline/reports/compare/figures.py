"""Figures before and after, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from siftset.pipeline.reports.charts import Axis
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import (
    Status,
    TableColumn,
    draw_table,
    label_status,
)
from siftset.schemas.results.comparison import Change, Estimate, Interval, Verdict, WinRate

VERDICTS: Final[dict[Verdict, Status]] = {
    "better": "pass",
    "worse": "fail",
    "no difference shown": "none",
    "not judged": "none",
}


def format_number(value: float | None, *, share: bool = False) -> str:
    """Return a figure in four significant digits; an undefined one as a dash."""
    if value is None:
        return "–"  # noqa: RUF001
    if share:
        return f"{value:.1%}"
    return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"


def short_name(name: str) -> str:
    """Return a model's name for headings: of a folder, its last part."""
    return PurePath(name).name if PurePath(name).is_absolute() else name


def show_pair(before: float | None, after: float | None, *, share: bool = False) -> Markup:
    """Return a figure before and after."""
    return h(
        "span", format_number(before, share=share), " → ", h("b", format_number(after, share=share))
    )


def show_estimate(one: Estimate | None) -> Child:
    """Return a figure with its interval."""
    if one is None:
        return format_number(None)
    return [format_number(one.value), " ", show_interval(one.interval)]


def stack_estimate(one: Estimate | None) -> Child:
    """Return a figure with its interval below, so that many columns fit."""
    return (
        format_number(None)
        if one is None
        else [format_number(one.value), _stack_interval(one.interval)]
    )


def show_interval(one: Interval | None, *, share: bool = False) -> Child:
    """Return an interval in brackets."""
    if one is None:
        return None
    ends = (one.low, one.high)
    said = ", ".join(
        f"{v:.1%}" if share else f"{v:,.3g}" if abs(v) < 1_000 else f"{v:,.0f}" for v in ends
    )
    return h("span", f"[{said}]", class_="of", title=f"{one.level:.0%} interval")


def _stack_interval(one: Interval | None, *, share: bool = False) -> Child:
    """Return an interval on a line of its own, so that seven columns fit."""
    return None if one is None else h("div", show_interval(one, share=share))


def changes_table(changes: Sequence[Change], *, share: bool = False) -> Markup:
    """Return metrics before, after and their paired difference."""
    columns = [
        TableColumn("", "name"),
        TableColumn("Before", "num"),
        TableColumn("After", "num"),
        TableColumn("Difference", "num"),
        TableColumn("", "bar"),
        TableColumn("Of", "num"),
        TableColumn("", "nowrap"),
    ]
    return draw_table(columns, [_change_row(one, share=share) for one in changes])


def _change_row(one: Change, *, share: bool) -> list[Child]:
    difference, paired = format_number(one.difference), one.interval
    if share and one.difference is not None:
        difference = f"{100 * one.difference:.3g} points"
    if share and paired is not None:
        points = {"low": 100 * paired.low, "high": 100 * paired.high}
        paired = paired.model_copy(update=points)
    signed = f"+{difference}" if one.difference and one.difference > 0 else difference
    judged = None
    if one.verdict != "not judged":
        judged = label_status(VERDICTS[one.verdict], one.verdict)
    return [
        one.name.replace("_", " "),
        [format_number(one.before, share=share), _stack_interval(one.before_interval, share=share)],
        [format_number(one.after, share=share), _stack_interval(one.after_interval, share=share)],
        [signed, _stack_interval(paired)],
        _draw_whisker(one),
        f"{one.n:,}",
        judged,
    ]


def _draw_whisker(one: Change) -> Child:
    """Draw the paired interval against no difference."""
    if one.interval is None or one.difference is None:
        return None
    low, high = one.interval.low, one.interval.high
    reach = max(abs(low), abs(high), abs(one.difference)) or 1.0
    axis = Axis(-reach, reach)
    places = [100 * axis.place(value) for value in (low, high, one.difference)]
    colour = {"better": "s3", "worse": "s4"}.get(one.verdict, "s6")
    line = {"y1": 5, "y2": 5}
    return h(
        "svg",
        h("title", f"difference {one.difference:+.4g}, interval {low:+.4g} to {high:+.4g}"),
        h("line", x1=50, x2=50, y1=0, y2=10, class_="sgrid"),
        h("line", x1=places[0], x2=places[1], class_=colour, **line),
        h("line", x1=places[2], x2=places[2], class_=f"{colour} point", **line),
        class_="bar whisker",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        role="img",
    )


def wins_table(wins: Sequence[WinRate]) -> Child:
    """Return how often the model after did better; ties count half."""
    if not wins:
        return None
    rows = [
        [
            one.name,
            [format_number(one.value, share=True), " ", show_interval(one.interval, share=True)],
            f"{one.wins:,} won, {one.ties:,} tied, {one.n - one.wins - one.ties:,} lost",
            f"{one.n:,}",
        ]
        for one in wins
    ]
    columns = [TableColumn("Wins of the model after", "name"), TableColumn("Share", "num")]
    return draw_table([*columns, TableColumn("", "name"), TableColumn("Of", "num")], rows)
