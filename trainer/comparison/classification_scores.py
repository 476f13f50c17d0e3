"""Classifiers on the same rows: every metric with its interval, and which rows changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from siftset.schemas.results.comparison import (
    Change,
    ClassificationComparison,
    ClassifierScores,
    Estimate,
    McNemar,
    RowChange,
)
from siftset.trainer.comparison.slices import slice_changes
from siftset.trainer.metrics.bootstrap import (
    Array,
    Bootstrap,
    Figure,
    Flags,
    change,
    count_draws,
    finite,
    mcnemar,
    ratio_draws,
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
    from_confusion,
    log_loss,
    ranking,
    threshold_sweep,
)

LOWER_IS_BETTER = frozenset({"loss", "brier", "ece"})

Figures: TypeAlias = dict[str, Figure]
"""Metrics of one classifier; draws pair with those of another on the same rows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one classifier said of the rows: probabilities (rows, labels)."""

    name: str
    probabilities: Array
    kind: Literal["model", "baseline"] = "model"

    @property
    def predicted(self) -> Labels:
        """Return the likeliest label of each row; of equal ones the first."""
        return np.asarray(self.probabilities.argmax(1), dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows asked: their truth as places among the labels, ids and texts."""

    truth: Labels
    labels: tuple[str, ...]
    frame: pl.DataFrame


def measure(
    truth: Labels, outcomes: Sequence[Outcome], bootstrap: Bootstrap
) -> tuple[Figures, ...]:
    """Measure classifiers on the same rows and the same resamples of them."""
    counted = _counted(truth, outcomes, bootstrap)
    return tuple(
        figures | _averaged(truth, outcome, bootstrap) | _ranked(truth, outcome, bootstrap)
        for figures, outcome in zip(counted, outcomes, strict=True)
    )


def _counted(truth: Labels, outcomes: Sequence[Outcome], bootstrap: Bootstrap) -> list[Figures]:
    """Resample the rows, and count the confusion table of every classifier in each resample."""
    classes = outcomes[0].probabilities.shape[1]
    found = []
    for outcome in outcomes:
        cells = truth * classes + outcome.predicted
        counts = np.bincount(cells, minlength=classes * classes)
        draws = count_draws(cells, classes * classes, bootstrap)
        values = from_confusion(np.vstack([counts, draws]).reshape(-1, classes, classes))
        found.append({name: Figure(float(v[0]), v[1:]) for name, v in values.items()})
    return found


def _averaged(truth: Labels, outcome: Outcome, bootstrap: Bootstrap) -> Figures:
    probabilities = outcome.probabilities
    rows = np.stack([brier(truth, probabilities), log_loss(truth, probabilities)], 1)
    draws = ratio_draws(rows, bootstrap) / len(rows)
    means = rows.mean(0)
    return {name: Figure(float(means[i]), draws[:, i]) for i, name in enumerate(("brier", "loss"))}


def _ranked(truth: Labels, outcome: Outcome, bootstrap: Bootstrap) -> Figures:
    sure = outcome.probabilities.max(1)
    right = (outcome.predicted == truth).astype(np.float64)

    def statistic(weights: Array) -> Array:
        ece = calibration_error(sure, right, weights)
        return np.column_stack([ranking(truth, outcome.probabilities, weights), ece])

    values = statistic(np.ones((1, len(truth))))[0]
    draws = statistic_draws(statistic, len(truth), bootstrap)
    names = ("roc_auc", "pr_auc", "ece")
    return {name: Figure(float(values[i]), draws[:, i]) for i, name in enumerate(names)}


def compare_classifiers(
    rows: Rows,
    outcomes: Sequence[Outcome],
    *,
    bootstrap: Bootstrap,
    slices: Sequence[str] = (),
    examples: int = 20,
) -> tuple[ClassificationComparison, tuple[Change, ...]]:
    """Compare classifiers: baselines first, then before (if any), then after, the last."""
    figures = measure(rows.truth, outcomes, bootstrap)
    models = [i for i, outcome in enumerate(outcomes) if outcome.kind == "model"]
    after = models[-1]
    before = models[-2] if len(models) > 1 else None
    changes = _changes(None if before is None else figures[before], figures[after], rows, bootstrap)
    scores = tuple(
        _scores(rows, outcome, found, bootstrap)
        for outcome, found in zip(outcomes, figures, strict=True)
    )
    if before is None:
        return ClassificationComparison(labels=rows.labels, models=scores), changes
    pair = (outcomes[before], outcomes[after])
    right = tuple(outcome.predicted == rows.truth for outcome in pair)
    fixed, broken, p_value = mcnemar(*right)
    return ClassificationComparison(
        labels=rows.labels,
        models=scores,
        mcnemar=McNemar(fixed=fixed, broken=broken, p_value=p_value),
        slices=slice_changes(rows.frame, right, slices, bootstrap),
        fixed=_examples(rows, pair, (~right[0] & right[1]), examples),
        broken=_examples(rows, pair, (right[0] & ~right[1]), examples),
        fixed_rows=fixed,
        broken_rows=broken,
    ), changes


def _changes(
    before: Figures | None, after: Figures, rows: Rows, bootstrap: Bootstrap
) -> tuple[Change, ...]:
    return tuple(
        change(
            name,
            None if before is None else before[name],
            figure,
            n=len(rows.truth),
            bootstrap=bootstrap,
            higher_is_better=name not in LOWER_IS_BETTER,
        )
        for name, figure in after.items()
    )


def _scores(
    rows: Rows, outcome: Outcome, figures: Figures, bootstrap: Bootstrap
) -> ClassifierScores:
    table = confusion(rows.truth, outcome.predicted, len(rows.labels))
    probabilities = outcome.probabilities
    roc, precise = curves(rows.truth, probabilities, rows.labels)
    right = (outcome.predicted == rows.truth).astype(np.float64)
    return ClassifierScores(
        name=outcome.name,
        kind=outcome.kind,
        metrics=estimates(figures, bootstrap),
        classes=class_scores(table, rows.labels),
        confusion=tuple(tuple(map(int, line)) for line in table),
        calibration=calibration_bins(probabilities.max(1), right),
        roc=roc,
        precision_recall=precise,
        thresholds=threshold_sweep(rows.truth, probabilities[:, 1])
        if len(rows.labels) == 2
        else (),
    )


def estimates(figures: Figures, bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Return every figure with its interval."""
    return {
        name: Estimate(value=finite(figure.value), interval=bootstrap.interval(figure.draws))
        for name, figure in figures.items()
    }


def _examples(
    rows: Rows, pair: tuple[Outcome, Outcome], chosen: Flags, limit: int
) -> tuple[RowChange, ...]:
    """Return the chosen rows that the model after is surest of."""
    sure = pair[1].probabilities.max(1)
    places = np.flatnonzero(chosen)
    places = places[np.argsort(-sure[places], kind="stable")][:limit]
    old, new = pair[0].predicted, pair[1].predicted
    return tuple(
        RowChange(
            row_id=str(row.get("row_id", place)),
            text=cut(row["text"]),
            label=rows.labels[rows.truth[place]],
            before=rows.labels[old[place]],
            after=rows.labels[new[place]],
            confidence=float(sure[place]),
        )
        for place, row in zip(places, rows.frame[places].iter_rows(named=True), strict=True)
    )


def cut(text: str, limit: int = 300) -> str:
    """Return a text short enough for a report."""
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"
