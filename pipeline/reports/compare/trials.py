"""What the short runs before a training found: cross-validation, and a search for settings."""

from __future__ import annotations

from collections.abc import Sequence

from siftset.pipeline.reports.compare.figures import format_number
from siftset.pipeline.reports.markup import Child, Markup
from siftset.pipeline.reports.page import PagePart, TableColumn, draw_table, label_status
from siftset.schemas.results.trials import FoldFigure, SearchFound, Trials


def trial_parts(found: Trials) -> list[PagePart]:
    """Return a part for each kind of trial that was made."""
    made = []
    if found.folds:
        lede = (
            f"Trained {len(found.folds[0].values)} times, each time measured on the part of train "
            "and validation that was left out; rows alike stay in one part."
        )
        made.append(PagePart("folds", "Cross-validation", _fold_table(found.folds), lede=lede))
    if found.search is not None:
        lede = "Each measured on validation; the model above was trained with the chosen ones."
        made.append(
            PagePart("search", "Settings that were tried", _search_table(found.search), lede=lede)
        )
    return made


def _fold_table(found: Sequence[FoldFigure]) -> Markup:
    columns = [
        TableColumn("", "name"),
        TableColumn("Mean", "num"),
        TableColumn("Standard deviation", "num"),
    ]
    columns += [TableColumn(f"Fold {k + 1}", "num") for k in range(len(found[0].values))]
    return draw_table(
        columns,
        [
            [
                one.name.replace("_", " "),
                format_number(one.mean),
                format_number(one.deviation),
                *(format_number(value) for value in one.values),
            ]
            for one in found
        ],
    )


def _search_table(found: SearchFound) -> Markup:
    columns = [TableColumn(name.replace("_", " "), "num") for name in found.chosen]
    columns += [TableColumn(found.metric.replace("_", " "), "num"), TableColumn("", "nowrap")]
    rows: list[list[Child]] = [
        [
            *(f"{one.settings[name]:g}" for name in found.chosen),
            format_number(one.value),
            label_status("pass", "chosen") if one.settings == found.chosen else None,
        ]
        for one in found.trials
    ]
    return draw_table(columns, rows)
