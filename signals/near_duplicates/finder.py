"""Near duplicates: texts that share most of their runs of three words with an earlier kept text.

A text repeats a kept one if the Jaccard similarity of their sets of word 3-grams (case folded,
punctuation left out) is at least the threshold. A character of a script that is written without
spaces, such as Chinese, Japanese and Thai, counts as a word. Candidates come from MinHash (Broder
1997) in bands: texts that share the 64-bit key of one. Each is verified, so that no pair is wrong;
a pair at the threshold is found with a chance of 99.5 %, one above it with a greater. A text that
repeats another keeps none away: no chains.
"""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.kernels.arrays import to_series
from siftset.signals.kernels.compiled import can_compile, try_kernel
from siftset.signals.near_duplicates.minhash import MinHash, min_hash
from siftset.signals.near_duplicates.numpy_finder import NumpySearch, band_keys
from siftset.signals.near_duplicates.shingles import compiled_shingles, plain_shingles

Hashes = NDArray[np.uint64]
Integers = NDArray[np.int64]
Item = TypeVar("Item", bound=np.generic)

_BLOCK: Final = 4096
_ALL: Final = 2.0
_NO_KEYS: Final = pl.DataFrame(schema={"row": pl.Int64, "key": pl.UInt64})


class KeyedShingles(NamedTuple):
    """The shingles of texts, in order within each, where each text's begin, its bands' keys."""

    shingles: Hashes
    offsets: Integers
    keys: Hashes


def near_duplicates(
    blocks: Iterable[pl.Series], *, threshold: float, seed: int = 0
) -> Iterator[pl.Series]:
    """Give, block by block, the number of the earlier kept row that each row repeats, or null.

    Rows are numbered from 0 across the blocks; the keeper is the first of those that are similar.
    """
    found = NearDuplicates(threshold, seed=seed)
    for block in blocks:
        yield found.add(block)


def keys_of_bands(
    texts: pl.Series, threshold: float, *, seed: int = 0, use_numba: bool | None = None
) -> pl.DataFrame:
    """Return row and key of every band of each text that has enough words, in order of the rows.

    NearDuplicates with this threshold and seed compares only texts that share a key. A text has
    signals.near_duplicates.minhash.band_shape(threshold)[0] keys.
    """
    made, found = min_hash(threshold, seed), [_NO_KEYS]
    compiled = can_compile() if use_numba is None else use_numba
    for start in range(0, len(texts), _BLOCK):
        block = _fill_nulls(texts[start : start + _BLOCK])
        keyed = try_kernel(lambda: _compiled_keys(block, made)) if compiled else None  # noqa: B023
        keyed = _plain_keys(block, made) if keyed is None else keyed
        rows = np.flatnonzero(np.diff(keyed.offsets))
        keys = keyed.keys[rows].ravel()
        found.append(pl.DataFrame({"row": np.repeat(rows + start, made.bands), "key": keys}))
    return pl.concat(found)


class NearDuplicates:
    """Remembers the kept rows; texts come in blocks, in the order that decides who is kept.

    Each kept row takes at most 26 bytes of memory for each band (14 bands at a threshold of 0.9, 42
    at 0.5); its shingles lie in a temporary file, without numba in memory. The seed draws the
    permutations of MinHash: with another one the few pairs that are missed are others.
    """

    def __init__(self, threshold: float, *, seed: int = 0, use_numba: bool | None = None) -> None:
        compiled = can_compile() if use_numba is None else use_numba
        make = _Compiled if compiled else _Plain
        self._finder: _Compiled | _Plain = make(threshold, min_hash(threshold, seed))
        self._numbers: list[Integers] = []
        self._kept = np.empty(0, np.int64)
        self._met = 0

    @property
    def kept(self) -> int:
        """The number of rows that later ones are compared with."""
        return len(self._kept) + sum(map(len, self._numbers))

    def add(self, texts: pl.Series) -> pl.Series:
        """Give the number of the earlier kept row that each row repeats: Int64, null for none."""
        return self._match_texts(texts, keep_all=False)

    def seed_with(self, texts: pl.Series) -> None:
        """Keep all of these texts, which are published already, and number them as the others."""
        self._match_texts(texts, keep_all=True)

    def _match_texts(self, texts: pl.Series, *, keep_all: bool) -> pl.Series:
        found = np.empty(len(texts), np.int64)
        for start in range(0, len(texts), _BLOCK):
            part = self._find_kept(_fill_nulls(texts[start : start + _BLOCK]), keep_all=keep_all)
            self._numbers.append(np.flatnonzero(part == -1) + self._met)
            self._met += len(part)
            repeats = part >= 0
            # Kernels number kept rows 0, 1, 2...; callers number all rows. Joining the arrays costs
            # in proportion to what was kept, so it waits until a number must be translated.
            if repeats.any():
                self._kept = np.concatenate([self._kept, *self._numbers])
                self._numbers = []
                part[repeats] = self._kept[part[repeats]]
            found[start : start + _BLOCK] = part
        answer = to_series(texts.name, found)
        return answer.set(to_series("new", found < 0), None)

    def _find_kept(self, texts: pl.Series, *, keep_all: bool) -> Integers:
        if isinstance(finder := self._finder, _Compiled):
            found = try_kernel(lambda: finder.match_block(texts, keep_all=keep_all))
            if found is not None:
                return found
            # The kernel failed midway: the plain finder goes on from the rows that were kept.
            self._finder = finder.to_plain()
        return self._finder.match_block(texts, keep_all=keep_all)


class _Plain:
    """Finds the kept row that each row repeats: -1 where it is kept, -2 where it is too short."""

    def __init__(self, threshold: float, made: MinHash) -> None:
        self._made, self.search = made, NumpySearch(threshold)

    def match_block(self, texts: pl.Series, *, keep_all: bool) -> Integers:
        return self.search.match(*_plain_keys(texts, self._made), keep_all=keep_all)


class _Compiled:
    """Does the same by kernels."""

    def __init__(self, threshold: float, made: MinHash) -> None:
        from siftset.signals.near_duplicates.kernel import KeptRows

        self._threshold, self._made = threshold, made
        self._counts = np.zeros(2, np.int64)
        self._held = 0
        self._stamps = np.zeros(0, np.int64)
        self._file = tempfile.TemporaryFile(prefix="siftset-near-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._kept = KeptRows(
            np.full(1024, -1, np.int64),
            np.empty(0, np.int32),
            np.zeros(1, np.int64),
            np.empty(0, np.uint64),
        )

    def match_block(self, texts: pl.Series, *, keep_all: bool) -> Integers:
        from siftset.signals.near_duplicates.kernel import match_rows

        shingles, offsets, keys = _compiled_keys(texts, self._made)
        found = np.empty(len(texts), np.int64)
        self._reserve_room(len(texts), int(offsets[-1]))
        state = self._kept, self._counts, self._stamps
        threshold = _ALL if keep_all else self._threshold
        match_rows(shingles, offsets, keys, self._made, *state, threshold, found)
        self._held = int(self._counts[0])
        return found

    def to_plain(self) -> _Plain:
        """Give a plain finder that has kept the same rows, but for those of a call that failed."""
        offsets = self._kept.offsets[: self._held + 1]
        shingles = self._kept.shingles[: int(offsets[-1])]
        keys = np.zeros((self._held, self._made.bands), np.uint64)
        band_keys(shingles, offsets, self._made, keys)
        plain = _Plain(self._threshold, self._made)
        plain.search.match(shingles, offsets, keys, keep_all=True)
        return plain

    def _reserve_room(self, rows: int, shingles: int) -> None:
        """Make room for a block of which every row may be kept."""
        kept, count = self._kept, int(self._counts[0])
        held = int(kept.offsets[count])
        rows = _grow_size(len(kept.offsets) - 1, count + rows)
        if rows > len(kept.offsets) - 1:
            from siftset.signals.near_duplicates.kernel import move_slots

            entries = rows * self._made.bands
            if entries >= 2**31:
                raise MemoryError(f"{entries:,} entries of near duplicates are more than 2**31")
            # at most three quarters full
            slots = np.full(1 << (entries * 4 // 3).bit_length(), -1, np.int64)
            move_slots(kept.slots, slots)
            self._stamps = _lengthen_array(self._stamps, rows)
            kept = kept._replace(
                slots=slots,
                following=_lengthen_array(kept.following, rows * self._made.bands),
                offsets=_lengthen_array(kept.offsets, rows + 1),
            )
        size = _grow_size(len(kept.shingles), held + shingles)
        if size > len(kept.shingles):
            self._file.truncate(size * 8)
            # mapped, so that the system may take the memory back
            room = mmap.mmap(self._file.fileno(), size * 8)
            kept = kept._replace(shingles=np.frombuffer(room, np.uint64))
        self._kept = kept


def _fill_nulls(texts: pl.Series) -> pl.Series:
    return texts.cast(pl.String).fill_null("")


def _plain_keys(texts: pl.Series, made: MinHash) -> KeyedShingles:
    shingles, offsets = plain_shingles(texts)
    keys = np.zeros((len(texts), made.bands), np.uint64)
    band_keys(shingles, offsets, made, keys)
    return KeyedShingles(shingles, offsets, keys)


def _compiled_keys(texts: pl.Series, made: MinHash) -> KeyedShingles:
    from siftset.signals.near_duplicates import kernel

    shingles, offsets = compiled_shingles(texts)
    keys = np.zeros((len(texts), made.bands), np.uint64)
    kernel.band_keys(shingles, offsets, made, keys)
    return KeyedShingles(shingles, offsets, keys)


def _grow_size(have: int, need: int) -> int:
    """Return what to make room for: the double, where there is too little."""
    return have if need <= have else max(need, 2 * have)


def _lengthen_array(array: NDArray[Item], size: int) -> NDArray[Item]:
    """Copy an array into a longer one."""
    longer = np.zeros(size, array.dtype)
    longer[: len(array)] = array
    return longer
