"""Classifiers that give a row several labels: every label is a question of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.results.comparison import (
    ClassificationComparison,
    ClassifierScores,
    ClassScores,
    McNemar,
    RowChange,
)
from siftset.trainer.comparison.classification_scores import (
    align_probabilities,
    estimate_figures,
    shorten_text,
)
from siftset.trainer.comparison.context import (
    ComparisonSetting,
    Figures,
    TaskComparison,
    compare_figures,
    require_model,
)
from siftset.trainer.comparison.predictions import tabulate_label_sets
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.comparison.slices import compare_slices, note_small_slices
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import ClassifierModel
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    Flags,
    mcnemar,
    ratio_draws,
    statistic_draws,
)
from siftset.trainer.metrics.classification import areas, ratio

Sides = tuple[tuple[str, Array], ...]
"""Names and probabilities (rows, labels); the model after comes last."""


def compare_multi_label(
    before: ModelSide | None, after: ModelSide, questions: QuestionSet, setting: ComparisonSetting
) -> TaskComparison:
    """Compare two multi-label classifiers; a label is given from probability 0.5 on."""
    new = require_model(after, ClassifierModel, "classification")  # type: ignore[type-abstract]
    labels, frame = tuple(new.labels), questions.rows.drop_nulls("label")
    truth = read_truths(frame, labels)
    sides: Sides = ((after.info.name, new.predict_probabilities(frame["text"].to_list())),)
    if before is not None:
        old = require_model(before, ClassifierModel, "classification")  # type: ignore[type-abstract]
        sides = (
            (before.info.name, align_probabilities(old, labels, frame["text"].to_list())),
            *sides,
        )
    setting.keep(tabulate_label_sets(frame, truth, labels, sides))
    bootstrap = setting.make_bootstrap(questions.seed, frame)
    figures = [measure_multi_label(truth, probabilities, bootstrap) for _, probabilities in sides]
    models = tuple(
        _score_labels(labels, truth, side, (measured, bootstrap))
        for side, measured in zip(sides, figures, strict=True)
    )
    found = ClassificationComparison(labels=labels, multi_label=True, models=models)
    if before is not None:
        found = found.model_copy(
            update=_compare_rows(frame, truth, labels, (sides, setting, bootstrap))
        )
    first = figures[0] if len(figures) > 1 else None
    changes = compare_figures(first, figures[-1], len(truth), bootstrap)
    return TaskComparison(
        changes=changes,
        classification=found,
        notes=(_NO_BASELINES, *note_small_slices(frame, setting.compare.slices)),
    )


_NO_BASELINES = "baselines and the linear probe are for one label a row: left out"


def read_truths(frame: pl.DataFrame, labels: Sequence[str]) -> Flags:
    """Return which labels each row has (rows, labels); raise TrainingError for a strange one."""
    numbers = {label: i for i, label in enumerate(labels)}
    truth = np.zeros((frame.height, len(labels)), dtype=np.bool_)
    for row, names in enumerate(frame["label"].cast(pl.List(pl.String))):
        for name in names:
            if name not in numbers:
                raise TrainingError(
                    f"compare: rows have the label '{name}', which the model does not know; "
                    f"it knows {', '.join(labels)}"
                )
            truth[row, numbers[name]] = True
    if not len(truth):
        raise TrainingError("compare: no held-out row has a label: add rows or change the split")
    return truth


def measure_multi_label(truth: Flags, probabilities: Array, bootstrap: Bootstrap) -> Figures:
    """Measure one classifier; draws pair with those of another on the same rows.

    `accuracy` is of rows whose labels are all right; macro F1 is 0 for a label never met.
    """
    said = probabilities >= 0.5
    exact = (said == truth).all(1)
    off = (said != truth).mean(1, keepdims=True)
    square = np.square(probabilities - truth).mean(1, keepdims=True)
    ones = np.ones((len(truth), 1))
    rows = np.hstack([truth & said, truth, said, exact[:, None], off, square, ones]).astype(
        np.float64
    )
    sums = np.vstack([rows.sum(0), ratio_draws(rows, bootstrap)])
    labels, n = truth.shape[1], sums[:, -1]
    hits, wanted, named = (sums[:, i * labels : (i + 1) * labels] for i in range(3))
    by_label = ratio(2 * hits, wanted + named)
    found = {
        "accuracy": sums[:, 3 * labels] / n,
        "micro_precision": ratio(hits.sum(1), named.sum(1)),
        "micro_recall": ratio(hits.sum(1), wanted.sum(1)),
        "micro_f1": ratio(2 * hits.sum(1), (wanted + named).sum(1)),
        "macro_f1": by_label.mean(1),
        "weighted_f1": ratio((by_label * wanted).sum(1), wanted.sum(1)),
        "hamming_loss": sums[:, 3 * labels + 1] / n,
        "brier": sums[:, 3 * labels + 2] / n,
        "macro_roc_auc": _measure_macro_area(truth, probabilities, bootstrap),
    }
    return {name: Figure(float(values[0]), values[1:]) for name, values in found.items()}


def _measure_macro_area(truth: Flags, probabilities: Array, bootstrap: Bootstrap) -> Array:
    """Return the mean ROC-AUC over labels that some rows have and some lack, then its draws."""

    def mean_area(weights: Array) -> Array:
        found = [
            areas(truth[:, i].astype(np.float64), probabilities[:, i], weights)[0]
            for i in range(truth.shape[1])
        ]
        known = np.isfinite(found)
        return ratio(np.where(known, found, 0).sum(0), known.sum(0), np.nan)

    return np.asarray(
        np.r_[
            mean_area(np.ones((1, len(truth)))), statistic_draws(mean_area, len(truth), bootstrap)
        ]
    )


def _score_labels(
    labels: Sequence[str],
    truth: Flags,
    side: tuple[str, Array],
    measured: tuple[Figures, Bootstrap],
) -> ClassifierScores:
    said = side[1] >= 0.5
    hits, wanted, named = ((truth & said).sum(0), truth.sum(0), said.sum(0))
    rest = len(truth) - wanted
    columns = {
        "precision": ratio(hits, named),
        "recall": ratio(hits, wanted),
        "f1": ratio(2 * hits, wanted + named),
        "specificity": ratio(rest - (named - hits), rest),
    }
    classes = tuple(
        ClassScores(
            label=label,
            n=int(wanted[i]),
            **{name: float(values[i]) for name, values in columns.items()},
        )
        for i, label in enumerate(labels)
    )
    return ClassifierScores(name=side[0], metrics=estimate_figures(*measured), classes=classes)


def _compare_rows(
    frame: pl.DataFrame,
    truth: Flags,
    labels: Sequence[str],
    asked: tuple[Sides, ComparisonSetting, Bootstrap],
) -> dict[str, object]:
    """Return what changed row by row, as fields of ClassificationComparison."""
    sides, setting, bootstrap = asked
    said = [probabilities >= 0.5 for _, probabilities in sides]
    right = tuple((answers == truth).all(1) for answers in said)
    fixed, broken, p_value = mcnemar(right[0], right[1], bootstrap.groups)
    listed = np.asarray(labels, dtype=object)
    named = [[", ".join(listed[row]) or "none" for row in flags] for flags in (truth, *said)]
    sure = np.abs(sides[1][1] - 0.5).min(1) + 0.5

    def pick_examples(chosen: Flags) -> tuple[RowChange, ...]:
        places = np.flatnonzero(chosen)[: setting.compare.examples]
        return tuple(
            RowChange(
                row_id=str(row.get("row_id", "")),
                text=shorten_text(str(row["text"])),
                label=named[0][i],
                before=named[1][i],
                after=named[2][i],
                confidence=float(sure[i]),
            )
            for i, row in zip(places, frame[places].iter_rows(named=True), strict=True)
        )

    return {
        "mcnemar": McNemar(fixed=fixed, broken=broken, p_value=p_value),
        "fixed_rows": fixed,
        "broken_rows": broken,
        "fixed": pick_examples(~right[0] & right[1]),
        "broken": pick_examples(right[0] & ~right[1]),
        "slices": compare_slices(frame, right, setting.compare.slices, bootstrap),
    }
