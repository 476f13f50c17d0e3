"""Classifiers on the same rows: every metric with its interval, and which rows changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from siftset.schemas.errors import TrainingError
from siftset.schemas.results.comparison import (
    BaselineChange,
    Change,
    ClassificationComparison,
    ClassifierScores,
    Estimate,
    McNemar,
    RowChange,
)
from siftset.trainer.comparison.context import Figures, compare_figures
from siftset.trainer.comparison.slices import compare_slices
from siftset.trainer.inference.protocols import ClassifierModel
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    Flags,
    count_draws,
    finite,
    mcnemar,
    mean_draws,
    statistic_draws,
)
from siftset.trainer.metrics.classification import (
    Labels,
    brier,
    calibration_bins,
    calibration_error,
    class_scores,
    confusion,
    curves,
    from_margins,
    log_loss,
    ranking,
    threshold_sweep,
)


@dataclass(frozen=True, slots=True)
class ClassifierAnswers:
    """What one classifier said of the rows: probabilities (rows, labels)."""

    name: str
    probabilities: Array
    kind: Literal["model", "baseline"] = "model"

    @property
    def predicted(self) -> Labels:
        """Return the likeliest label of each row; of equal ones the first."""
        return np.asarray(self.probabilities.argmax(1), dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """The rows asked: their truth as places among the labels, ids and texts."""

    truth: Labels
    labels: tuple[str, ...]
    frame: pl.DataFrame


def order_labels(labels: Sequence[str], positive: str | None) -> tuple[str, ...]:
    """Return the labels with the positive one last; raise TrainingError if it is none of them."""
    if positive is None:
        return tuple(labels)
    if positive not in labels:
        raise TrainingError(
            f"compare.positive_label '{positive}' is none of the labels: {', '.join(labels)}"
        )
    return (*(label for label in labels if label != positive), positive)


def align_probabilities(
    classifier: ClassifierModel, labels: Sequence[str], texts: Sequence[str]
) -> Array:
    """Return probabilities with the columns in the order of `labels`.

    Raises TrainingError for a classifier that knows other labels.
    """
    places = {label: i for i, label in enumerate(classifier.labels)}
    if set(places) != set(labels):
        raise TrainingError(
            f"compare: the models have different labels: {', '.join(classifier.labels)} and "
            f"{', '.join(labels)}; compare models with the same ones"
        )
    return classifier.predict_probabilities(texts)[:, [places[label] for label in labels]]


def select_labelled(frame: pl.DataFrame, labels: Sequence[str]) -> tuple[LabelledRows, int]:
    """Return the rows that have a label, and how many have none.

    Raises TrainingError for a label that the model does not know, or when no row has one.
    """
    if "label" not in frame.columns:
        raise TrainingError(f"compare: no column 'label' among {', '.join(frame.columns)}")
    known = frame.with_columns(pl.col("label").cast(pl.String)).drop_nulls("label")
    if known.is_empty():
        raise TrainingError("compare: no held-out row has a label: add rows or change the split")
    strange = sorted(set(known["label"]) - set(labels))
    if strange:
        raise TrainingError(
            f"compare: rows have the label '{strange[0]}', which the model does not know; "
            f"it knows {', '.join(labels)}"
        )
    numbers = {label: i for i, label in enumerate(labels)}
    truth = np.array([numbers[label] for label in known["label"]], dtype=np.intp)
    return LabelledRows(truth, tuple(labels), known), frame.height - known.height


def measure_classifiers(
    truth: Labels, outcomes: Sequence[ClassifierAnswers], bootstrap: Bootstrap
) -> tuple[Figures, ...]:
    """Measure classifiers on the same rows and the same resamples of them.

    What a confusion table decides is counted in every resample, by class: whole tables of a
    thousand classes would take gigabytes. What is averaged by row and what ranks rows is weighted
    by how often each row was drawn.
    """
    found = []
    for outcome in outcomes:
        classes = outcome.probabilities.shape[1]
        said = outcome.predicted
        hit = np.where(said == truth, truth, classes)  # misses in a column of their own
        counted_rows = [
            np.vstack([np.bincount(cells, minlength=size), count_draws(cells, size, bootstrap)])
            for cells, size in ((hit, classes + 1), (truth, classes), (said, classes))
        ]
        counted_rows[0] = counted_rows[0][:, :classes]
        values = from_margins(*counted_rows)
        counted = {name: Figure(float(v[0]), v[1:]) for name, v in values.items()}
        found.append(counted | _measure_probabilities(truth, outcome, bootstrap))
    return tuple(found)


def _measure_probabilities(
    truth: Labels, outcome: ClassifierAnswers, bootstrap: Bootstrap
) -> Figures:
    probabilities = outcome.probabilities
    by_row = np.stack([brier(truth, probabilities), log_loss(truth, probabilities)], 1)
    sure, right = probabilities.max(1), (outcome.predicted == truth).astype(np.float64)

    def rank_rows(weights: Array) -> Array:
        ece = calibration_error(sure, right, weights)
        return np.column_stack([ranking(truth, probabilities, weights), ece])

    values = np.r_[by_row.mean(0), rank_rows(np.ones((1, len(truth))))[0]]
    draws = np.hstack(
        [
            mean_draws(by_row, bootstrap),
            statistic_draws(rank_rows, len(truth), bootstrap),
        ]
    )
    names = ("brier", "loss", "roc_auc", "pr_auc", "ece")
    return {name: Figure(float(values[i]), draws[:, i]) for i, name in enumerate(names)}


def compare_classifiers(
    rows: LabelledRows,
    outcomes: Sequence[ClassifierAnswers],
    *,
    bootstrap: Bootstrap,
    slices: Sequence[str] = (),
    examples: int = 20,
    headline: str = "macro_f1",
) -> tuple[ClassificationComparison, tuple[Change, ...]]:
    """Compare classifiers: baselines first, then before (if any), then after, the last."""
    figures = measure_classifiers(rows.truth, outcomes, bootstrap)
    models = [i for i, outcome in enumerate(outcomes) if outcome.kind == "model"]
    after = models[-1]
    before = models[-2] if len(models) > 1 else None
    old = None if before is None else figures[before]
    changes = compare_figures(old, figures[after], len(rows.truth), bootstrap)
    scores = tuple(
        _score_classifier(rows, outcome, found, bootstrap)
        for outcome, found in zip(outcomes, figures, strict=True)
    )
    against = compare_baselines(outcomes, figures, len(rows.truth), bootstrap, headline)
    found = ClassificationComparison(labels=rows.labels, models=scores, against_baselines=against)
    if before is None:
        return found, changes
    pair = (outcomes[before], outcomes[after])
    right = tuple(outcome.predicted == rows.truth for outcome in pair)
    fixed, broken, p_value = mcnemar(right[0], right[1], bootstrap.groups)
    told = {
        "mcnemar": McNemar(fixed=fixed, broken=broken, p_value=p_value),
        "slices": compare_slices(rows.frame, right, slices, bootstrap),
        "fixed": _pick_examples(rows, pair, (~right[0] & right[1]), examples),
        "broken": _pick_examples(rows, pair, (right[0] & ~right[1]), examples),
        "fixed_rows": fixed,
        "broken_rows": broken,
    }
    return found.model_copy(update=told), changes


def compare_baselines(
    outcomes: Sequence[ClassifierAnswers],
    figures: Sequence[Figures],
    n: int,
    bootstrap: Bootstrap,
    headline: str,
) -> tuple[BaselineChange, ...]:
    """Return how the model after, the last one, differs from each baseline by the headline."""
    return tuple(
        BaselineChange(baseline=outcome.name, change=one)
        for outcome, measured in zip(outcomes, figures, strict=True)
        if outcome.kind == "baseline"
        for one in compare_figures(measured, figures[-1], n, bootstrap)
        if one.name == headline
    )


def _score_classifier(
    rows: LabelledRows, outcome: ClassifierAnswers, figures: Figures, bootstrap: Bootstrap
) -> ClassifierScores:
    table = confusion(rows.truth, outcome.predicted, len(rows.labels))
    probabilities = outcome.probabilities
    roc, precise = curves(rows.truth, probabilities, rows.labels)
    right = (outcome.predicted == rows.truth).astype(np.float64)
    return ClassifierScores(
        name=outcome.name,
        kind=outcome.kind,
        metrics=estimate_figures(figures, bootstrap),
        classes=class_scores(table, rows.labels),
        confusion=tuple(tuple(map(int, line)) for line in table),
        calibration=calibration_bins(probabilities.max(1), right),
        roc=roc,
        precision_recall=precise,
        thresholds=threshold_sweep(rows.truth, probabilities[:, 1])
        if len(rows.labels) == 2
        else (),
    )


def estimate_figures(figures: Figures, bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Return every figure with its interval."""
    return {
        name: Estimate(value=finite(figure.value), interval=bootstrap.interval(figure.draws))
        for name, figure in figures.items()
    }


def _pick_examples(
    rows: LabelledRows, pair: tuple[ClassifierAnswers, ClassifierAnswers], chosen: Flags, limit: int
) -> tuple[RowChange, ...]:
    """Return the chosen rows that the model after is surest of."""
    sure = pair[1].probabilities.max(1)
    places = np.flatnonzero(chosen)
    places = places[np.argsort(-sure[places], kind="stable")][:limit]
    old, new = pair[0].predicted, pair[1].predicted
    return tuple(
        RowChange(
            row_id=str(row.get("row_id", place)),
            text=shorten_text(row["text"]),
            label=rows.labels[rows.truth[place]],
            before=rows.labels[old[place]],
            after=rows.labels[new[place]],
            confidence=float(sure[place]),
        )
        for place, row in zip(places, rows.frame[places].iter_rows(named=True), strict=True)
    )


def shorten_text(text: str, limit: int = 300) -> str:
    """Return a text short enough for a report."""
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"
