"""Which of the rows that the formula keeps were taken, as the page of a run shows it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.markup import Child, h
from siftset.pipeline.reports.page import TableColumn, draw_table
from siftset.pipeline.reports.run.statement import ReportFinding
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import RunMetrics, Selection

_MOST_CLASSES: Final = 50
_TILT: Final = 0.1
"""How much more of a label than in all rows is told, in points of its share."""


def judge_selection(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Say how many rows were taken, and which had no chance."""
    found = metrics.selection
    if found is None:
        return
    able = found.rows - found.unclassed
    if found.asked > able:
        of = f"{found.asked:,} were asked for" if able else "no row was there to choose from"
        claim = f"The selection takes all of {format_count(able, 'row')}: {of}."
        yield ReportFinding("balance", "warn", claim, "give it more input, or ask for fewer")
    if found.unclassed:
        claim = (
            f"{found.unclassed:,} of {format_count(found.rows, 'row')} "
            f"{conjugate(found.unclassed, 'have')} no `{found.per}` and no share."
        )
        todo = f"fill in `{found.per}`, or leave `select.per` out, to have them in the choice"
        yield ReportFinding("balance", "warn", claim, todo)
    for one, taken, rows in _find_tilts(found):
        claim = f"{taken} of the selected rows have the label {one}, and {rows} of all."
        todo = "for equal shares of all labels set  select: {per: label}"
        yield ReportFinding("balance", "warn", claim, todo)
    if found.taken < able:
        claim = (
            f"{found.taken:,} of {format_count(found.rows, 'row')} "
            f"{conjugate(found.taken, 'are')} selected."
        )
        todo = "a selection saves training; where all rows can be trained on, compare with them"
        yield ReportFinding("balance", "note", claim, todo)


def _find_tilts(found: Selection) -> Iterator[tuple[str, str, str]]:
    """Yield the label that a selection favours most, with its shares; none within chance."""
    taken, rows = (sum(getattr(one, name) for one in found.labels) for name in ("taken", "rows"))
    if not taken or taken == rows:
        return
    best = max(found.labels, key=lambda one: one.taken / taken - one.rows / rows)
    share = best.rows / rows
    chance = 3 * math.sqrt(share * (1 - share) / taken)
    if best.taken / taken - share > max(_TILT, chance):
        yield best.name, format_percent(best.taken, taken), format_percent(best.rows, rows)


def selection_table(found: Selection) -> Child:
    """Show how many rows were taken, how like the examples they are, and the shares of classes."""
    rows: list[list[Child]] = [["all classes", f"{found.rows:,}", f"{found.taken:,}"]]
    if found.per is None:
        rows[0][0] = "rows"
    listed = found.classes or found.labels
    rows += [[h("code", one.name), f"{one.rows:,}", f"{one.taken:,}"] for one in listed]
    columns = [
        TableColumn("Selection", "name"),
        TableColumn("To choose from", "num"),
        TableColumn("Taken", "num"),
    ]
    like = ""
    if found.likeness_taken is not None and found.likeness_all is not None:
        like = (
            " The mean cosine to the nearest example, by the static model, is "
            f"{found.likeness_taken:.2f} of the rows taken and {found.likeness_all:.2f} of all."
        )
    note = (
        f"The rows most like the texts of {found.near} ({found.examples:,}), by the method "
        f"{found.method} and the model {found.model}, of the whole version.{like} The others are "
        "rejected by select. Training on all of them is the alternative: a selection saves "
        "training, and all rows mostly teach more."
    )
    return [h("h3", "Selection"), draw_table(columns, rows[:_MOST_CLASSES]),
            h("p", note, class_="small soft")]  # fmt: skip
