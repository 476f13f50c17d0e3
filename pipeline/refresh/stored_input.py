"""Rows whose input is gone, read from where a refresh kept them as if they were an input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Final

import polars as pl

from siftset.pipeline.decisions.table import restore_records
from siftset.pipeline.sources.assemble import SourcePlan
from siftset.pipeline.sources.batch import BATCH_ROWS, UNREADABLE, Batch
from siftset.pipeline.sources.row_ids import content_hashes
from siftset.pipeline.sources.types import fit_columns
from siftset.pipeline.storage.part_files import Part
from siftset.schemas.results.columns import SOURCE

_OWN: Final = ("row_id", "source")


@dataclass(frozen=True, slots=True)
class StoredShard:
    """Rows that were kept of an input that is gone, brought into the schema of today."""

    name: str
    key: str
    schema: pl.Schema
    rows: tuple[Part, ...]
    ids: tuple[Part, ...] = ()
    limit: int | None = None
    plan: SourcePlan | None = None
    """How the source is read today, where it joins a file."""
    by_hand: frozenset[str] = frozenset()
    """Ids of rows that somebody changed: where `ids` are lost, what their records said is too."""

    def is_outdated(self) -> bool:
        """Return whether the joined file says something else of these rows than they hold."""
        plan = self.plan
        if plan is None or plan.joined is None or not self.rows:
            return False
        frames = (fit_columns(frame, self._read_types()) for frame in self._read_frames())
        return not all(plan.rejoin(frame).equals(frame) for frame in frames)

    @property
    def fingerprint(self) -> str:
        """Return a hash of the rows."""
        return f"stored {self.key} {self.limit}"

    @property
    def records(self) -> int:
        """Return how many rows there are."""
        rows = sum(part.rows for part in self.rows)
        return rows if self.limit is None else min(rows, self.limit)

    def take_first(self, limit: int) -> StoredShard:
        """Return a shard of only the first rows."""
        return replace(self, limit=limit)

    def read_batches(self) -> Iterator[Batch]:
        """Read the rows in order."""
        left, types = self.records, self._read_types()
        for frame, content in zip(self._read_frames(), self._read_hashes(), strict=False):
            hashes = content
            if hashes is None:
                hashes = pl.Series("content", content_hashes(frame.drop(_OWN)), dtype=pl.UInt64)
                changed = frame["row_id"].is_in(list(self.by_hand))
                hashes = hashes.set(changed, None)
            for start in range(0, frame.height, BATCH_ROWS):
                size = min(BATCH_ROWS, left, frame.height - start)
                if not size:
                    return
                rows = fit_columns(frame.slice(start, size), types)
                rows = rows if self.plan is None else self.plan.rejoin(rows)
                left -= size
                yield Batch(rows, hashes.slice(start, size), UNREADABLE.to_frame())

    def _read_types(self) -> dict[str, pl.DataType]:
        stored = pl.read_parquet_schema(self.rows[0].path)
        return {**{name: stored[name] for name in _OWN}, **self.schema}

    def _read_frames(self) -> Iterator[pl.DataFrame]:
        for part in self.rows:
            frame = pl.read_parquet(part.path)
            wanted = [name for name in (*_OWN, *self.schema) if name in frame.columns]
            yield restore_records(frame).select(wanted)

    def _read_hashes(self) -> Iterator[pl.Series | None]:
        """Yield the hashes of the raw records where they are known, part by part."""
        if not self.ids:
            yield from repeat(None)
        known = pl.concat(
            [pl.read_parquet(p.path, columns=["candidate", "content"]) for p in self.ids]
        )
        hashes, start = known.filter("candidate")["content"], 0
        for part in self.rows:
            yield hashes.slice(start, part.rows)
            start += part.rows


def carry_ids(before: Sequence[Part], read: Sequence[Part], folder: Path) -> tuple[Part, ...]:
    """Write the ids of an input that is gone again, in `folder`, and return the part.

    `before` holds those of all its records, `read` those of the rows that were kept of it: the
    others took out what earlier records of their ids said, and go on doing so.
    """
    if not before:
        return tuple(read)
    ids = pl.concat([pl.read_parquet(part.path) for part in before])
    held = ids["candidate"].arg_true()
    again = [pl.read_parquet(part.path, columns=["candidate"])["candidate"] for part in read]
    if again:
        ids = ids.with_columns(candidate=ids["candidate"].scatter(held, pl.concat(again)))
    folder.mkdir(exist_ok=True)
    path = folder / f"{len(list(folder.iterdir())):06d}-carried.parquet"
    ids.write_parquet(path)
    return (Part(path, ids.height),)


@dataclass(frozen=True, slots=True)
class EmptyShard:
    """A shard without rows, so that a run that reads nothing still knows its columns."""

    schema: pl.Schema
    name: str = "nothing"
    fingerprint: str = "nothing"
    records: int = 0

    def take_first(self, limit: int) -> EmptyShard:
        """Return itself."""
        return self

    def read_batches(self) -> Iterator[Batch]:
        """Yield one batch without rows."""
        frame = pl.DataFrame(schema={"row_id": pl.String(), "source": SOURCE, **self.schema})
        yield Batch(frame, pl.Series("content", [], dtype=pl.UInt64), UNREADABLE.to_frame())
