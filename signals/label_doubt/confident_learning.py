"""Confident learning (Northcutt, Jiang and Chuang 2021): which labels look wrong, by probabilities.

Everywhere, probabilities are of models that did not see the row: (rows, classes), each row's sum 1;
labels are the numbers of the classes given, (rows,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float32] | NDArray[np.float64]
Labels = NDArray[np.int64]

_ROUNDING = 1e-6
"""A probability that reaches a threshold but for rounding counts as reaching it."""


class DoubtfulPair(NamedTuple):
    """Rows given one label that look like another."""

    label: str
    other: str
    rows: int


class LabelQuality(NamedTuple):
    """What the models say of all labels."""

    rows: int
    wrong: int
    """Labels that look wrong, by confident learning."""
    pairs: tuple[DoubtfulPair, ...]
    """The commonest first."""
    doubt: tuple[int, ...]
    """Rows by score: hundredths from 0 to 1."""


def score_doubt(probabilities: Probabilities, labels: Labels) -> NDArray[np.float64]:
    """Return how doubtful each label is: 0 for a sure one, 1 for one that is surely another.

    Half of 1 plus the margin: the probability of the likeliest other class less that of the given
    one. Above 0.5 another class is likelier.
    """
    rows = np.arange(len(labels))
    others = probabilities.astype(np.float64)
    own = others[rows, labels].copy()
    others[rows, labels] = -1
    doubt: NDArray[np.float64] = 0.5 + (others.max(axis=1, initial=-1) - own) / 2
    return doubt


def mean_confidence(probabilities: Probabilities, labels: Labels) -> NDArray[np.float64]:
    """Return each class's mean probability over the rows that are given it; 1 where there is none.

    These are the thresholds of confident learning.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    sums = np.bincount(labels, own, minlength=classes)
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.ones(classes), where=counts > 0)
    return means


def find_label_issues(
    probabilities: Probabilities, labels: Labels, thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], Labels]:
    """Tell which labels look wrong, and return the class that each row rather seems to be of.

    A label looks wrong where another class reaches its own threshold, and is the likeliest of all.
    """
    likeliest = probabilities.argmax(axis=1)
    reached = probabilities >= thresholds - _ROUNDING
    # the one class that is reached, or the likeliest where several are
    guess = np.where(reached.sum(axis=1) > 1, likeliest, reached.argmax(axis=1))
    wrong = reached.any(axis=1) & (guess != labels) & (likeliest != labels)
    return wrong, guess
