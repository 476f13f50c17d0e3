"""Part 2: the closing balance, and how each signal of the formula decided."""

from __future__ import annotations

from siftset.pipeline.profile.shares import describe_sample, format_percent
from siftset.pipeline.reports.charts import draw_bar, draw_split_bar, draw_stack, format_short
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import (
    TableColumn,
    draw_table,
    format_share,
    note_absence,
)
from siftset.pipeline.reports.run.by_hand import review_table
from siftset.pipeline.reports.run.selection import selection_table
from siftset.schemas.plurals import format_count
from siftset.schemas.results.funnel_metrics import Funnel, LeaveOneOut, SignalMetrics, Tree
from siftset.schemas.results.metrics import RunMetrics
from siftset.signals.analysis import PAIRED

_FILLS = {
    "kept": "fgood",
    "rejected": "f6",
    "duplicate": "f2",
    "quarantined": "fwarn",
    "unreadable": "fbad",
}


def balance_part(metrics: RunMetrics) -> Child:
    """Return the balance bar, the funnel, the formula as a tree and the signals."""
    rows, funnel = metrics.rows, metrics.funnel
    parts = [(name, float(getattr(rows, name)), fill) for name, fill in _FILLS.items()]
    line = f"{rows.read:,} read = " + " + ".join(f"{name} {int(n):,}" for name, n, _ in parts)
    shown = [
        h(
            "p",
            f"What became of {format_count(rows.read, 'row')}",
            class_="small soft",
        ),
        draw_stack(parts, f"Closing balance: {line}"),
    ]
    chosen = [
        None if metrics.review is None else review_table(metrics.review),
        None if metrics.selection is None else selection_table(metrics.selection),
    ]
    if funnel is None:
        return [*shown, chosen, note_absence("The signals of this run were not analysed.")]
    tree = h("ul", _show_node(funnel.tree, funnel.analysed), class_="tree") if funnel.tree else None
    return [
        *shown,
        chosen,
        h("h3", "The formula"),
        h("p", h("code", funnel.formula)),
        h("div", h("div", tree), h("div", _clause_table(funnel)), class_="grid2"),
        _step_table(funnel),
        _signal_table(funnel),
        _pair_table(funnel),
        _plan_table(funnel),
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
            "" if step.alone is None else format_share(step.alone, funnel.analysed, funnel.decided),
        ]
        for step in funnel.steps
    ]
    columns = [
        TableColumn("Clause, as written", "name"),
        TableColumn("Rows left after it", "bar"),
        TableColumn("Left", "num"),
        TableColumn("Of what reached it", "num"),
        TableColumn("True on its own", "num"),
    ]
    note = f"Of {describe_sample(funnel.analysed, funnel.decided)}: every signal was evaluated."
    return [h("h3", "Funnel"), draw_table(columns, rows), h("p", note, class_="small soft")]


def _signal_table(funnel: Funnel) -> Child:
    if not funnel.signals:
        return None
    alone = {out.signal: out for out in funnel.leave_one_out}
    rows = [_signal_row(one, funnel, alone.get(one.name)) for one in funnel.signals]
    columns = [
        TableColumn("Signal", "name"),
        TableColumn("True, false, unknown", "bar"),
        TableColumn("True", "num"),
        TableColumn("Unknown", "num"),
        TableColumn("Leave-one-out effect", "num"),
    ]
    note = (
        "The leave-one-out effect: rows that this signal alone removes, or lets in. "
        f"Of {describe_sample(funnel.analysed, funnel.decided)}, of which the formula "
        f"keeps {funnel.analysed_kept:,}."
    )
    said = h("p", note, class_="small soft") if funnel.analysed else None
    return [h("h3", "Signals"), draw_table(columns, rows), said]


def _signal_row(signal: SignalMetrics, funnel: Funnel, out: LeaveOneOut | None) -> list[Child]:
    """Return what a signal said, of the analysed rows where there are any, and what it decides."""
    analysed = signal.analysed_true is not None
    true = signal.analysed_true or 0 if analysed else signal.true
    false = signal.analysed_false or 0 if analysed else signal.false
    unknown = signal.analysed_unknown or 0 if analysed else signal.unknown
    asked = true + false + unknown
    of = funnel.decided if analysed else 0
    about = ": ".join(part for part in (signal.kind, signal.description) if part)
    parts = [("true", true, "fgood"), ("false", false, "ftrack"), ("unknown", unknown, "fwarn")]
    states = f"{signal.name}: {true:,} true, {false:,} false, {unknown:,} unknown"
    decides: Child = ""
    if out is not None:
        ways = (("removes", out.removed), ("lets in", out.added))
        moved = [f"{way} {rows:,}" for way, rows in ways if rows]
        decides = ", ".join(moved) or h("span", "none", class_="pill")
    return [
        [h("code", signal.name), h("div", about, class_="small soft")],
        draw_split_bar(parts, states),
        format_share(true, asked, of) if asked else "not asked",
        f"{unknown:,}",
        decides,
    ]


def _plan_table(funnel: Funnel) -> Child:
    """Show what the plan of this run asked; another run of the same rows may ask otherwise."""
    if not funnel.signals:
        return None
    rows = []
    for one in funnel.signals:
        cost = ""
        if one.seconds is not None and one.ran:
            cost = f"{format_short(1e6 * one.seconds / one.ran)} µs"
        shared = " (shared)" if cost and one.fused else ""
        counts = (one.evaluated, one.skipped, one.ran, one.cached)
        rows.append([h("code", one.name), *(f"{rows:,}" for rows in counts), f"{cost}{shared}"])
    columns = [
        TableColumn("Signal", "name"),
        TableColumn("Rows asked", "num"),
        TableColumn("Decided without it", "num"),
        TableColumn("It was run on", "num"),
        TableColumn("Answer known", "num"),
        TableColumn("Cost per row run", "num"),
    ]
    note = (
        "The order is chosen by measured cost and never changes an answer. An answer is known from "
        "an earlier run or an earlier row of the same content. Shared: run in one pass with other "
        "signals, whose time is divided evenly."
    )
    title = h("summary", "What the plan of this run asked, and its cost")
    body = [draw_table(columns, rows), h("p", note, class_="small soft")]
    return h("details", title, body, class_="plan")


def _clause_table(funnel: Funnel) -> Child:
    if not funnel.clauses:
        return None
    total = sum(funnel.clauses.values())
    ranked = sorted(funnel.clauses.items(), key=lambda item: (-item[1], item[0]))[:12]
    rows = [[h("code", clause), format_share(number, total)] for clause, number in ranked]
    columns = [TableColumn("Not kept because of", "name"), TableColumn("Rows", "num")]
    if funnel.analysed:
        of = describe_sample(funnel.analysed, funnel.decided)
        note = f"The first clause, as written, that does not hold. Of {of}."
    else:
        note = (
            "The first clause that the plan of this run asked and that does not hold: another run "
            "may ask another one first. With an analysis it is the first one as written."
        )
    return [draw_table(columns, rows), h("p", note, class_="small soft")]


def _pair_table(funnel: Funnel) -> Child:
    if not funnel.pairs:
        return None
    ranked = sorted(
        funnel.pairs, key=lambda pair: (-pair.both / max(1, pair.either), pair.left, pair.right)
    )[:8]
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
    note = None
    if len(funnel.signals) > PAIRED:
        note = h("p", f"Among the first {PAIRED} signals of the formula.", class_="small soft")
    title = h("summary", "Correlated signals")
    return h("details", title, draw_table(columns, rows), note)
