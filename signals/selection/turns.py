"""The rows most like some directions, chosen by turns: the same whatever the order they come in.

Vectors are rounded to a grid so coarse that every product with a direction is a sum of whole
numbers below 2**24, which float32 adds without error. So a score depends on the row and the
direction alone: not on the rows beside it, the number of threads or the processor. Equal scores are
told apart by row_id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
Ranks = NDArray[np.int64]

STEPS: Final = 2048
"""Steps of the grid in a length of 1; a dot product of two unit vectors is at most STEPS**2."""
ID_BITS: Final = 40
"""Bits of a row_id, its first ten hex digits, that tell equal scores apart."""


def round_vectors(vectors: NDArray[np.floating]) -> Grid:
    """Return vectors of at most length 1 as whole numbers of steps, held as float32."""
    return np.rint(np.asarray(vectors, np.float64) * STEPS).astype(np.float32)


def rank_rows(rows: Grid, directions: Grid, ids: NDArray[np.int64]) -> Ranks:
    """Return directions x rows of whole numbers, greater for a better row.

    `ids` are the first ID_BITS bits of the rows' ids: of equal scores the lower id is better. A row
    of zeros, which says nothing, comes last: its score, 0, may be above that of most other rows.
    """
    scores = (directions @ rows.T).astype(np.int64)
    scores[:, ~rows.any(axis=1)] = -(1 << (63 - ID_BITS))
    return (scores << ID_BITS) + ((1 << ID_BITS) - 1 - ids)


class BestRows:
    """For each direction the best rows of those that were shown; memory is directions x depth."""

    def __init__(self, directions: int, depth: int) -> None:
        self._ranks = np.empty((directions, 0), np.int64)
        self._places = np.empty((directions, 0), np.int64)
        self._depth = depth
        self._shown = 0

    def show(self, ranks: Ranks, places: NDArray[np.int64]) -> None:
        """Take the ranks, directions x rows, of rows at some places."""
        joined = np.concatenate([self._ranks, ranks], axis=1)
        where = np.concatenate([self._places, np.broadcast_to(places, ranks.shape)], axis=1)
        if joined.shape[1] > self._depth:
            best = np.argpartition(joined, -self._depth, axis=1)[:, -self._depth :]
            joined = np.take_along_axis(joined, best, axis=1)
            where = np.take_along_axis(where, best, axis=1)
        self._ranks, self._places = joined, where
        self._shown += len(places)

    @property
    def is_cut(self) -> bool:
        """Whether more rows were shown than are remembered."""
        return self._shown > self._depth

    def take_by_turns(self, wanted: int) -> list[int] | None:
        """Return the places of so many rows, or of all: each direction in turn takes its best row
        that is still there.

        None where a direction has seen all that it remembers and more rows were shown: a greater
        depth is needed to tell. What is returned does not depend on the depth.
        """
        order = np.argsort(-self._ranks, axis=1)
        lists = np.take_along_axis(self._places, order, axis=1).tolist()
        if len(lists) == 1:
            return lists[0][:wanted] if wanted <= len(lists[0]) or not self.is_cut else None
        taken: dict[int, None] = {}
        nexts = [0] * len(lists)
        most = min(wanted, self._shown)
        while len(taken) < most:
            for at, places in enumerate(lists):
                nexts[at] = _skip_taken(places, nexts[at], taken)
                if nexts[at] == len(places):
                    return None
                taken[places[nexts[at]]] = None
                if len(taken) == most:
                    break
        return list(taken)


def _skip_taken(places: Sequence[int], start: int, taken: dict[int, None]) -> int:
    while start < len(places) and places[start] in taken:
        start += 1
    return start


def share_equally(rows: int, held: Sequence[int]) -> list[int]:
    """Share rows among classes that hold so many: the same for each, as far as it has them.

    What small classes leave goes to the others. Rows that cannot be shared evenly go to the classes
    that come first.
    """
    shares, left, open_ = [0] * len(held), min(rows, sum(held)), list(range(len(held)))
    while left:
        each, over = divmod(left, len(open_))
        for turn, at in enumerate(open_):
            more = min(each + (turn < over), held[at] - shares[at])
            shares[at] += more
            left -= more
        open_ = [at for at in open_ if shares[at] < held[at]]
    return shares
