"""Which of some rows is similar to any of others, compiled: every pair is found.

The rows asked about are few beside the others, so they are what is held: by shingle, in a table
that fits into the processor's cache. The twin is in signals.near_duplicates.similar_rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.kernels.arrow_text import TextBytes
from siftset.signals.kernels.bytes_kernel import Bytes, Integers, Whole
from siftset.signals.kernels.compiled import compiled_kernel, inlined_kernel
from siftset.signals.near_duplicates.kernel import (
    hash_words,
    mix_shingle,
    sort_unique,
)
from siftset.signals.words.kernel import Letters

Hashes = NDArray[np.uint64]
_BITS, _BIT = np.uint64(3), np.uint64(7)


class ShingleIndex(NamedTuple):
    """Rows by some of their shingles: those of values[v] are rows[starts[v] : starts[v + 1]].

    A row of n shingles shares at least threshold * n with a similar text, because the union is no
    smaller than n. So it is enough to know so many of them that one must be shared: the rarest.
    """

    bits: Bytes
    """A bit for the low end of each value, eleven or more to one value: most strange ones miss."""
    slots: Integers
    """Hash table: the place of a value, -1 in a free slot; at most half full."""
    values: Hashes
    starts: Integers
    rows: Integers
    offsets: Integers
    """Row k has shingles[offsets[k] : offsets[k + 1]] in all, in order."""
    shingles: Hashes


@inlined_kernel
def _find_value(index: ShingleIndex, value: np.uint64) -> Whole:
    """Find the slot of a shingle, or the free one where it belongs."""
    mask = np.uint64(len(index.slots) - 1)
    slot = value & mask
    while index.slots[slot] >= 0 and index.values[index.slots[slot]] != value:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@inlined_kernel
def _find_place(index: ShingleIndex, value: np.uint64) -> Whole:
    """Return the place of a shingle, -1 for one that no row has."""
    at = (value >> _BITS) & np.uint64(len(index.bits) - 1)
    if not (index.bits[at] >> np.uint8(value & _BIT)) & 1:
        return -1
    place: Whole = index.slots[_find_value(index, value)]
    return place


@compiled_kernel
def fill_index(index: ShingleIndex) -> None:
    """Put the values into their slots."""
    for v in range(len(index.values)):
        value = index.values[v]
        index.slots[_find_value(index, value)] = v
        at = (value >> _BITS) & np.uint64(len(index.bits) - 1)
        index.bits[at] |= np.uint8(1 << (value & _BIT))


@inlined_kernel
def _is_similar(
    a: Hashes, a_end: Whole, b: Hashes, j: Whole, b_end: Whole, threshold: float
) -> bool:
    """Tell whether the Jaccard similarity of two sorted parts, one at the start, reaches it."""
    total = a_end + b_end - j
    # J = s / (total - s) reaches t where s reaches t / (1 + t) * total: each shingle that only one
    # side has is one of those that may be missing.
    left: Whole = total - 2 * np.int64(np.ceil(threshold / (1 + threshold) * total - 1e-9))
    longer = a_end - (b_end - j)
    if left < longer or left < -longer:
        return False
    i: Whole = 0
    shared: Whole = 0
    while i < a_end and j < b_end:
        one, other = a[i], b[j]
        same = one == other
        shared += same
        left -= not same
        if left < 0:
            return False
        i += one <= other
        j += other <= one
    return shared / (total - shared) >= threshold


@compiled_kernel
def find_similar(
    text: TextBytes,
    letters: Letters,
    least_words: int,
    index: ShingleIndex,
    threshold: float,
    first: int,
    words: Hashes,
    shingles: Hashes,
    stamps: Integers,
    found: Integers,
) -> None:
    """Write into `found`, where it is -1, the first of these texts that is similar to each row.

    The texts given are numbered from `first`; `words` and `shingles` are room for those of one of
    them, and `stamps` holds of each row the last one that it was compared with.
    """
    for r in range(len(text.offsets) - 1):
        n = hash_words(text.data, text.offsets[r], text.offsets[r + 1], letters, words)
        if n < least_words:
            continue
        end: Whole = 0
        for i in range(n - 2):
            v = _find_place(index, mix_shingle(words, i))
            if v < 0:
                continue
            for place in range(index.starts[v], index.starts[v + 1]):
                k = index.rows[place]
                if found[k] >= 0 or stamps[k] == first + r:
                    continue
                stamps[k] = first + r
                if end == 0:  # most texts meet no row, and need not be sorted
                    for j in range(n - 2):
                        shingles[j] = mix_shingle(words, j)
                    end = sort_unique(shingles, 0, n - 2)
                begin, stop = index.offsets[k], index.offsets[k + 1]
                if _is_similar(shingles, end, index.shingles, begin, stop, threshold):
                    found[k] = first + r
