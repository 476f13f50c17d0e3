"""What the short runs before a training found: cross-validation, and a search for settings."""

from __future__ import annotations

from siftset.pipeline.reports.compare.figures import format_number
from siftset.pipeline.reports.compare.metric_names import name_metric
from siftset.pipeline.reports.markup import Child
from siftset.pipeline.reports.page import PagePart, TableColumn, draw_table, label_status
from siftset.schemas.results.trials import Trials


def trial_parts(found: Trials) -> list[PagePart]:
    """Return a part for each kind of trial that was made."""
    made = []
    if found.folds:
        lede = (
            f"Trained {len(found.folds[0].values)} times, each time measured on the part of train "
            "and validation that was left out; rows alike stay in one part."
        )
        columns = [
            TableColumn("", "name"),
            TableColumn("Mean", "num"),
            TableColumn("Standard deviation", "num"),
        ]
        columns += [TableColumn(f"Fold {k + 1}", "num") for k in range(len(found.folds[0].values))]
        folds = [
            [
                name_metric(one.name),
                format_number(one.mean),
                format_number(one.deviation),
                *(format_number(value) for value in one.values),
            ]
            for one in found.folds
        ]
        made.append(PagePart("folds", "Cross-validation", draw_table(columns, folds), lede=lede))
    if found.search is not None:
        search = found.search
        lede = "Each measured on validation; the model above was trained with the chosen ones."
        columns = [TableColumn(name.replace("_", " "), "num") for name in search.chosen]
        columns += [TableColumn(name_metric(search.metric), "num"), TableColumn("", "nowrap")]
        tried: list[list[Child]] = [
            [
                *(f"{one.settings[name]:g}" for name in search.chosen),
                format_number(one.value),
                label_status("pass", "chosen") if one.settings == search.chosen else None,
            ]
            for one in search.trials
        ]
        table = draw_table(columns, tried)
        made.append(PagePart("search", "Settings that were tried", table, lede=lede))
    return made
