"""Multinomial logistic regression on dense vectors, in numpy alone: the model of a probe."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]

MOST_STEPS = 200
TOLERANCE = 1e-4
"""Largest entry of the mean gradient at which a fit is done."""
_MEMORY = 10
"""Steps that L-BFGS remembers."""


class Regression(NamedTuple):
    """Weights (classes, dimensions + 1); the last column is the constant."""

    weights: Vectors

    def predict(self, vectors: Vectors) -> Labels:
        """Return the likeliest class of each row; of equal ones the first."""
        scores = vectors @ self.weights[:, :-1].T + self.weights[:, -1]
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def fit_regression(vectors: Vectors, labels: Labels, classes: int, strength: float) -> Regression:
    """Fit by L-BFGS; `strength` is the inverse of the penalty, as C of scikit-learn.

    The loss is the sum of negative log-likelihoods plus half of the squared weights over
    `strength`; constants are not penalised. Liu and Nocedal (1989), Mathematical Programming 45.
    """
    rows = len(vectors)
    given = np.vstack([vectors.T, np.ones(rows, np.float32)])
    penalty = np.full(len(given), 1 / (strength * rows), np.float32)
    penalty[-1] = 0
    # of two classes one vector tells, at half the cost
    measure = _measure_two if classes == 2 else _measure_many
    parts = 1 if classes == 2 else classes
    found = _descend(lambda weights: measure(weights, given, labels, penalty), (parts, len(given)))
    return Regression(np.vstack([np.zeros_like(found), found]) if classes == 2 else found)


def _measure_two(
    weights: Vectors, given: Vectors, labels: Labels, penalty: Vectors
) -> tuple[float, Vectors]:
    """Return the mean loss and its gradient of two classes, in the weights of the second."""
    signs = (2 * labels - 1).astype(np.float32)
    margins = signs * (weights[0] @ given)
    loss = np.logaddexp(np.float32(0), -margins).mean(dtype=np.float64)
    pulls = -signs / (1 + np.exp(np.minimum(margins, 80)))
    gradient = (given @ pulls)[None] / np.float32(len(labels)) + penalty * weights
    return float(loss + (penalty * weights**2).sum() / 2), gradient


def _measure_many(
    weights: Vectors, given: Vectors, labels: Labels, penalty: Vectors
) -> tuple[float, Vectors]:
    """Return the mean loss and its gradient of several classes."""
    truth = labels, np.arange(len(labels))
    scores = weights @ given
    scores -= scores.max(axis=0)
    odds = np.exp(scores)
    sums = odds.sum(axis=0)
    loss = (np.log(sums) - scores[truth]).mean(dtype=np.float64)
    odds /= sums
    odds[truth] -= 1
    gradient = odds @ given.T / np.float32(len(labels)) + penalty * weights
    return float(loss + (penalty * weights**2).sum() / 2), gradient


def _descend(
    measure: Callable[[Vectors], tuple[float, Vectors]], shape: tuple[int, int]
) -> Vectors:
    """Return where the function that returns a value and a gradient is least, from 0 on."""
    place = np.zeros(shape, np.float32)
    value, gradient = measure(place)
    steps: list[tuple[Vectors, Vectors]] = []
    for _ in range(MOST_STEPS):
        if np.abs(gradient).max() < TOLERANCE:
            break
        way = -_apply_memory(gradient, steps)
        slope = float(np.vdot(way, gradient))
        if slope >= 0:  # rounding has spoiled the memory
            steps, way = [], -gradient
            slope = float(np.vdot(way, gradient))
        length = 1.0 if steps else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        for _ in range(20):
            moved = place + np.float32(length) * way
            after, sloped = measure(moved)
            if after <= value + 1e-4 * length * slope:
                break
            length /= 2
        else:
            break  # as low as these digits tell
        change, turn = moved - place, sloped - gradient
        if float(np.vdot(change, turn)) > 1e-12:
            steps = [*steps[1 - _MEMORY :], (change, turn)]
        place, value, gradient = moved, after, sloped
    return place


def _apply_memory(gradient: Vectors, steps: list[tuple[Vectors, Vectors]]) -> Vectors:
    """Return the gradient times the inverse Hessian that the remembered steps tell of."""
    found, shares = gradient.copy(), []
    for change, turn in reversed(steps):
        share = np.vdot(change, found) / np.vdot(change, turn)
        shares.append(share)
        found -= share * turn
    if steps:
        change, turn = steps[-1]
        found *= np.vdot(change, turn) / np.vdot(turn, turn)
    for (change, turn), share in zip(steps, reversed(shares), strict=True):
        found += (share - np.vdot(turn, found) / np.vdot(change, turn)) * change
    return found
