"""What differs, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from siftset.schemas.plurals import format_count
from siftset.schemas.results.difference import REASON_WORDS, ReasonCount, RowChange, SetDifference
from siftset.schemas.results.plan import RowChanges

SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def describe_difference(found: SetDifference, *, rows: int = 20) -> Iterator[str]:
    """Yield the counts, what is behind them by reason, source and label, then the first rows."""
    yield f"{found.before.name} -> {found.after.name}: {describe_changes(found.changes)}"
    yield f"  {format_count(found.before.rows, 'row')} before, {found.after.rows:,} after"
    for name, columns in (("new", found.columns_added), ("gone", found.columns_removed)):
        if columns:
            yield f"  {name} columns: {', '.join(columns)}"
    yield from (f"  {change}" for change in describe_recipe_changes(found))
    if found.reasons:
        yield ""
    for reason in found.reasons[:rows]:
        yield f"  {SIGNS[reason.kind]}{reason.rows:>11,}  {reason.kind}: {describe_reason(reason)}"
    for column in ("source", "label"):
        slices = found.of_column(column)
        if slices:
            yield ""
            yield f"  by {column:<19}  {'added':>9}  {'removed':>9}  {'changed':>9}"
        for one in slices[:rows]:
            yield (
                f"    {shorten(one.value, 20):<20}  {one.added:>9,}  {one.removed:>9,}  "
                f"{one.changed:>9,}"
            )
    if found.samples:
        yield ""
    yield from (f"  {_describe_row(one)}" for one in found.samples[:rows])


def describe_recipe_changes(found: SetDifference) -> Iterator[str]:
    """Yield what the recipe says otherwise, a line each: `signals.cheap.min: 0.05, now 0.3`."""
    for one in found.recipe_changes:
        before, after = (shorten(value, 80) or "not set" for value in (one.before, one.after))
        yield f"{one.key}: {before}, now {after}"


def describe_changes(changes: RowChanges) -> str:
    """Say how many rows differ, in one line."""
    if not changes.any:
        return "no row differs"
    told = (
        f"{format_count(changes.added, 'row')} added, {changes.removed:,} removed, "
        f"{changes.changed:,} changed"
    )
    parts = [
        f"{count:,} {word}"
        for count, word in ((changes.relabelled, "relabelled"), (changes.moved, "moved"))
        if count
    ]
    return f"{told} ({', '.join(parts)})" if parts else told


def describe_reason(reason: ReasonCount) -> str:
    """Say why rows differ, with the clause, signal or column behind it."""
    words = REASON_WORDS[reason.reason]
    return f"{words}: {reason.detail}" if reason.detail else words


def describe_cause(row: RowChange) -> str:
    """Say why one row differs, with the states and the scores of the signal that decided."""
    told = REASON_WORDS[row.reason]
    if row.columns:
        told += f": {', '.join(row.columns)}"
    if row.place == "rejected" and row.clause:
        told += f"; {'was' if row.kind == 'added' else 'is now'} rejected by  {row.clause}"
    elif row.place is not None and row.clause and row.place != "duplicates":
        told += f"; {row.clause}"
    if row.signal is None:
        return told
    old, new = row.states
    scores = list(dict.fromkeys("-" if v is None else f"{v:.4g}" for v in row.scores))
    score = "" if scores == ["-"] else f" (score {' -> '.join(scores)})"
    return f"{told}; {row.signal}: {old or '-'} -> {new or '-'}{score}"


def _describe_row(row: RowChange) -> str:
    shown = row.after or row.before
    text = shorten("" if shown is None else str(shown.text), 60)
    return f"{SIGNS[row.kind]} {row.row_id[:12]}  {text}  {describe_cause(row)}"


def shorten(text: str, width: int) -> str:
    """Return a text on one line, cut to a width."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 3] + "..."
