"""Classification: tables, confusion, curves, and the rows that were fixed or broken."""

from __future__ import annotations

from collections.abc import Sequence

from siftset.pipeline.reports.charts import Series, draw_heat_table, draw_unit_curves
from siftset.pipeline.reports.compare.figures import (
    MOST_SHOWN,
    changes_table,
    format_number,
    short_name,
    stack_estimate,
)
from siftset.pipeline.reports.compare.metric_names import HEADLINES, name_metric
from siftset.pipeline.reports.markup import Child, Markup, h
from siftset.pipeline.reports.page import TableColumn, draw_table, note_absence
from siftset.schemas.plurals import format_count
from siftset.schemas.results.comparison import (
    ClassificationComparison,
    ClassifierScores,
    Curve,
    RowChange,
    SliceChange,
)


def show_scores(found: ClassificationComparison) -> Child:
    """Return every model and baseline with its metrics, and the scores of each class."""
    names = sorted(
        dict.fromkeys(name for model in found.models for name in model.metrics),
        key=lambda name: name not in HEADLINES["classification"],
    )
    columns = [
        TableColumn("", "name"),
        *(TableColumn(short_name(model.name), "num") for model in found.models),
    ]
    rows = [
        [
            name_metric(name),
            *(stack_estimate(model.metrics.get(name)) for model in found.models),
        ]
        for name in names
    ]
    test = found.mcnemar
    said = None
    if test is not None:
        said = h(
            "p",
            f"On {format_count(test.fixed + test.broken, 'row')} exactly one of the two is "
            f"right: the model after on {test.fixed:,}, the one before on {test.broken:,} "
            f"(exact McNemar test, p = {test.p_value:.3g}).",
        )
    head = [TableColumn("Class", "name"), TableColumn("", "name"), TableColumn("Rows", "num")]
    head += [TableColumn(n, "num") for n in ("Precision", "Recall", "F1", "Specificity")]
    judged = [model for model in found.models if model.classes]
    labels = list(dict.fromkeys(one.label for model in judged for one in model.classes))[:40]
    by_class = [
        [
            h("b", label) if model is judged[0] else None,
            short_name(model.name),
            f"{one.n:,}",
            *(format_number(v) for v in (one.precision, one.recall, one.f1, one.specificity)),
        ]
        for label in labels
        for model in judged
        for one in model.classes
        if one.label == label
    ]
    leading = sum(name in HEADLINES["classification"] for name in names)
    table: Child = draw_table(columns, rows)
    if len(rows) - leading > MOST_SHOWN:
        title = h("summary", f"{len(rows) - leading:,} other metrics")
        folded = h("details", title, draw_table(columns, rows[leading:]))
        table = [draw_table(columns, rows[:leading]), folded]
    return [table, said, draw_table(head, by_class) if by_class else None]


def show_confusion(found: ClassificationComparison) -> Child:
    """Return the confusion matrices side by side: rows are true, columns predicted."""
    shown = [
        draw_heat_table(
            dict(zip(found.labels, model.confusion, strict=False)),
            found.labels,
            short_name(model.name),
        )
        for model in found.models
        if model.confusion
    ]
    if not shown or len(found.labels) > 30:
        return note_absence("Not shown: no single-label answers, or more than 30 labels.")
    note = "Rows are true labels, columns are predicted ones; shading is the share of the row."
    return [h("p", note, class_="small soft"), h("div", shown, class_="grid3")]


def show_curves(found: ClassificationComparison) -> Child:
    """Return ROC, precision and recall, and calibration."""
    models = [model for model in found.models if model.kind == "model"] or list(found.models)
    calibration = [
        Series(
            short_name(model.name),
            [
                (one.confidence, one.accuracy)
                for one in model.calibration
                if one.confidence is not None and one.accuracy is not None
            ],
            i % 7,
        )
        for i, model in enumerate(models)
        if model.calibration
    ]
    pictures = [
        _draw_curves("ROC", [(m, c) for m in models for c in m.roc], "false positive", "recall"),
        _draw_curves(
            "Precision and recall",
            [(m, c) for m in models for c in m.precision_recall],
            "recall",
            "precision",
            diagonal=False,
        ),
        draw_unit_curves(calibration, "Calibration", "confidence", "accuracy")
        if calibration
        else None,
    ]
    shown = [one for one in pictures if one is not None]
    return h("div", shown, class_="grid3") if shown else note_absence("No curve was measured.")


def _draw_curves(
    title: str,
    found: Sequence[tuple[ClassifierScores, Curve]],
    x: str,
    y: str,
    *,
    diagonal: bool = True,
) -> Markup | None:
    if not found:
        return None
    series = [
        Series(
            f"{short_name(model.name)}: {one.name}" if one.name else short_name(model.name),
            list(zip(one.x, one.y, strict=False)),
            i % 7,
        )
        for i, (model, one) in enumerate(found[:7])
    ]
    return draw_unit_curves(series, title, x, y, diagonal=diagonal)


def show_rows(found: ClassificationComparison) -> Child:
    """Return rows that became right and rows that became wrong."""
    sides = [
        _row_examples(f"Fixed: {format_count(found.fixed_rows, 'row')}", found.fixed),
        _row_examples(f"Newly broken: {format_count(found.broken_rows, 'row')}", found.broken),
    ]
    return h("div", sides, class_="grid2")


def _row_examples(title: str, changed: Sequence[RowChange]) -> Markup:
    shown = [
        h(
            "div",
            h("blockquote", one.text),
            h(
                "span",
                f"{one.label}: {one.before} → {one.after}, {one.confidence:.0%} sure · ",
                h("code", one.row_id[:12]),
                class_="why",
            ),
            class_="sample",
        )
        for one in changed[:20]
    ]
    return h("div", h("h3", title), shown or note_absence("None."))


def show_slices(found: Sequence[SliceChange]) -> Child:
    """Return the main metric on parts of the rows."""
    if not found:
        return None
    named = [
        one.change.model_copy(update={"name": f"{one.column} = {one.value}"}) for one in found[:60]
    ]
    names = dict.fromkeys(name_metric(one.change.name) for one in found[:60])
    title = f"By part of the rows: {', '.join(names)}"
    return [h("h3", title), changes_table(named)]
