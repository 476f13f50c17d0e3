"""The first screen of a comparison: its verdict, the metrics of its task, and the baselines."""

from __future__ import annotations

from siftset.pipeline.reports.charts import Axis
from siftset.pipeline.reports.compare.figures import format_number, short_name, show_interval
from siftset.pipeline.reports.compare.metric_names import name_metric
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import TableColumn, draw_table, show_figures
from siftset.schemas.plurals import format_count
from siftset.schemas.results.comparison import Change, ClassifierScores, Comparison, Estimate


def title_comparison(main: Change | None) -> str:
    """Return what came of the metric that the task is judged by: `Macro F1 0.59 → 0.52`."""
    if main is None or main.after is None:
        return "Before and after fine-tuning"
    name = name_metric(main.name)
    figures = f"{format_number(main.before)} → {format_number(main.after)}"
    return f"{name[:1].upper()}{name[1:]} {figures}"


def show_headlines(changes: list[Change]) -> Markup:
    """Return the metrics of the task as large figures, with what each was before."""
    return show_figures(
        (
            format_number(one.after),
            name_metric(one.name) + (" ↓" if one.higher_is_better is False else ""),
            f"{format_number(one.before)} before, {format_count(one.n, 'row')}",
        )
        for one in changes
    )


def show_baselines(found: Comparison, main: Change) -> Child:
    """Return every model and baseline on one scale of the main metric, and who is ahead."""
    models = found.classification.models if found.classification is not None else ()
    asked = {one.name: one for one in models if one.metrics.get(main.name) is not None}
    values = {name: one.metrics[main.name].value for name, one in asked.items()}
    known = {name: value for name, value in values.items() if value is not None}
    if len(known) < 3:  # before and after stand above already
        return None
    high = main.higher_is_better is not False
    best = max(known, key=lambda name: known[name] if high else -known[name])
    ends = [end for one in asked.values() for end in _interval_ends(one.metrics[main.name])]
    axis = Axis(min(0.0, *ends), max(1.0 if high else 0.0, *ends))
    rows = [
        [
            [short_name(name), h("span", f" {_tell_role(one, found)}", class_="small soft")],
            _draw_estimate(one.metrics[main.name], axis, best=name == best),
            [format_number(known.get(name)), " ", show_interval(one.metrics[main.name].interval)],
        ]
        for name, one in asked.items()
    ]
    scale = h("span", f"{axis.low:g}"), h("span", f"{axis.high:g}")
    columns = [
        TableColumn(f"{name_metric(main.name)} against the baselines", "name"),
        TableColumn(h("span", *scale, class_="axis"), "wide"),
        TableColumn("", "num"),
    ]
    after = found.after.name
    ahead = [name for name in known if _is_baseline(asked[name], found)]
    said: Child = None
    if after in known and ahead:
        top = max(ahead, key=lambda name: known[name] if high else -known[name])
        won = known[after] > known[top] if high else known[after] < known[top]
        how = "is ahead of" if won else "is not ahead of"
        said = h(
            "p",
            f"The model after {how} the best baseline, {short_name(top)}: "
            f"{format_number(known[after])} against {format_number(known[top])}.",
            class_="small soft" if won else None,
        )
    return [draw_table(columns, rows), said]


def _is_baseline(one: ClassifierScores, found: Comparison) -> bool:
    return one.name not in (found.before.name, found.after.name) or one.kind == "baseline"


def _tell_role(one: ClassifierScores, found: Comparison) -> str:
    roles = {found.before.name: "before", found.after.name: "after"}
    return roles.get(one.name, "baseline")


def _interval_ends(one: Estimate) -> list[float]:
    ends = [] if one.interval is None else [one.interval.low, one.interval.high]
    return ends if one.value is None else [*ends, one.value]


def _draw_estimate(one: Estimate, axis: Axis, *, best: bool) -> Child:
    """Draw a value as a bar from the start of the axis, with its interval over it."""
    if one.value is None:
        return None
    place = 100 * axis.place(one.value)
    span = None
    if one.interval is not None:
        low, high = (100 * axis.place(end) for end in (one.interval.low, one.interval.high))
        span = h("line", x1=low, x2=high, y1=5, y2=5, class_="sink")
    return h(
        "svg",
        h("title", format_number(one.value)),
        h("rect", width=100, height=10, class_="ftrack"),
        h("rect", width=place, height=10, class_="f0" if best else "fsoft"),
        span,
        class_="bar",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        role="img",
        aria_label=format_number(one.value),
    )
