"""How many earlier records of a file are equal to each record, without holding the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.pipeline.sources.row_ids import Hashes
from siftset.signals.kernels.arrays import to_series

Counts = NDArray[np.int64]
Earlier = Mapping[int, int]


class OccurrenceCounter:
    """Counts equal hashes in the order they are given; 9 bytes and a few bits a record.

    A table of marks tells in one look that a hash is new, which nearly all are; only the others
    are searched for in the sorted runs, which are merged as they grow.
    """

    def __init__(self, earlier: Earlier | None = None) -> None:
        self._runs: list[Hashes] = []
        self._marks = np.zeros(1 << 20, dtype=np.bool_)
        self._total = 0
        self._earlier = earlier or {}

    def count(self, hashes: Hashes) -> Counts:
        """Return for each hash how often it was given before, within this call too."""
        counts = _rank_repeats(hashes)
        marked = np.flatnonzero(self._marks[self._mark_places(hashes)])
        if len(marked):
            sought = hashes[marked]
            for run in self._runs:
                found = np.searchsorted(run, sought, "right") - np.searchsorted(run, sought)
                counts[marked] += found
        if self._earlier:
            keys = pl.Series(list(self._earlier), dtype=pl.UInt64)
            known = pl.Series(list(self._earlier.values()), dtype=pl.Int64)
            before = to_series("hash", hashes).replace_strict(
                keys, known, default=0, return_dtype=pl.Int64
            )
            counts += before.to_numpy()
        self._runs.append(np.sort(hashes))
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")
        self._total += len(hashes)
        if self._total * 8 > len(self._marks):
            self._marks = np.zeros(len(self._marks) * 8, dtype=np.bool_)
            for run in self._runs:
                self._marks[self._mark_places(run)] = True
        self._marks[self._mark_places(hashes)] = True
        return counts

    def _mark_places(self, hashes: Hashes) -> NDArray[np.intp]:
        return (hashes & np.uint64(len(self._marks) - 1)).astype(np.intp)


def earlier_in_parts(parts: Iterable[Hashes]) -> tuple[Earlier, ...]:
    """Return for every part the hashes that earlier parts hold too, with their number there."""
    tallies = [np.unique(part, return_counts=True) for part in parts]
    if not tallies:
        return ()
    every = np.sort(np.concatenate([values for values, _ in tallies]), kind="stable")
    shared = np.unique(every[1:][every[1:] == every[:-1]])
    running: dict[int, int] = {}
    found: list[Earlier] = []
    for values, counts in tallies:
        here = np.isin(values, shared, assume_unique=True)
        mine = dict(zip(values[here].tolist(), counts[here].tolist(), strict=True))
        found.append({value: running[value] for value in mine if value in running})
        for value, count in mine.items():
            running[value] = running.get(value, 0) + count
    return tuple(found)


def _rank_repeats(hashes: Hashes) -> Counts:
    ranks = np.zeros(len(hashes), dtype=np.int64)
    if to_series("hash", hashes).n_unique() == len(hashes):
        return ranks
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    lengths = np.diff(np.append(starts, len(hashes)))
    ranks[order] = np.arange(len(hashes)) - np.repeat(starts, lengths)
    return ranks
