"""Texts that are similar to any of others: all of them, at the price of the shingles."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.kernels.arrays import to_series
from siftset.signals.kernels.arrow_text import text_bytes
from siftset.signals.kernels.compiled import can_compile, try_kernel
from siftset.signals.near_duplicates.shingles import (
    LEAST_WORDS,
    Shingles,
    compiled_shingles,
    letters_of_words,
    plain_shingles,
)

if TYPE_CHECKING:
    from siftset.signals.near_duplicates.overlap_kernel import ShingleIndex

_BLOCK: Final = 4096
_LOW: Final = np.uint64((1 << 20) - 1)


def first_similar(
    texts: pl.Series, others: pl.Series, threshold: float, *, use_numba: bool | None = None
) -> pl.Series:
    """Give the number of the first of the others that each text is similar to: Int64, or null.

    Similar are texts of ten words and more whose sets of word 3-grams have a Jaccard similarity of
    the threshold or more, as in signals.near_duplicates.finder.
    """
    asked, held = (some.cast(pl.String).fill_null("") for some in (texts, others))
    compiled = can_compile() if use_numba is None else use_numba
    found = try_kernel(lambda: _find_compiled(asked, held, threshold)) if compiled else None
    if found is None:
        found = _find_plain(asked, held, threshold)
    answer = to_series(texts.name, found)
    return answer.set(answer < 0, None)


def _find_compiled(asked: pl.Series, others: pl.Series, threshold: float) -> NDArray[np.int64]:
    from siftset.signals.near_duplicates.overlap_kernel import find_similar

    index = _make_index(compiled_shingles(asked), threshold)
    found, stamps = (np.full(len(asked), -1, np.int64) for _ in range(2))
    for start in range(0, len(others), _BLOCK):
        text = text_bytes(others[start : start + _BLOCK])
        longest = int(np.diff(text.offsets).max(initial=0)) // 2 + 1
        words, room = np.empty((2, longest), np.uint64)
        letters = letters_of_words(text)
        find_similar(
            text, letters, LEAST_WORDS, index, threshold, start, words, room, stamps, found
        )
    return found


def _make_index(held: Shingles, threshold: float) -> ShingleIndex:
    from siftset.signals.near_duplicates.overlap_kernel import ShingleIndex, fill_index

    shingles = held.values[: held.offsets[-1]]
    sizes = np.diff(held.offsets)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    # how often a shingle is there at most: two that share the low bits count as one
    low = (shingles & _LOW).astype(np.int64)
    often = np.bincount(low, minlength=1)[low]
    by_row = np.argsort((rows << 32) | often)
    wanted = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    chosen = by_row[np.arange(len(rows)) - held.offsets[rows] < wanted[rows]]
    order = chosen[np.argsort(shingles[chosen])]
    ordered = shingles[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=~ordered[:1]))
    values = ordered[starts]
    slots = np.full(1 << (2 * len(values)).bit_length(), -1, np.int64)
    bits = np.zeros(max(1, len(slots) // 2), np.uint8)
    starts = np.append(starts, len(ordered)).astype(np.int64)
    index = ShingleIndex(bits, slots, values, starts, rows[order], held.offsets, shingles)
    fill_index(index)
    return index


def _find_plain(asked: pl.Series, others: pl.Series, threshold: float) -> NDArray[np.int64]:
    values, offsets = plain_shingles(asked)
    sizes = np.diff(offsets).tolist()
    rows_of: dict[int, list[int]] = {}
    for row, (begin, end) in enumerate(pairwise(offsets.tolist())):
        for value in values[begin:end].tolist():
            rows_of.setdefault(value, []).append(row)
    found = np.full(len(sizes), -1, np.int64)
    for start in range(0, len(others), _BLOCK):
        values, offsets = plain_shingles(others[start : start + _BLOCK])
        for number, (begin, end) in enumerate(pairwise(offsets.tolist()), start):
            met = [rows_of[v] for v in values[begin:end].tolist() if v in rows_of]
            if len(met) < threshold * (end - begin) - 1e-9:
                continue
            for row, shared in Counter(row for rows in met for row in rows).items():
                alike = shared / (end - begin + sizes[row] - shared)
                if found[row] < 0 and alike >= threshold:
                    found[row] = number
    return found
