"""So many rows of each class, chosen by a classifier or by turns of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.selection.domain import fit_direction
from siftset.signals.selection.turns import BestRows, Grid, rank_rows, round_vectors

Method = Literal["domain", "round_robin"]
Marks = NDArray[np.bool_]

SCORES: Final = 4_000_000
"""Scores that are held at once: rows times directions."""


class RowBlock(NamedTuple):
    """Some rows: their vectors on the grid, the first bits of their ids, their places."""

    vectors: Grid
    ids: NDArray[np.int64]
    places: NDArray[np.int64]


def find_directions(
    method: Method,
    examples: NDArray[np.floating],
    others: Callable[[], NDArray[np.floating]],
) -> Grid:
    """Return what rows are compared with: each example, or all of them against other rows.

    Both are unit vectors, rows x dimensions. Round robin as RDS+ (Ivison et al. 2025), `domain` as
    the domain classifiers of Moore and Lewis (2010) and their successors.
    """
    if method == "round_robin":
        return round_vectors(examples)
    found = fit_direction(examples.astype(np.float64), others().astype(np.float64))
    return round_vectors(found[None])


def take_best_rows(
    classes: NDArray[np.int32],
    read: Callable[[Marks], Iterable[RowBlock]],
    directions: Grid,
    shares: Sequence[int],
) -> Marks:
    """Return which rows are taken: so many of each class, by turns of the directions.

    `classes` holds the number of each row's class, -1 for one that cannot be taken; `read` gives
    the rows of a mask, and may give more.
    """
    taken = np.zeros(len(classes), np.bool_)
    depth = 64 + 4 * -(-max(shares, default=0) // len(directions))
    waiting = [at for at, share in enumerate(shares) if share]
    while waiting:
        best = {at: BestRows(len(directions), min(depth, shares[at])) for at in waiting}
        for block in _cut(read(np.isin(classes, waiting)), len(directions)):
            ranks = rank_rows(block.vectors, directions, block.ids)
            codes = classes[block.places]
            for at in np.intersect1d(codes, waiting).tolist():
                some = codes == at
                best[at].show(ranks[:, some], block.places[some])
        found = {at: best[at].take_by_turns(shares[at]) for at in waiting}
        for rows in found.values():
            taken[rows or []] = True
        # what one search remembers is too little where many examples want the same rows
        waiting = [at for at, rows in found.items() if rows is None]
        depth *= 8
    return taken


def _cut(blocks: Iterable[RowBlock], directions: int) -> Iterator[RowBlock]:
    size = max(256, SCORES // directions)
    for vectors, ids, places in blocks:
        for start in range(0, len(ids), size):
            cut = slice(start, start + size)
            yield RowBlock(vectors[cut], ids[cut], places[cut])
