"""Rows of a split, batch by batch, with a seeded sample where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.schemas.errors import TrainingError

READ_AT_ONCE = 4096
"""Rows that are tokenized together."""


def scan_files(files: Sequence[Path]) -> pl.LazyFrame:
    """Return the rows of a split's Parquet files, in order."""
    return pl.scan_parquet(list(files))


def columns_of(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of the columns (all files of a split have those of its first)."""
    return tuple(scan_files(files[:1]).collect_schema().names())


def count_rows(files: Sequence[Path]) -> int:
    """Return the number of rows."""
    return sum(int(scan_files([path]).select(pl.len()).collect().item()) for path in files)


def choose_sample(n: int, sample: int | None, seed: int) -> NDArray[np.bool_]:
    """Return which of n rows are in the seeded sample."""
    chosen = np.ones(n, dtype=np.bool_)
    if sample is not None and sample < n:
        order = np.random.Generator(np.random.PCG64([seed, 77])).permutation(n)
        chosen[order[sample:]] = False
    return chosen


def read_frames(
    files: Sequence[Path], columns: Sequence[str], *, sample: int | None, seed: int
) -> Iterator[pl.DataFrame]:
    """Yield rows of some columns; a missing column is a TrainingError."""
    import pyarrow.parquet as pq

    missing = [name for name in columns if name not in columns_of(files)]
    if missing:
        raise TrainingError(
            f"the set has no column '{missing[0]}' (it has {', '.join(columns_of(files))}): map "
            "it in the recipe's source or prepare section"
        )
    chosen = choose_sample(count_rows(files), sample, seed)
    start = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(READ_AT_ONCE, columns=list(dict.fromkeys(columns))):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                keep = pl.Series(chosen[start : start + frame.height])
                start += frame.height
                if keep.any():
                    yield frame.filter(keep)
