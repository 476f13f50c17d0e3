"""Metrics of classifiers, vectorised over leading axes so that a bootstrap is one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from siftset.schemas.results.comparison import CalibrationBin, ClassScores, Curve, ThresholdScores
from siftset.trainer.metrics.bootstrap import Array, Integers, finite

Labels: TypeAlias = NDArray[np.intp]

BINARY = ("precision", "recall", "specificity", "f1")
"""Metrics of the positive class (the last label) of a binary classifier."""


def confusion(truth: Labels, predicted: Labels, classes: int) -> Integers:
    """Return counts (true, predicted)."""
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def ratio(numerator: Array, denominator: Array, empty: float = 0.0) -> Array:
    """Divide; where the denominator is zero the result is `empty`."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), empty)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def per_class(hit: Array, support: Array, named: Array) -> dict[str, Array]:
    """Return precision, recall, f1, specificity and support (..., classes) of counts.

    They count rows of each class that are named right, that are of it, and that are named so.
    """
    rest = support.sum(-1)[..., None] - support
    return {
        "precision": ratio(hit, named),
        "recall": ratio(hit, support),
        "f1": ratio(2 * hit, support + named),
        "specificity": ratio(rest - (named - hit), rest),
        "support": support,
        "present": ((support + named) > 0).astype(np.float64),
    }


def from_confusion(table: Array) -> dict[str, Array]:
    """Return every metric that counts (..., true, predicted) decide.

    Averages as scikit-learn: macro over classes that are true or predicted somewhere, 0 where a
    precision or recall is undefined; balanced accuracy over classes that are true somewhere.
    """
    return from_margins(*sum_margins(np.asarray(table, dtype=np.float64)))


def sum_margins(table: Array) -> tuple[Array, Array, Array]:
    """Return what of counts (..., true, predicted) lies on the diagonal, in rows and in columns."""
    return np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1), table.sum(-2)


def from_margins(hit: Array, support: Array, named: Array) -> dict[str, Array]:
    """Return the same of each class's counts (..., classes), all that these metrics depend on."""
    by_class = per_class(hit, support, named)
    total, present = support.sum(-1), by_class["present"]
    classes = present.sum(-1)
    scores = {
        "accuracy": ratio(hit.sum(-1), total),
        "balanced_accuracy": ratio(by_class["recall"].sum(-1), (support > 0).sum(-1)),
        "mcc": matthews(hit, support, named),
    }
    for name in ("precision", "recall", "f1", "specificity"):
        values = by_class[name]
        scores[f"macro_{name}"] = ratio((values * present).sum(-1), classes)
        scores[f"weighted_{name}"] = ratio((values * support).sum(-1), total)
    if hit.shape[-1] == 2:
        scores |= {name: by_class[name][..., 1] for name in BINARY}
    return scores


def matthews(hit: Array, support: Array, named: Array) -> Array:
    """Return the multi-class correlation of Gorodkin (2004), 0 where it is undefined."""
    total = support.sum(-1)
    covariance = hit.sum(-1) * total - (support * named).sum(-1)
    spread = (total**2 - (named**2).sum(-1)) * (total**2 - (support**2).sum(-1))
    return ratio(covariance, np.sqrt(np.maximum(spread, 0)))


def class_scores(table: Integers, labels: Sequence[str]) -> tuple[ClassScores, ...]:
    """Return precision, recall, F1 and specificity of every class."""
    scores = per_class(*sum_margins(np.asarray(table, dtype=np.float64)))
    return tuple(
        ClassScores(
            label=label,
            n=int(scores["support"][i]),
            precision=float(scores["precision"][i]),
            recall=float(scores["recall"][i]),
            f1=float(scores["f1"][i]),
            specificity=float(scores["specificity"][i]),
        )
        for i, label in enumerate(labels)
    )


def brier(truth: Labels, probabilities: Array) -> Array:
    """Return each row's squared error: of the positive class if binary, else over classes.

    Brier, G. W. (1950). Binary as scikit-learn's brier_score_loss, else the original sum.
    """
    if probabilities.shape[1] == 2:
        return np.square(probabilities[:, 1] - truth)
    wanted = np.eye(probabilities.shape[1])[truth]
    return np.asarray(np.square(probabilities - wanted).sum(1))


def log_loss(truth: Labels, probabilities: Array) -> Array:
    """Return each row's negative log-probability of the truth, nats."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return -np.log(np.clip(chosen, 1e-12, 1.0))


def bin_of(confidence: Array, bins: int = 10) -> Labels:
    """Return the calibration bin of each confidence; bins are equally wide."""
    return np.minimum((confidence * bins).astype(np.intp), bins - 1)


def calibration_error(confidence: Array, right: Array, weights: Array, bins: int = 10) -> Array:
    """Return the expected calibration error under each row of `weights` (resamples, rows).

    Naeini et al. (2015), equally wide bins.
    """
    gaps = np.zeros((confidence.size, bins))
    gaps[np.arange(confidence.size), bin_of(confidence, bins)] = right - confidence
    return ratio(np.abs(weights @ gaps).sum(1), weights.sum(1), np.nan)


def calibration_bins(confidence: Array, right: Array, bins: int = 10) -> tuple[CalibrationBin, ...]:
    """Return rows, mean confidence and accuracy of every bin."""
    places = bin_of(confidence, bins)
    n = np.bincount(places, minlength=bins)
    sure = np.bincount(places, weights=confidence, minlength=bins)
    hits = np.bincount(places, weights=right, minlength=bins)
    return tuple(
        CalibrationBin(
            low=i / bins,
            high=(i + 1) / bins,
            n=int(n[i]),
            confidence=float(sure[i] / n[i]) if n[i] else None,
            accuracy=float(hits[i] / n[i]) if n[i] else None,
        )
        for i in range(bins)
    )


def areas(yes: Array, scores: Array, weights: Array) -> tuple[Array, Array]:
    """Return ROC-AUC and average precision under each row of `weights` (resamples, rows).

    Equal scores count half, as scikit-learn does; NaN where one class has no weight.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights = weights[:, order]
    hits = np.add.reduceat(weights * yes[order], starts, axis=1)
    misses = np.add.reduceat(weights * (1 - yes[order]), starts, axis=1)
    all_hits, all_misses = hits.sum(1), misses.sum(1)
    hits_so_far, misses_so_far = hits.cumsum(1), misses.cumsum(1)
    behind = (hits * (all_misses[:, None] - misses_so_far + misses / 2)).sum(1)
    precision = ratio(hits_so_far, hits_so_far + misses_so_far)
    roc = ratio(behind, all_hits * all_misses, np.nan)
    average_precision = ratio((hits * precision).sum(1), all_hits, np.nan)
    return roc, np.where(all_misses > 0, average_precision, np.nan)


def ranking(truth: Labels, probabilities: Array, weights: Array) -> Array:
    """Return (resamples, 2): ROC-AUC and PR-AUC under each row of `weights` (resamples, rows).

    Binary: of the positive class. Else the macro mean of one against the rest, over the classes
    that are true for some rows and not for all; NaN if there is none.
    """
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    found = [
        areas((truth == column).astype(np.float64), probabilities[:, column], weights)
        for column in columns
    ]
    stacked = np.asarray(found)
    known = np.isfinite(stacked)
    return ratio(np.where(known, stacked, 0).sum(0), known.sum(0), np.nan).T


def curves(
    truth: Labels, probabilities: Array, labels: Sequence[str], points: int = 200
) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    """Return ROC and precision-recall curves of at most `points` points each."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    roc, precise = [], []
    for column in columns:
        yes = truth == column
        if not yes.any() or yes.all():
            continue
        false_rate, true_rate, _ = roc_curve(yes, probabilities[:, column])
        precision, recall, _ = precision_recall_curve(yes, probabilities[:, column])
        roc.append(_curve(labels[column], false_rate, true_rate, points))
        precise.append(_curve(labels[column], recall, precision, points))
    return tuple(roc), tuple(precise)


def _curve(name: str, x: Array, y: Array, points: int) -> Curve:
    places = np.unique(np.linspace(0, len(x) - 1, min(points, len(x))).astype(int))
    return Curve(name=name, x=tuple(map(float, x[places])), y=tuple(map(float, y[places])))


def threshold_sweep(truth: Labels, scores: Array, steps: int = 20) -> tuple[ThresholdScores, ...]:
    """Return the metrics of a binary classifier that says yes at `score >= threshold`."""
    sweep = []
    for threshold in np.linspace(0, 1, steps + 1)[1:-1]:
        table = confusion(truth, (scores >= threshold).astype(np.intp), 2)
        values = from_confusion(np.asarray(table, dtype=np.float64))
        sweep.append(
            ThresholdScores(
                threshold=round(float(threshold), 6),
                **{name: finite(float(values[name])) for name in BINARY},
                accuracy=float(values["accuracy"]),
            )
        )
    return tuple(sweep)
