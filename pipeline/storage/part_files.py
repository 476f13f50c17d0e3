"""Part files: rows put aside as Parquet, in order, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.pipeline.storage.compact import compact

ROWS_PER_PART: Final = 250_000
BYTES_PER_PART: Final = 24 * 2**20
COPIED: Final = 8_192
"""Rows below which a frame is copied out of the batch that it was filtered from."""

_MOST_SAMPLED: Final = 1_000_000
"""Rows up to which all are looked through, so that files and workers change no sample."""


Mask = NDArray[np.bool_]
"""Of the rows of some parts, in order, the ones that are meant."""
Reasons = NDArray[np.uint8]
"""Of the rows of some parts, in order, why each is left out: a place in LEFT_OUT, 0 where not."""


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet file of `rows` rows."""

    path: Path
    rows: int


def sample_parts(parts: Sequence[Part], most: int = 8) -> pl.LazyFrame:
    """Return the rows of all parts, or of many a few from all over a run; one must hold rows."""
    filled = [part.path for part in parts if part.rows]
    every = count_rows(parts) <= _MOST_SAMPLED
    few = filled if every else filled[:: max(1, len(filled) // most)][:most]
    return pl.scan_parquet(few, missing_columns="insert", extra_columns="ignore")


class PartWriter:
    """Writes the frames it is given to `folder/<stem>-00000.parquet` and on, in order.

    A file is written as soon as it is full, so that memory stays flat however many rows come.
    Without rows there is no file, or with `even_empty` one that has the columns. Files that are
    not `lasting`, which only this run reads, are quick to write rather than small, and quicker
    still where they are not `packed`. Whoever publishes the files syncs them.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        *,
        rows_per_part: int = ROWS_PER_PART,
        even_empty: bool = False,
        lasting: bool = True,
        packed: bool = True,
    ) -> None:
        self._folder, self._stem, self._limit = folder, stem, rows_per_part
        self._even_empty, self._lasting, self._packed = even_empty, lasting, packed
        self._pending: list[pl.DataFrame] = []
        self._rows = self._bytes = 0
        self._parts: list[Part] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Take the rows of `frame`."""
        if frame.height == 0 and (self._pending or self._parts or not self._even_empty):
            return
        self._pending.append(compact(frame) if frame.height < COPIED else frame)
        self._rows += frame.height
        self._bytes += int(frame.estimated_size())
        if self._rows >= self._limit or self._bytes >= BYTES_PER_PART:
            self._write_part()

    def close(self) -> tuple[Part, ...]:
        """Write what is pending and return all parts in order."""
        if self._pending:
            self._write_part()
        return tuple(self._parts)

    def _write_part(self) -> None:
        frame = pl.concat(self._pending)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._stem}-{len(self._parts):05d}.parquet"
        if self._lasting:
            frame.write_parquet(path, compression="zstd", compression_level=1)
        else:
            codec: Literal["lz4", "uncompressed"] = "lz4" if self._packed else "uncompressed"
            frame.write_parquet(path, compression=codec, statistics=False)
        self._parts.append(Part(path, frame.height))
        self._pending, self._rows, self._bytes = [], 0, 0


def read_parts(parts: Sequence[Part], columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """Yield the frames of `parts` in order."""
    for part in parts:
        yield pl.read_parquet(part.path, columns=columns)


def group_parts(parts: Sequence[Part]) -> Iterator[tuple[Part, ...]]:
    """Yield parts in order, small ones together: a year of days costs few reads then."""
    some: list[Part] = []
    for part in parts:
        if some and count_rows(some) + part.rows > ROWS_PER_PART:
            yield tuple(some)
            some = []
        some.append(part)
    if some:
        yield tuple(some)


def count_rows(parts: Sequence[Part]) -> int:
    """Return how many rows `parts` hold together."""
    return sum(part.rows for part in parts)


def rows_at(
    parts: Sequence[Part], wanted: Mask, columns: list[str] | None = None, *, place: str = "place"
) -> Iterator[pl.DataFrame]:
    """Yield the wanted rows of parts with their place; parts without any are not read.

    Whole rows have columns of people, which may be called `place` too: they need another name.
    """
    start = 0
    for part in parts:
        here = wanted[start : start + part.rows]
        if here.any():
            places = pl.int_range(start, start + part.rows, dtype=pl.Int64, eager=True)
            frame = pl.read_parquet(part.path, columns=columns)
            yield frame.with_columns(places.alias(place)).filter(pl.Series(here))
        start += part.rows
