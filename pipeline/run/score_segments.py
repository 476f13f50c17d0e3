"""Answers in memory, sorted by the hash of their rows, and the segments that hold them on disk.

A segment is a Parquet file whose name ends with a hash of its bytes, so that a file that was cut
short or altered is known before anything in it is believed, and needs no syncing when written.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.evaluation.bodies import Codes, Scores
from siftset.signals.evaluation.score_cache import RowKeys
from siftset.signals.kernels.arrays import to_series

ENDING: Final = ".parquet"
DRAFT: Final = ".part"
_SEARCHED: Final = 8
"""Sorted runs above which two are merged although they differ in size."""


class SortedAnswers(NamedTuple):
    """Answers sorted by key; equal keys may repeat."""

    key: NDArray[np.uint64]
    check: NDArray[np.uint32]
    answer: Codes | Scores

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.key.size)

    def first(self, rows: int) -> SortedAnswers:
        """The first so many of them."""
        return SortedAnswers(self.key[:rows], self.check[:rows], self.answer[:rows])


def sort_answers(keys: RowKeys, answers: Codes | Scores) -> SortedAnswers:
    """Sort answers by key."""
    order = np.argsort(keys.key)
    return SortedAnswers(keys.key[order], keys.check[order], answers[order])


def merge_answers(runs: tuple[SortedAnswers, ...]) -> SortedAnswers:
    """Make one run of several, each row in it once."""
    key = np.concatenate([run.key for run in runs])
    order = np.argsort(key, kind="stable")
    key = key[order]
    check = np.concatenate([run.check for run in runs])[order]
    answer = np.concatenate([run.answer for run in runs])[order]
    again = np.zeros(key.size, bool)
    again[1:] = (key[1:] == key[:-1]) & (check[1:] == check[:-1])
    if not again.any():
        return SortedAnswers(key, check, answer)
    return SortedAnswers(key[~again], check[~again], answer[~again])


def push_answers(runs: tuple[SortedAnswers, ...], new: SortedAnswers) -> tuple[SortedAnswers, ...]:
    """Add a run; runs of similar size become one, so that few are searched."""
    runs = (*runs, new)
    while len(runs) > 1 and (2 * runs[-1].rows > runs[-2].rows or len(runs) > _SEARCHED):
        runs = (*runs[:-2], merge_answers(runs[-2:]))
    return runs


def search_answers(
    runs: tuple[SortedAnswers, ...], keys: RowKeys, dtype: np.dtype[np.generic]
) -> tuple[NDArray[np.bool_], Codes | Scores]:
    """Say which rows are in the runs, and give the answers of all, meaningless for the others."""
    order = np.argsort(keys.key)
    key, check = keys.key[order], keys.check[order]
    known, answers = np.zeros(key.size, bool), np.zeros(key.size, dtype)
    for run in runs:
        if not run.rows:
            continue
        place = np.minimum(np.searchsorted(run.key, key), run.rows - 1)
        hit = (run.key[place] == key) & (run.check[place] == check)
        answers[hit] = run.answer[place[hit]]
        known |= hit
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    return known[back], answers[back]


class BadSegment(Exception):  # noqa: N818
    """A segment cannot be believed."""


def write_segment(folder: Path, answers: SortedAnswers) -> Path:
    """Write a segment that appears whole or not at all; later ones sort after earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{os.getpid()}-{secrets.token_hex(4)}{DRAFT}"
    try:
        columns = [to_series(name, held) for name, held in answers._asdict().items()]
        pl.DataFrame(columns).write_parquet(draft, compression_level=1)
        name = f"{time.time_ns():016x}-{_checksum(draft.read_bytes())}{ENDING}"
        return draft.replace(folder / name)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def read_segment(path: Path, dtype: np.dtype[np.generic]) -> SortedAnswers:
    """Read a segment of answers of one type; raises BadSegment, or OSError where it is gone."""
    data = path.read_bytes()
    if path.stem.rpartition("-")[2] != _checksum(data):
        raise BadSegment("its bytes are not those that were written")
    try:
        frame = pl.read_parquet(data)
        found = SortedAnswers(*(frame[name].to_numpy() for name in SortedAnswers._fields))
    except pl.exceptions.PolarsError as error:
        raise BadSegment(str(error).partition("\n")[0]) from error
    if [part.dtype for part in found] != [np.uint64, np.uint32, dtype]:
        raise BadSegment("its columns have other types")
    return found


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
