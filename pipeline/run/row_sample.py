"""A seeded sample of the rows as they pass, for the profile and the analysis."""

from __future__ import annotations

from typing import Final

import polars as pl

from siftset.pipeline.storage.compact import compact

SAMPLE_ROWS: Final = 20_000


class SeededSample:
    """Keeps about `rows` of all the rows read, chosen by row_id, whatever the batches."""

    def __init__(self, records: int, *, rows: int = SAMPLE_ROWS) -> None:
        share = min(1.0, rows / max(records, 1))
        self._below = None if share >= 1 else f"{int(share * 16**12):012x}"
        self._frames: list[pl.DataFrame] = []

    def read(self, frame: pl.DataFrame) -> None:
        """See rows as they were read."""
        chosen = frame if self._below is None else frame.filter(pl.col("row_id") < self._below)
        if chosen.height:
            self._frames.append(compact(chosen))

    @property
    def frames(self) -> tuple[pl.DataFrame, ...]:
        """The rows kept so far, in order."""
        return tuple(self._frames)
