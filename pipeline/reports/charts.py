"""Pictures as inline SVG: they stretch to any width because their words stand in HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.markup import Child, Markup, h


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one line, in order of x."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Axis:
    """The range of one axis, and the words at its ends."""

    low: float
    high: float
    labels: Sequence[str] = ()

    def place(self, value: float) -> float:
        """Return where `value` lies, 0 to 1."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5


def draw_bar(value: float, whole: float, title: str, *, fill: str = "f0") -> Markup:
    """Return a horizontal bar filled to value of whole."""
    width = 100 * min(1.0, max(0.0, value / whole)) if whole else 0.0
    return _svg(
        "bar",
        title,
        h("rect", width=100, height=10, class_="ftrack"),
        h("rect", width=width, height=10, class_=fill),
        box="0 0 100 10",
    )


def draw_stack(parts: Sequence[tuple[str, float, str]], title: str) -> Markup:
    """Return one bar split into (name, value, fill), with a legend that carries the numbers."""
    entries = [(name, fill, f"{value:,.0f}") for name, value, fill in parts]
    return h("figure", draw_split_bar(parts, title, kind="stack"), draw_legend(entries))


def draw_split_bar(
    parts: Sequence[tuple[str, float, str]], title: str, *, kind: str = "bar"
) -> Markup:
    """Return one bar split into (name, value, fill)."""
    total = sum(value for _, value, _ in parts) or 1.0
    cells, start = [], 0.0
    for name, value, fill in parts:
        width = 100 * value / total
        cells.append(
            h(
                "rect",
                h("title", f"{name}: {value:,.0f}"),
                x=start,
                width=width,
                height=10,
                class_=fill,
            )
        )
        start += width
    return _svg(kind, title, cells, box="0 0 100 10")


def draw_legend(entries: Sequence[tuple[str, str, str]]) -> Markup:
    """Return (name, fill, value) as a line of coloured squares."""
    items = [
        h(
            "li",
            h(
                "svg",
                h("rect", width=10, height=10, rx=2, class_=fill),
                class_="swatch",
                viewBox="0 0 10 10",
                aria_hidden="true",
            ),
            name,
            " ",
            h("b", value) if value else None,
        )
        for name, fill, value in entries
    ]
    return h("ul", items, class_="legend")


def draw_sparkline(
    values: Sequence[float], title: str, *, colour: int = 0, as_share: bool = False
) -> Markup:
    """Return a line of the last values, the newest marked, with the ends of its scale beside it."""
    if not values:
        return Markup()
    x, y = Axis(0, max(1, len(values) - 1)), Axis(min(values), max(values))
    places = [(100 * x.place(i), 22 - 20 * y.place(v)) for i, v in enumerate(values)]
    if len(values) == 1:
        places = [(100.0, 12.0)]
    line = h("polyline", points=_join_points(places), class_=f"s{colour}")
    picture = _svg("spark", title, line, _draw_dot(*places[-1], colour), box="0 0 100 24")
    low, high = (
        format_percent(v, 1) if as_share else format_short(v) for v in (min(values), max(values))
    )
    scale = low if low == high else f"{low} to {high}"
    return h("span", picture, " ", h("span", scale, class_="of"), class_="trend")


def draw_lines(
    series: Sequence[Series], title: str, *, x: Axis | None = None, y: Axis | None = None
) -> Markup:
    """Return lines over common axes, with a legend when there is more than one."""
    points = [point for one in series for point in one.points]
    if not points:
        return h("p", f"{title}: nothing was measured.", class_="soft")
    across = x or _span_axis([px for px, _ in points])
    up = y or _span_axis([py for _, py in points])
    drawn = [_draw_series(one, across, up) for one in series]
    grid = [h("line", x1=0, x2=100, y1=v, y2=v, class_="sgrid") for v in (0, 50, 100)]
    names = [(one.name, f"f{one.colour}", "") for one in series] if len(series) > 1 else []
    return h(
        "figure",
        h("figcaption", title),
        _add_axes(_svg("plot", title, grid, drawn, box="0 0 100 100"), across, up),
        draw_legend(names) if names else None,
    )


def draw_unit_curves(
    series: Sequence[Series], title: str, x_name: str, y_name: str, *, diagonal: bool = True
) -> Markup:
    """Return curves in the unit square, such as ROC or calibration.

    The diagonal is what chance, or a perfect model, would draw; not every curve has one.
    """
    unit = Axis(0, 1, ("0", x_name, "1"))
    grid = [h("rect", width=100, height=100, class_="sgrid")]
    if diagonal:
        grid.append(h("line", x1=0, y1=100, x2=100, y2=0, class_="sfaint"))
    drawn = [_draw_series(one, unit, unit) for one in series]
    names = [(one.name, f"f{one.colour}", "") for one in series]
    picture = _svg("plot square", title, grid, drawn, box="0 0 100 100")
    up = Axis(0, 1, ("0", y_name, "1"))
    return h("figure", h("figcaption", title), _add_axes(picture, unit, up), draw_legend(names))


def _draw_series(one: Series, x: Axis, y: Axis) -> list[Markup]:
    places = [(100 * x.place(px), 100 - 100 * y.place(py)) for px, py in one.points]
    line = h("polyline", h("title", one.name), points=_join_points(places), class_=f"s{one.colour}")
    dots = places if len(places) <= 12 else places[-1:]
    return [line, *(_draw_dot(px, py, one.colour) for px, py in dots)]


def _span_axis(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    middle = (low + high) / 2
    if all(value == int(value) for value in values) and middle != int(middle):
        return Axis(low, high, (format_short(low), format_short(high)))  # no step lies between
    return Axis(low, high, (format_short(low), format_short(middle), format_short(high)))


def _add_axes(picture: Markup, x: Axis, y: Axis) -> Markup:
    left = h("div", [h("span", label) for label in reversed(y.labels)], class_="y")
    below = h("div", [h("span", label) for label in x.labels], class_="x")
    return h("div", left, picture, below, class_="axes")


def draw_histogram(
    bins: Sequence[tuple[str, int]], title: str, *, mark: int | None = None
) -> Markup:
    """Return columns of (label, count); those from index `mark` on are drawn as too much."""
    if not bins:
        return h("p", f"{title}: nothing was measured.", class_="soft")
    most = max(count for _, count in bins) or 1
    width = 100 / len(bins)
    columns = [
        h(
            "rect",
            h("title", f"{label}: {count:,}"),
            x=width * (i + 0.06),
            y=100 - 100 * count / most,
            width=width * 0.88,
            height=100 * count / most,
            class_="fbad" if mark is not None and i >= mark else "f0",
        )
        for i, (label, count) in enumerate(bins)
    ]
    base = h("line", x1=0, x2=100, y1=100, y2=100, class_="sgrid")
    labels = (
        [bins[0][0], bins[len(bins) // 2][0], bins[-1][0]]
        if len(bins) > 2
        else [b[0] for b in bins]
    )
    picture = _svg("plot", title, columns, base, box="0 0 100 100")
    up = Axis(0, most, ("0", f"{most:,}"))
    return h("figure", h("figcaption", title), _add_axes(picture, Axis(0, 1, labels), up))


def draw_pairs(bins: Sequence[tuple[str, int, int]], title: str, names: tuple[str, str]) -> Markup:
    """Return columns of (label, count, other count) in pairs, each side as a share of its own."""
    sides = [[one[1] for one in bins], [one[2] for one in bins]]
    shares = [[count / (sum(side) or 1) for count in side] for side in sides]
    most = max((share for side in shares for share in side), default=0) or 1
    width = 100 / max(1, len(bins))
    columns = [
        h(
            "rect",
            h("title", f"{bins[i][0]}: {names[at]} {sides[at][i]:,}"),
            x=width * (i + 0.08 + 0.42 * at),
            y=100 - 100 * share / most,
            width=width * 0.42,
            height=100 * share / most,
            class_="f0" if at else "fsoft",
        )
        for at, side in enumerate(shares)
        for i, share in enumerate(side)
    ]
    base = h("line", x1=0, x2=100, y1=100, y2=100, class_="sgrid")
    labels = [bins[at][0] for at in (0, len(bins) // 2, -1)] if len(bins) > 2 else []
    picture = _svg("plot", title, columns, base, box="0 0 100 100")
    up = Axis(0, most, ("0%", format_percent(most, 1)))
    legend = draw_legend([(names[0], "fsoft", ""), (names[1], "f0", "")])
    drawn = _add_axes(picture, Axis(0, 1, labels), up)
    return h("figure", h("figcaption", title), drawn, legend)


def draw_heat_table(
    rows: Mapping[str, Sequence[int]], columns: Sequence[str], caption: str
) -> Markup:
    """Return a table whose cells are shaded by their share of the row."""
    head = h("tr", h("th"), [h("th", name, scope="col") for name in columns])
    body = [
        h(
            "tr",
            h("th", name, scope="row"),
            [
                h(
                    "td",
                    f"{value:,}",
                    class_=f"h{min(5, 1 + 5 * value // sum(values)) if value else 0}",
                )
                for value in values
            ],
        )
        for name, values in rows.items()
    ]
    shaded = h("div", h("table", head, body, class_="heat"), class_="scroll")
    return h("figure", h("figcaption", caption), shaded)


def format_short(value: float) -> str:
    """Return a number in at most five characters or so."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.3g}k"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.3g}".replace("e-0", "e-")


def _svg(kind: str, title: str, *children: Child, box: str) -> Markup:
    return h(
        "svg",
        h("title", title),
        children,
        class_=kind,
        viewBox=box,
        preserveAspectRatio="none",
        role="img",
        aria_label=title,
    )


def _join_points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)


def _draw_dot(x: float, y: float, colour: int) -> Markup:
    # A line of no length with round ends stays a circle however the picture is stretched.
    return h("line", x1=x, x2=x, y1=y, y2=y, class_=f"s{colour} point")
