"""What the short runs before a training found: cross-validation, and a search for settings."""

from __future__ import annotations

from collections.abc import Sequence

from siftset.pipeline.reports.compare.figures import number
from siftset.pipeline.reports.markup import Child, Markup
from siftset.pipeline.reports.page import Column, Part, pill, table
from siftset.schemas.results.trials import FoldFigure, SearchFound, Trials


def parts(found: Trials) -> list[Part]:
    """Return a part for each kind of trial that was made."""
    made = []
    if found.folds:
        lede = (
            f"Trained {len(found.folds[0].values)} times, each time measured on the part of train "
            "and validation that was left out; rows alike stay in one part."
        )
        made.append(Part("folds", "Cross-validation", _folds(found.folds), lede=lede))
    if found.search is not None:
        lede = "Each measured on validation; the model above was trained with the chosen ones."
        made.append(Part("search", "Settings that were tried", _search(found.search), lede=lede))
    return made


def _folds(found: Sequence[FoldFigure]) -> Markup:
    columns = [Column("", "name"), Column("Mean", "num"), Column("Standard deviation", "num")]
    columns += [Column(f"Fold {k + 1}", "num") for k in range(len(found[0].values))]
    return table(
        columns,
        [
            [
                one.name.replace("_", " "),
                number(one.mean),
                number(one.deviation),
                *(number(value) for value in one.values),
            ]
            for one in found
        ],
    )


def _search(found: SearchFound) -> Markup:
    columns = [Column(name.replace("_", " "), "num") for name in found.chosen]
    columns += [Column(found.metric.replace("_", " "), "num"), Column("", "nowrap")]
    rows: list[list[Child]] = [
        [
            *(f"{one.settings[name]:g}" for name in found.chosen),
            number(one.value),
            pill("pass", "chosen") if one.settings == found.chosen else None,
        ]
        for one in found.trials
    ]
    return table(columns, rows)
