"""Which of some rows is similar to any of others, compiled: every pair is found.

The rows asked about are few beside the others, so they are what is held: by shingle, in a table
that fits into the processor's cache. The twin is in signals.near_duplicates.similar_rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.kernels.bytes_kernel import Integers, Whole
from siftset.signals.kernels.compiled import compiled_kernel, inlined_kernel
from siftset.signals.near_duplicates.kernel import jaccard_similarity, sort_unique

Hashes = NDArray[np.uint64]
_COUNT = np.uint64(32)
_PLACE = np.uint64((1 << 32) - 1)


class ShingleIndex(NamedTuple):
    """Rows by shingle: the rows of values[v] are rows[starts[v] : starts[v + 1]]."""

    slots: Integers
    """Hash table: the place of a value, -1 in a free slot; at most half full."""
    values: Hashes
    starts: Integers
    rows: Integers
    offsets: Integers
    """Row k has shingles[offsets[k] : offsets[k + 1]], in order."""
    shingles: Hashes


@inlined_kernel
def _find_value(index: ShingleIndex, value: np.uint64) -> Whole:
    """Find the slot of a shingle, or the free one where it belongs."""
    mask = np.uint64(len(index.slots) - 1)
    slot = value & mask
    while index.slots[slot] >= 0 and index.values[index.slots[slot]] != value:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@compiled_kernel
def fill_index(index: ShingleIndex) -> None:
    """Put the values into their slots."""
    for v in range(len(index.values)):
        index.slots[_find_value(index, index.values[v])] = v


@compiled_kernel
def find_similar(
    shingles: Hashes,
    offsets: Integers,
    index: ShingleIndex,
    threshold: float,
    first: int,
    known: Hashes,
    stamps: Integers,
    found: Integers,
) -> None:
    """Write into `found`, where it is -1, the first of these rows that is similar to each row held.

    The rows given are numbered from `first`; `known` is room for the shingles of one of them, and
    `stamps` holds of each row held the last one that it was compared with.
    """
    for r in range(len(offsets) - 1):
        start, end = offsets[r], offsets[r + 1]
        # A row of n shingles shares at least threshold * n with a similar one, because the union
        # is no smaller than n. Most rows have fewer in the table and are done with here.
        least: Whole = np.int64(np.ceil(threshold * (end - start) - 1e-9))
        count: Whole = 0
        for i in range(start, end):
            v = index.slots[_find_value(index, shingles[i])]
            if v >= 0:
                often = np.uint64(index.starts[v + 1] - index.starts[v])
                known[count] = (often << _COUNT) | np.uint64(v)
                count += 1
            elif end - i - 1 + count < least:
                break
        if count < max(least, 1):
            continue
        # Without `least - 1` of them the others must hold one that is shared: the rarest are asked.
        sort_unique(known, 0, count)
        for i in range(count - least + 1):
            v = np.int64(known[i] & _PLACE)
            for place in range(index.starts[v], index.starts[v + 1]):
                k = index.rows[place]
                if found[k] >= 0 or stamps[k] == first + r:
                    continue
                stamps[k] = first + r
                begin, stop = index.offsets[k], index.offsets[k + 1]
                alike = jaccard_similarity(shingles, start, end, index.shingles, begin, stop)
                if alike >= threshold:
                    found[k] = first + r
