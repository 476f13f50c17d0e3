"""Tells how a formula was asked, like a database's EXPLAIN ANALYZE, and why one row was kept."""

from __future__ import annotations

import polars as pl

from siftset.schemas.plurals import format_count
from siftset.signals.evaluation.decider import FormulaDecider
from siftset.signals.evaluation.statistics import Statistics

_HEADER = (
    "#", "signal", "us/row", "true", "evaluated", "scored", "cached", "skipped", "unknown",
    "raised",
)  # fmt: skip


def explain(statistics: Statistics) -> str:
    """Print formula, order, measured cost, selectivity, and rows evaluated and skipped."""
    found = sorted(statistics.signals.items(), key=lambda item: item[1].position)
    rows = [_HEADER]
    for name, signal in found:
        cost, share = signal.microseconds_per_row, signal.selectivity
        rows.append(
            (
                str(signal.position + 1),
                name + ("*" if signal.fused else ""),
                "-" if cost is None else f"{cost:.3g}" if cost < 1e3 else f"{cost:,.0f}",
                "-" if share is None else f"{share:.1%}",
                f"{signal.evaluated:,}",
                f"{signal.ran:,}",
                f"{signal.cached:,}",
                f"{signal.skipped:,}",
                f"{signal.unknown:,}",
                f"{signal.raised:,}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = [f"keep: {statistics.formula}"]
    for row in rows:
        cells = [cell.ljust(width) if column == 1 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(cells).rstrip())
    if any(signal.fused for _, signal in found):
        lines.append("* asked about every row in one pass, whose time is divided evenly")
    lines.append(
        f"{format_count(statistics.rows, 'row')}: {statistics.kept:,} kept, "
        f"{statistics.unknown:,} unknown, {statistics.faulted:,} faulted; "
        f"{statistics.seconds:.3f} s deciding, {statistics.planning:.3f} s measuring "
        f"({format_count(statistics.plans, 'plan')})"
    )
    return "\n".join(lines)


def explain_row(decider: FormulaDecider, row: pl.DataFrame) -> str:
    """Tell what each signal says of one row, and which clause decided."""
    made = decider.decide(row)
    states = made.signals.struct.unnest().row(0, named=True)
    scores = {} if made.scores is None else made.scores.struct.unnest().row(0, named=True)
    verdict = {True: "kept", False: "rejected", None: "unknown, so not kept"}[made.keep[0]]
    clause = "" if made.clause[0] is None else f", because of  {made.clause[0]}"
    lines = [f"keep: {decider.formula.text}", f"{verdict}{clause}"]
    for name, state in states.items():
        score = scores.get(name)
        lines.append(f"  {name}: {state}" + ("" if score is None else f" (score {score:.4g})"))
    return "\n".join([*lines, *(f"  fault: {fault}" for fault in made.faults)])
