"""Figures before and after, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from siftset.pipeline.reports.charts import Axis
from siftset.pipeline.reports.compare.metric_names import (
    SCALES,
    Scale,
    find_scale,
    name_metric,
)
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


MOST_SHOWN: Final = 6
"""Metrics beside those of a task that are shown without being asked for."""


def format_number(value: float | None, *, share: bool = False) -> str:
    """Return a figure with as many decimals as others of its size; an undefined one as a dash."""
    if value is None:
        return "–"  # noqa: RUF001
    if share:
        return f"{value:.1%}"
    if isinstance(value, int) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.2f}"
    return f"{value:.1g}" if 0 < abs(value) < 0.0005 else f"{value:.3f}"


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
    said = ", ".join(format_number(v, share=share) for v in ends)
    return h("span", f"[{said}]", class_="of", title=f"{one.level:.0%} interval")


def _stack_interval(one: Interval | None, *, share: bool = False) -> Child:
    """Return an interval on a line of its own, so that seven columns fit."""
    return None if one is None else h("div", show_interval(one, share=share))


def changes_table(changes: Sequence[Change], *, share: bool = False) -> Markup:
    """Return metrics before, after and their paired difference.

    Metrics of one scale stand together, that of the first metric at the top, and their differences
    are drawn on one axis: a long line is a large difference, whichever metric it is of.
    """
    groups: dict[Scale, list[Change]] = {}
    for one in changes:
        groups.setdefault("share" if share else find_scale(one.name), []).append(one)
    bodies = [
        h("tbody", _group_rows(SCALES[scale] if len(groups) > 1 else "", group, share=share))
        for scale, group in groups.items()
    ]
    falls = any(one.higher_is_better is False for one in changes)
    legend = h("p", "↓ lower is better", class_="small soft") if falls else None
    return h("div", h("div", h("table", bodies, class_="changes"), class_="scroll"), legend)


def _group_rows(title: str, changes: Sequence[Change], *, share: bool) -> list[Markup]:
    """Return the heading of a group, with the ends of its axis, and a row for each metric."""
    reach = max((_find_reach(one) for one in changes), default=0.0) or 1.0
    end = f"{100 * reach:.3g} points" if share else format_number(reach)
    ends = [h("span", text) for text in (f"−{end}", "0", f"+{end}")]  # noqa: RUF001
    heads: list[tuple[Child, str]] = [
        (title, "name"), ("Before", "num"), ("After", "num"), ("Difference", "num"),
        (h("span", ends, class_="axis"), "bar"), ("Asked", "num"), ("", "nowrap"),
    ]  # fmt: skip
    head = h("tr", [h("th", text, scope="col", class_=kind) for text, kind in heads])
    kinds = [kind for _, kind in heads]
    rows = [_change_row(one, reach, share=share) for one in changes]
    cells = [[h("td", c, class_=k) for c, k in zip(row, kinds, strict=True)] for row in rows]
    return [head, *(h("tr", row) for row in cells)]


def _find_reach(one: Change) -> float:
    ends = [] if one.interval is None else [one.interval.low, one.interval.high]
    return max((abs(end) for end in (*ends, one.difference) if end is not None), default=0.0)


def _change_row(one: Change, reach: float, *, share: bool) -> list[Child]:
    difference, paired = format_number(one.difference), one.interval
    if share and one.difference is not None:
        difference = f"{100 * one.difference:.1f} points"
    signed = f"+{difference}" if one.difference and one.difference > 0 else difference
    judged = None
    if one.verdict != "not judged":
        judged = label_status(VERDICTS[one.verdict], one.verdict)
    arrow = None
    if one.higher_is_better is False:
        arrow = h(
            "span", " ↓", class_="soft", title="lower is better", aria_label="lower is better"
        )
    return [
        [name_metric(one.name), arrow],
        [format_number(one.before, share=share), _stack_interval(one.before_interval, share=share)],
        [format_number(one.after, share=share), _stack_interval(one.after_interval, share=share)],
        [signed, _stack_interval(paired, share=share)],
        _draw_whisker(one, reach),
        f"{one.n:,}",
        judged,
    ]


def _draw_whisker(one: Change, reach: float) -> Child:
    """Draw the paired interval against no difference, on an axis from -reach to reach."""
    if one.difference is None:
        return None
    axis = Axis(-reach, reach)
    low, high = (one.interval.low, one.interval.high) if one.interval else (one.difference,) * 2
    places = [100 * axis.place(value) for value in (low, high, one.difference)]
    colour = {"better": "s3", "worse": "s4"}.get(one.verdict, "s6")
    line = {"y1": 5, "y2": 5}
    said = f"difference {one.difference:+.4g}"
    said += f", interval {low:+.4g} to {high:+.4g}" if one.interval else ", no interval"
    return h(
        "svg",
        h("title", said),
        h("line", x1=50, x2=50, y1=0, y2=10, class_="sgrid"),
        h("line", x1=places[0], x2=places[1], class_=colour, **line),
        h("line", x1=places[2], x2=places[2], class_=f"{colour} point", **line),
        class_="bar whisker",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        role="img",
        aria_label=said,
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
