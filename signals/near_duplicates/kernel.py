"""Near duplicates, compiled: shingles, band keys and the search among kept rows.

Each function has a twin in numpy_finder that gives the same numbers without numba.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.kernels.arrow_text import TextBytes
from siftset.signals.kernels.bytes_kernel import Bytes, Integers, Whole, decode_point
from siftset.signals.kernels.compiled import compiled_kernel, inlined_kernel
from siftset.signals.near_duplicates.minhash import FIRST, PRIME, SECOND, THIRD, MinHash, mix_hash
from siftset.signals.words.kernel import WORD, Letters

Hashes = NDArray[np.uint64]
ALONE = 8
"""The kind of a character that is a word of its own, beside those of words.kernel."""
_HIGH = np.uint64(32)
_SLOT = np.uint64(33)
"""Entries are met by 31 bits of a key: with a number of 32 they fit into a signed integer."""
_ROW = np.int64((1 << 32) - 1)
_mix = inlined_kernel(mix_hash)


class KeptRows(NamedTuple):
    """The rows kept so far, k = 0, 1, 2...; entry k * bands + j is band j of row k."""

    slots: Integers
    """Hash table: 31 bits of a key above the last entry that has them, -1 in a free slot."""
    following: NDArray[np.int32]
    """The entry before with the same bits, -1 for none."""
    offsets: Integers
    """Row k has shingles[offsets[k] : offsets[k + 1]], in order."""
    shingles: Hashes


@inlined_kernel
def hash_words(data: Bytes, i: Whole, end: Whole, letters: Letters, words: Hashes) -> Whole:
    """Hash the words of a text, case folded; return their number.

    A character of a script that is written without spaces is a word of its own.
    """
    n = 0
    value, power = np.uint64(0), np.uint64(1)
    inside = False
    # One step beyond the end, where nothing is a letter, closes the last word.
    while i <= end:
        point: Whole = 0
        width, kind = 1, 0
        if i < end:
            point, width = decode_point(data, i, end)
            kind = letters.kinds[point] if point < len(letters.kinds) else 0
        i += width
        if inside and kind != WORD:
            words[n] = _mix(value)
            n += 1
            value, power, inside = np.uint64(0), np.uint64(1), False
        if kind == ALONE:
            words[n] = _mix(np.uint64(point))
            n += 1
        elif kind == WORD:
            if point < len(letters.folded):
                point = np.int64(letters.folded[point])
            # The polynomial has its lowest power first, so that numpy's twin can take a word's
            # value from two running sums over all texts; both wrap modulo 2**64.
            value += np.uint64(point) * power
            power *= PRIME
            inside = True
    return n


@inlined_kernel
def mix_shingle(words: Hashes, i: Whole) -> np.uint64:
    """Return the hash of three words in a row, the first of them at i."""
    # Three odd constants, so that the order of the words counts.
    mixed: np.uint64 = _mix(words[i] * FIRST + words[i + 1] * SECOND + words[i + 2] * THIRD)
    return mixed


@inlined_kernel
def sort_unique(values: Hashes, start: Whole, end: Whole) -> Whole:
    """Sort a part of an array (by Shell's method) and drop repeats; return its new end."""
    # A text has tens to hundreds of shingles: Shell's method needs no memory and no recursion,
    # which kernels must not use, and is as fast as a library's sort at that size.
    gap: Whole = 1
    while gap < (end - start) // 3:
        gap = gap * 3 + 1
    while gap > 0:
        for i in range(start + gap, end):
            value = values[i]
            j: Whole = i
            while j >= start + gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3
    last: Whole = start
    for i in range(start + 1, end):
        if values[i] != values[last]:
            last += 1
            values[last] = values[i]
    return min(last + 1, end)


@compiled_kernel
def hash_shingles(
    text: TextBytes,
    letters: Letters,
    least: int,
    words: Hashes,
    offsets: Integers,
    shingles: Hashes,
) -> None:
    """Write the distinct shingles of each text in order; none for texts of less than `least`."""
    end: Whole = 0
    offsets[0] = 0
    for r in range(len(text.offsets) - 1):
        n = hash_words(text.data, text.offsets[r], text.offsets[r + 1], letters, words)
        start = end
        if n >= least:
            for i in range(n - 2):
                shingles[end] = mix_shingle(words, i)
                end += 1
            end = sort_unique(shingles, start, end)
        offsets[r + 1] = end


@inlined_kernel
def _band_key(shingles: Hashes, start: Whole, end: Whole, band: Whole, made: MinHash) -> np.uint64:
    """Return the key of one band of a row."""
    size = len(made.factors) // made.bands
    key = np.uint64(band + 1)
    for p in range(band * size, (band + 1) * size):
        # value * factor + term with an odd factor is a permutation of the 64-bit numbers, so the
        # least value falls on each shingle with the same chance, which is what MinHash needs.
        factor, term = made.factors[p], made.terms[p]
        least = ~np.uint64(0)
        for i in range(start, end):
            least = min(least, shingles[i] * factor + term)
        # The low bits of a product modulo 2**64 depend on few bits of the value; the high ones on
        # all.
        key = _mix(key ^ (least >> _HIGH))
    return key


@compiled_kernel
def band_keys(shingles: Hashes, offsets: Integers, made: MinHash, keys: Hashes) -> None:
    """Write the key of each band of each row's MinHash signature."""
    for r in range(len(offsets) - 1):
        if offsets[r] == offsets[r + 1]:
            continue
        for band in range(made.bands):
            keys[r, band] = _band_key(shingles, offsets[r], offsets[r + 1], band, made)


@inlined_kernel
def _find_slot(slots: Integers, key: Whole) -> Whole:
    """Find the slot of a key, or the free one where it belongs."""
    mask = len(slots) - 1
    # Knuth's multiplicative hash; then linear probing, whose neighbours lie in one cache line.
    slot: Whole = (key * 2654435761) & mask
    while slots[slot] >= 0 and slots[slot] >> 32 != key:
        slot = (slot + 1) & mask
    return slot


@compiled_kernel
def move_slots(old: Integers, new: Integers) -> None:
    """Put what one hash table holds into a larger one."""
    for i in range(len(old)):
        if old[i] >= 0:
            new[_find_slot(new, old[i] >> 32)] = old[i]


@inlined_kernel
def jaccard_similarity(
    a: Hashes, i: Whole, a_end: Whole, b: Hashes, j: Whole, b_end: Whole
) -> float:
    """Return the Jaccard similarity of two sorted parts."""
    total, shared = a_end - i + b_end - j, 0
    while i < a_end and j < b_end:
        left, right = a[i], b[j]
        shared += left == right
        i += left <= right
        j += right <= left
    return shared / (total - shared)


@inlined_kernel
def _keep_row(
    kept: KeptRows, k: Whole, keys: Hashes, shingles: Hashes, start: Whole, end: Whole
) -> None:
    """Add a row to those kept, as row k."""
    bands = len(keys)
    for band in range(bands):
        key = np.int64(keys[band] >> _SLOT)
        slot = _find_slot(kept.slots, key)
        # Entries of one key form a list from the latest to the first: the slot names the latest.
        entry = k * bands + band
        before = kept.slots[slot]
        kept.following[entry] = before & _ROW if before >= 0 else -1
        kept.slots[slot] = (key << 32) | entry
    place = kept.offsets[k]
    for i in range(start, end):
        kept.shingles[place + i - start] = shingles[i]
    kept.offsets[k + 1] = place + end - start


@compiled_kernel
def match_rows(
    shingles: Hashes,
    offsets: Integers,
    keys: Hashes,
    made: MinHash,
    kept: KeptRows,
    counts: Integers,
    stamps: Integers,
    threshold: float,
    found: Integers,
) -> None:
    """Match each row in order with those kept that share a key, and keep the others.

    counts holds the number of kept rows and that of rows met, both of which grow; found gets the
    kept row that each row repeats, -1 where it was kept, -2 where it has no shingles. A threshold
    above 1 keeps all.
    """
    for r in range(len(offsets) - 1):
        start, end = offsets[r], offsets[r + 1]
        counts[1] += 1
        found[r] = -2
        if start == end:
            continue
        # The keeper is the first similar row, so once one is found only earlier rows are looked at.
        best = counts[0]
        for band in range(made.bands):
            entry = kept.slots[_find_slot(kept.slots, np.int64(keys[r, band] >> _SLOT))]
            entry = entry & _ROW if entry >= 0 else -1
            while entry >= 0:
                k = entry // made.bands
                # Two rows may share several bands: the stamp says that this pair was compared
                # already.
                if k < best and stamps[k] != counts[1]:
                    stamps[k] = counts[1]
                    begin, stop = kept.offsets[k], kept.offsets[k + 1]
                    alike = jaccard_similarity(shingles, start, end, kept.shingles, begin, stop)
                    # A slot holds 31 of a key's 64 bits. Only pairs that are similar anyway are
                    # asked for the rest, so that the answers are those of the numpy twin, which
                    # compares whole keys.
                    if alike >= threshold:
                        theirs = _band_key(kept.shingles, begin, stop, entry % made.bands, made)
                        if theirs == keys[r, band]:
                            best = k
                        else:  # they share 31 bits by chance, and may share a key elsewhere
                            stamps[k] = 0
                entry = kept.following[entry]
        found[r] = best if best < counts[0] else -1
        if best == counts[0]:
            _keep_row(kept, counts[0], keys[r], shingles, start, end)
            counts[0] += 1
