"""The cut statistic: which labels the texts nearby agree with.

Muhlenbach, Lallich and Zighed 2004, Identifying and handling mislabelled instances; for votes of
signals Lang, Vijayaraghavan and Sontag 2022, Training subset selection for weak supervision. A row
is joined to its nearest neighbours; the weight of the edges to other labels is compared with what
chance would cut.

Vectors are whole numbers below 2**12, so that products are exact whatever adds them up, and equal
ones are told apart by row_id: the statistic is the same in whatever order rows come.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.selection.turns import STEPS, Grid

NEIGHBOURS: Final = 10
_ORDER: Final = 1 << 20
"""Rows of a reference at most: scores times this, and less the row's rank, are exact in float64."""
_BLOCK: Final = 256

Labels = NDArray[np.int64]


class Reference(NamedTuple):
    """Rows among which neighbours are looked for, in the order of their row_ids."""

    vectors: Grid
    labels: Labels
    places: NDArray[np.int64]
    """What tells a row from itself."""
    shares: NDArray[np.float64]
    """The share of each class among all labelled rows."""


def measure_cut(
    vectors: Grid, labels: Labels, places: NDArray[np.int64], reference: Reference
) -> NDArray[np.float64]:
    """Return how many standard deviations more edges are cut than by chance: less is better.

    A row whose neighbours all have its label has the least; one without any neighbour gets 0.
    """
    found = np.zeros(len(labels))
    for start in range(0, len(labels), _BLOCK):
        cut = slice(start, start + _BLOCK)
        found[cut] = _measure_block(vectors[cut], labels[cut], places[cut], reference)
    return found


def _measure_block(
    vectors: Grid, labels: Labels, places: NDArray[np.int64], reference: Reference
) -> NDArray[np.float64]:
    size = len(reference.labels)
    scores = (vectors @ reference.vectors.T).astype(np.float64)
    ranks = scores * _ORDER - np.arange(size)
    own = reference.places[None, :] == places[:, None]
    ranks[own] = -np.inf  # a row is no neighbour of its own
    many = min(NEIGHBOURS, size)
    best = np.argpartition(ranks, size - many, axis=1)[:, size - many :]
    # from the nearest on, so that sums do not depend on how the others were parted
    best = np.take_along_axis(
        best, np.argsort(-np.take_along_axis(ranks, best, axis=1), axis=1, kind="stable"), axis=1
    )
    there = np.isfinite(np.take_along_axis(ranks, best, axis=1))
    cosine = np.take_along_axis(scores, best, axis=1) / STEPS**2
    distance = np.sqrt(np.maximum(0, 2 - 2 * cosine))
    weight = np.where(there, 1 / (1 + distance), 0.0)
    differs = reference.labels[best] != labels[:, None]
    chance = 1 - reference.shares[labels]
    expected = chance * weight.sum(axis=1)
    spread = np.sqrt(chance * (1 - chance) * (weight**2).sum(axis=1))
    surplus = (weight * differs).sum(axis=1) - expected
    cut: NDArray[np.float64] = np.zeros(len(labels))
    np.divide(surplus, spread, out=cut, where=spread > 0)
    return cut


def keep_best(
    cut: NDArray[np.float64], labels: Labels, ids: NDArray[np.int64], share: float
) -> NDArray[np.bool_]:
    """Mark the share of each class with the least cut; of equal ones, the lower id."""
    kept = np.zeros(len(cut), np.bool_)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        order = np.lexsort((ids[rows], cut[rows]))
        # the share as it is written, not as its nearest float
        kept[rows[order[: int(np.ceil(round(share * len(rows), 9)))]]] = True
    return kept
