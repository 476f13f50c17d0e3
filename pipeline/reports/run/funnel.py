"""Part 2: the closing balance, and how each signal of the formula decided."""

from __future__ import annotations

from siftset.pipeline.reports.charts import bar, split, stack
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import Column, absent, count, percent, share, table
from siftset.schemas.results.metrics import Funnel, RunMetrics, SignalMetrics, Tree

_FILLS = {
    "kept": "fgood",
    "rejected": "f6",
    "duplicate": "f2",
    "quarantined": "fwarn",
    "unreadable": "fbad",
}


def balance(metrics: RunMetrics) -> Child:
    """Return the balance bar, the funnel, the formula as a tree and the signals."""
    rows = metrics.rows
    parts = [(name, float(getattr(rows, name)), fill) for name, fill in _FILLS.items()]
    said = " + ".join(f"{name} {count(int(value))}" for name, value, _ in parts)
    line = f"{count(rows.read)} read = {said}"
    bar_chart = stack(parts, f"Closing balance: {line}")
    equation = h("p", line, ".", class_="small soft")
    if metrics.funnel is None:
        return [bar_chart, equation, absent("The signals of this run were not analysed.")]
    return [bar_chart, equation, _funnel(metrics.funnel)]


def _funnel(funnel: Funnel) -> list[Child]:
    tree = h("ul", _node(funnel.tree, funnel.analysed), class_="tree") if funnel.tree else None
    return [
        h("h3", "The formula"),
        h("p", h("code", funnel.formula)),
        h("div", h("div", tree), h("div", _clauses(funnel)), class_="grid2"),
        _steps(funnel),
        _signals(funnel),
        _pairs(funnel),
    ]


def _node(tree: Tree, analysed: int) -> Markup:
    operator = bool(tree.children)
    label = h("span", tree.label, class_="op") if operator else h("code", tree.label)
    of = None
    if tree.true is not None and analysed:
        of = h("span", f" {percent(tree.true, analysed)} true", class_="of")
    below = h("ul", [_node(child, analysed) for child in tree.children]) if operator else None
    return h("li", label, of, below)


def _steps(funnel: Funnel) -> Child:
    if not funnel.steps:
        return None
    rows = [
        [
            h("code", step.clause),
            bar(step.passed, funnel.steps[0].entered, f"{step.clause}: {step.passed:,} pass"),
            count(step.passed),
            share(step.passed, step.entered),
            "" if step.alone is None else share(step.alone, funnel.analysed),
        ]
        for step in funnel.steps
    ]
    columns = [
        Column("Clause, in order of evaluation", "name"),
        Column("Rows left after it", "bar"),
        Column("Left", "num"),
        Column("Of what reached it", "num"),
        Column("True by itself", "num"),
    ]
    note = f"On {count(funnel.analysed)} analysed rows, on which every signal was evaluated."
    return [h("h3", "Funnel"), table(columns, rows), h("p", note, class_="small soft")]


def _signals(funnel: Funnel) -> Child:
    if not funnel.signals:
        return None
    only = {out.signal: _only(out.removed, out.added) for out in funnel.leave_one_out}
    rows = [[*_signal(signal), only.get(signal.name, "")] for signal in funnel.signals]
    columns = [
        Column("Signal", "name"),
        Column("True, false, unknown", "bar"),
        Column("True, of rows asked", "num"),
        Column("Unknown", "num"),
        Column("Skipped", "num"),
        Column("Cost per row", "num"),
        Column("Decided by it alone", "num"),
    ]
    note = (
        f"Decided by it alone: rows whose outcome changes when the signal is left out of the "
        f"formula, of {count(funnel.analysed)} analysed rows, of which the formula keeps "
        f"{count(funnel.analysed_kept)}."
    )
    lines = [h("h3", "Signals"), table(columns, rows)]
    return [*lines, h("p", note, class_="small soft") if funnel.analysed else None]


def _signal(signal: SignalMetrics) -> list[Child]:
    return [
        [h("code", signal.name), h("div", _about(signal), class_="small soft")],
        _states(signal),
        share(signal.true, signal.evaluated) if signal.evaluated else "not asked",
        count(signal.unknown),
        count(signal.skipped),
        _cost(signal),
    ]


def _about(signal: SignalMetrics) -> str:
    return ": ".join(part for part in (signal.kind, signal.description) if part)


def _only(removed: int, added: int) -> Child:
    if not removed and not added:
        return h("span", "nothing", class_="pill warn")
    return f"{count(removed)} out" + (f", {count(added)} in" if added else "")


def _states(signal: SignalMetrics) -> Markup:
    parts: list[tuple[str, float, str]] = [
        ("true", signal.true, "fgood"),
        ("false", signal.false, "ftrack"),
    ]
    parts.append(("unknown", signal.unknown, "fwarn"))
    said = ", ".join(f"{value:,} {name}" for name, value, _ in parts)
    return split(parts, f"{signal.name}: {said}")


def _cost(signal: SignalMetrics) -> str:
    if signal.seconds is None or not signal.evaluated:
        return ""
    return f"{1e6 * signal.seconds / signal.evaluated:.3g} µs"


def _clauses(funnel: Funnel) -> Child:
    if not funnel.clauses:
        return None
    total = sum(funnel.clauses.values())
    ranked = sorted(funnel.clauses.items(), key=lambda item: -item[1])[:12]
    rows = [[h("code", clause), share(number, total)] for clause, number in ranked]
    return table([Column("Rejected because of", "name"), Column("Rows", "num")], rows)


def _pairs(funnel: Funnel) -> Child:
    if not funnel.pairs:
        return None
    ranked = sorted(funnel.pairs, key=lambda pair: -(pair.both / max(1, pair.either)))[:8]
    rows = [
        [
            [h("code", pair.left), " and ", h("code", pair.right)],
            bar(pair.both, pair.either, f"{pair.left} and {pair.right}: {pair.both:,}"),
            share(pair.both, pair.either),
        ]
        for pair in ranked
    ]
    columns = [
        Column("Pair", "name"),
        Column("Agreement", "bar"),
        Column("Same answer, of rows where both are known", "num"),
    ]
    return h("details", h("summary", "Signals that say much the same"), table(columns, rows))
