"""Part 2: the closing balance, and how each signal of the formula decided."""

from __future__ import annotations

from siftset.pipeline.reports.charts import draw_bar, draw_split_bar, draw_stack
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import (
    TableColumn,
    draw_table,
    format_percent,
    format_share,
    note_absence,
)
from siftset.schemas.results.metrics import Funnel, RunMetrics, SignalMetrics, Tree

_FILLS = {
    "kept": "fgood",
    "rejected": "f6",
    "duplicate": "f2",
    "quarantined": "fwarn",
    "unreadable": "fbad",
}


def balance_part(metrics: RunMetrics) -> Child:
    """Return the balance bar, the funnel, the formula as a tree and the signals."""
    rows = metrics.rows
    parts = [(name, float(getattr(rows, name)), fill) for name, fill in _FILLS.items()]
    said = " + ".join(f"{name} {int(value):,}" for name, value, _ in parts)
    line = f"{rows.read:,} read = {said}"
    bar_chart = draw_stack(parts, f"Closing balance: {line}")
    equation = h("p", line, ".", class_="small soft")
    if metrics.funnel is None:
        return [bar_chart, equation, note_absence("The signals of this run were not analysed.")]
    tree = (
        h("ul", _show_node(metrics.funnel.tree, metrics.funnel.analysed), class_="tree")
        if metrics.funnel.tree
        else None
    )
    return [
        bar_chart,
        equation,
        [
            h("h3", "The formula"),
            h("p", h("code", metrics.funnel.formula)),
            h("div", h("div", tree), h("div", _clause_table(metrics.funnel)), class_="grid2"),
            _step_table(metrics.funnel),
            _signal_table(metrics.funnel),
            _pair_table(metrics.funnel),
        ],
    ]


def _show_node(tree: Tree, analysed: int) -> Markup:
    operator = bool(tree.children)
    label = h("span", tree.label, class_="op") if operator else h("code", tree.label)
    of = None
    if tree.true is not None and analysed:
        of = h("span", f" {format_percent(tree.true, analysed)} true", class_="of")
    below = h("ul", [_show_node(child, analysed) for child in tree.children]) if operator else None
    return h("li", label, of, below)


def _step_table(funnel: Funnel) -> Child:
    if not funnel.steps:
        return None
    rows = [
        [
            h("code", step.clause),
            draw_bar(step.passed, funnel.steps[0].entered, f"{step.clause}: {step.passed:,} pass"),
            f"{step.passed:,}",
            format_share(step.passed, step.entered),
            "" if step.alone is None else format_share(step.alone, funnel.analysed),
        ]
        for step in funnel.steps
    ]
    columns = [
        TableColumn("Clause, in order of evaluation", "name"),
        TableColumn("Rows left after it", "bar"),
        TableColumn("Left", "num"),
        TableColumn("Of what reached it", "num"),
        TableColumn("True by itself", "num"),
    ]
    note = f"On {funnel.analysed:,} analysed rows, on which every signal was evaluated."
    return [h("h3", "Funnel"), draw_table(columns, rows), h("p", note, class_="small soft")]


def _signal_table(funnel: Funnel) -> Child:
    if not funnel.signals:
        return None
    only = {out.signal: _decided_alone(out.removed, out.added) for out in funnel.leave_one_out}
    rows = [
        [
            *[
                [
                    h("code", signal.name),
                    h(
                        "div",
                        ": ".join(part for part in (signal.kind, signal.description) if part),
                        class_="small soft",
                    ),
                ],
                _draw_states(signal),
                format_share(signal.true, signal.evaluated) if signal.evaluated else "not asked",
                f"{signal.unknown:,}",
                f"{signal.skipped:,}",
                _format_cost(signal),
            ],
            only.get(signal.name, ""),
        ]
        for signal in funnel.signals
    ]
    columns = [
        TableColumn("Signal", "name"),
        TableColumn("True, false, unknown", "bar"),
        TableColumn("True, of rows asked", "num"),
        TableColumn("Unknown", "num"),
        TableColumn("Skipped", "num"),
        TableColumn("Cost per row", "num"),
        TableColumn("Decided by it alone", "num"),
    ]
    note = (
        f"Decided by it alone: rows whose outcome changes when the signal is left out of the "
        f"formula, of {funnel.analysed:,} analysed rows, of which the formula keeps "
        f"{funnel.analysed_kept:,}."
    )
    lines = [h("h3", "Signals"), draw_table(columns, rows)]
    return [*lines, h("p", note, class_="small soft") if funnel.analysed else None]


def _decided_alone(removed: int, added: int) -> Child:
    if not removed and not added:
        return h("span", "nothing", class_="pill warn")
    return f"{removed:,} out" + (f", {added:,} in" if added else "")


def _draw_states(signal: SignalMetrics) -> Markup:
    parts: list[tuple[str, float, str]] = [
        ("true", signal.true, "fgood"),
        ("false", signal.false, "ftrack"),
    ]
    parts.append(("unknown", signal.unknown, "fwarn"))
    said = ", ".join(f"{value:,} {name}" for name, value, _ in parts)
    return draw_split_bar(parts, f"{signal.name}: {said}")


def _format_cost(signal: SignalMetrics) -> str:
    if signal.seconds is None or not signal.evaluated:
        return ""
    return f"{1e6 * signal.seconds / signal.evaluated:.3g} µs"


def _clause_table(funnel: Funnel) -> Child:
    if not funnel.clauses:
        return None
    total = sum(funnel.clauses.values())
    ranked = sorted(funnel.clauses.items(), key=lambda item: -item[1])[:12]
    rows = [[h("code", clause), format_share(number, total)] for clause, number in ranked]
    return draw_table(
        [TableColumn("Rejected because of", "name"), TableColumn("Rows", "num")], rows
    )


def _pair_table(funnel: Funnel) -> Child:
    if not funnel.pairs:
        return None
    ranked = sorted(funnel.pairs, key=lambda pair: -(pair.both / max(1, pair.either)))[:8]
    rows = [
        [
            [h("code", pair.left), " and ", h("code", pair.right)],
            draw_bar(pair.both, pair.either, f"{pair.left} and {pair.right}: {pair.both:,}"),
            format_share(pair.both, pair.either),
        ]
        for pair in ranked
    ]
    columns = [
        TableColumn("Pair", "name"),
        TableColumn("Agreement", "bar"),
        TableColumn("Same answer, of rows where both are known", "num"),
    ]
    return h("details", h("summary", "Signals that say much the same"), draw_table(columns, rows))
