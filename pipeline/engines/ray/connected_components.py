"""Rows that hang together by pairs: the connected components of a graph that comes in pieces.

Takes, in memory, nine bytes for each row and at most 42 more for each row that is in a pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_BLOCK: Final = 1 << 22


def connected_components(rows: int, pairs: Iterable[pl.DataFrame]) -> tuple[Integers, Integers]:
    """Return those of `rows` places that are paired with another, and which of them is their first.

    A frame has two columns of places. The first one of a component is given by its number among
    the places returned. Trees are joined at their roots (union-find).
    """
    parent = np.arange(rows)
    for frame in pairs:
        _join_pairs(parent, *(column.to_numpy() for column in frame))
    met = np.zeros(rows, np.bool_)
    for start in range(0, rows, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, rows))
        roots = _find_roots(parent, block)
        met[block[roots != block]] = True
        met[roots[roots != block]] = True
    # A component's root is its smallest place, since roots only ever join smaller ones.
    places = np.flatnonzero(met)
    first = parent[places]
    parent[places] = np.arange(len(places))
    return places, parent[first]


def pack_components(roots: Integers, size: int) -> Integers:
    """Return the bucket of each row, given the number of its component's first row.

    A bucket holds whole components: small ones share one of about `size` rows, a larger one has its
    own.
    """
    rows = np.bincount(roots, minlength=len(roots))
    large = rows > size
    rows[large] = 0
    number = np.cumsum(rows)
    number -= rows
    number //= size
    number[large] = np.arange(np.count_nonzero(large)) + number.max(initial=-1) + 1
    bucket: Integers = number[roots]
    return bucket


def _join_pairs(parent: Integers, left: Integers, right: Integers) -> None:
    while len(left):
        left, right = _find_roots(parent, left), _find_roots(parent, right)
        apart = left != right
        left, right = left[apart], right[apart]
        above = np.maximum(left, right)
        # A root joins the smallest root that it is paired with; others are tried again in the next
        # turn.
        np.minimum.at(parent, above, np.minimum(left, right))
        # Roots that were joined to one another point at the root of all, by paths halved each turn.
        over = parent[above]
        while not np.array_equal(higher := parent[over], over):
            parent[above] = over = higher


def _find_roots(parent: Integers, rows: Integers) -> Integers:
    """Return the roots of rows, and point these at them."""
    found = parent[rows]
    below = np.flatnonzero(parent[found] != found)
    while len(below):
        found[below] = parent[found[below]]
        below = below[parent[found[below]] != found[below]]
    parent[rows] = found
    return found
