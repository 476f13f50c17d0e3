"""Near duplicates by numpy: shingles, band keys and the search, equal to those of
signals.near_duplicates.kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.near_duplicates.minhash import FIRST, PRIME, SECOND, THIRD, MinHash, mix_hash

Hashes = NDArray[np.uint64]
Integers = NDArray[np.int64]

_INVERSE = np.uint64(pow(int(PRIME), -1, 2**64))
_HIGH = np.uint64(32)


class WordLetters(NamedTuple):
    """What makes words, by code point."""

    words: NDArray[np.bool_]
    """Whether it is a word character."""
    alone: NDArray[np.bool_]
    """Whether it is a word of its own, as in scripts that are written without spaces."""
    folded: NDArray[np.int32]
    """What it folds to; what lies beyond stays."""


def hash_shingles(
    texts: Sequence[str], letters: WordLetters, least: int
) -> tuple[Hashes, Integers]:
    """Return the distinct shingles of all texts, in order within each, and where each begins."""
    hashes, rows = _hash_words(texts, letters)
    # Three neighbouring words make a shingle where all three are of one text.
    enough = np.bincount(rows, minlength=len(texts)) >= least
    inside = (rows[2:] == rows[:-2]) & enough[rows[2:]]
    mixed = hashes[:-2] * FIRST + hashes[1:-1] * SECOND + hashes[2:] * THIRD
    shingles, rows = mix_all(mixed[inside]), rows[2:][inside]
    order = np.lexsort((shingles, rows))
    shingles, rows = shingles[order], rows[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (shingles[1:] != shingles[:-1]) | (rows[1:] != rows[:-1])
    counts = np.bincount(rows[new], minlength=len(texts))
    return shingles[new], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _hash_words(texts: Sequence[str], letters: WordLetters) -> tuple[Hashes, Integers]:
    """Hash each word of all texts by differences of one running sum; return their rows too."""
    # All texts as one run of code points; a line end, which is no letter, keeps their words apart.
    joined = "\n".join([*texts, ""])
    points = np.frombuffer(joined.encode("utf-32-le"), "<u4").astype(np.int64)
    is_word = np.concatenate([[False], letters.words[points], [False]])
    alone = np.concatenate([[False], letters.alone[points], [False]])
    # between any two characters a word may end and another begin
    parted = alone[1:] | alone[:-1]
    starts = np.flatnonzero(is_word[1:] & (~is_word[:-1] | parted))
    ends = np.flatnonzero(is_word[:-1] & (~is_word[1:] | parted))
    folds = points < len(letters.folded)
    points[folds] = letters.folded[points[folds]]
    # The value of a word is the difference of two running sums, divided by the power at its start;
    # the prime is odd, so that it has an inverse modulo 2**64 and the division is exact.
    powers = np.full(len(points) + 1, PRIME)
    powers[0] = 1
    powers = np.cumprod(powers, dtype=np.uint64)
    inverses = np.full(len(points) + 1, _INVERSE)
    inverses[0] = 1
    inverses = np.cumprod(inverses, dtype=np.uint64)
    sums = np.zeros(len(points) + 1, np.uint64)
    np.cumsum(points.astype(np.uint64) * powers[:-1], out=sums[1:])
    hashes = mix_all((sums[ends] - sums[starts]) * inverses[starts])
    limits = np.cumsum([len(text) + 1 for text in texts])
    return hashes, np.searchsorted(limits, starts, side="right")


def band_keys(shingles: Hashes, offsets: Integers, made: MinHash, keys: Hashes) -> None:
    """Write the key of each band of each row's MinHash signature."""
    size = len(made.factors) // made.bands
    filled = np.flatnonzero(np.diff(offsets))
    if not len(filled):
        return
    for band in range(made.bands):
        key = np.full(len(filled), band + 1, np.uint64)
        for p in range(band * size, (band + 1) * size):
            least = np.minimum.reduceat(shingles * made.factors[p] + made.terms[p], offsets[filled])
            key = mix_all(key ^ (least >> _HIGH))
        keys[filled, band] = key


def mix_all(values: Hashes) -> Hashes:
    """Mix each hash of an array."""
    mixed: Hashes = mix_hash(values)  # type: ignore[arg-type, assignment]
    return mixed


class NumpySearch:
    """The rows kept so far, by the keys of their bands."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._rows_of: dict[int, list[int]] = {}
        self._shingles: list[Hashes] = []

    def match(
        self, shingles: Hashes, offsets: Integers, keys: Hashes, *, keep_all: bool
    ) -> Integers:
        """Return the kept row that each row repeats, -1 where kept, -2 where without shingles."""
        found = np.full(len(offsets) - 1, -2, np.int64)
        for r in np.flatnonzero(np.diff(offsets)).tolist():
            own, bands = shingles[offsets[r] : offsets[r + 1]], keys[r].tolist()
            found[r] = -1 if keep_all else self._first_similar(own, bands)
            if found[r] == -1:
                for key in bands:
                    self._rows_of.setdefault(key, []).append(len(self._shingles))
                self._shingles.append(own.copy())
        return found

    def _first_similar(self, own: Hashes, bands: list[int]) -> int:
        """Return the first kept row that is similar enough, -1 where there is none."""
        candidates = {row for key in bands for row in self._rows_of.get(key, ())}
        for row in sorted(candidates):
            other = self._shingles[row]
            shared = len(np.intersect1d(own, other, assume_unique=True))
            if shared / (len(own) + len(other) - shared) >= self._threshold:
                return row
        return -1
