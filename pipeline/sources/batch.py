"""What sources hand over: shards of batches, with every row's id and place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import polars as pl
from pydantic import JsonValue

from siftset.schemas.results.columns import SOURCE

BATCH_ROWS: Final = 65_536
PART_ROWS: Final = 500_000
"""About how many rows of one file a shard holds, so that one big file feeds all cores."""

EXCERPT: Final = 1_000
"""Characters of an unreadable record that are kept."""

UNREADABLE: Final = pl.Schema(
    [
        ("row_id", pl.String()),
        ("source", SOURCE),
        ("position", pl.Int64()),
        ("reason", pl.String()),
        ("raw", pl.String()),
    ]
)
"""Columns of unreadable records; position is the byte in the (decompressed) file, if known."""


class BadRecord(NamedTuple):
    """A record that could not be read."""

    record: int
    position: int | None
    reason: str
    raw: bytes


class RawBlock(NamedTuple):
    """Some records of a file as they were read, before any mapping."""

    frame: pl.DataFrame
    records: pl.Series
    """The number of each row's record in its file, from 0."""
    bad: tuple[BadRecord, ...] = ()


class FilePart(Protocol):
    """Some records of one file that follow each other."""

    @property
    def rows(self) -> int:
        """Return how many records there are, unreadable ones included."""

    def read_records(self) -> Iterator[RawBlock]:
        """Read the records."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in order."""

    frame: pl.DataFrame
    """row_id, source, then the columns of Sources.schema."""
    content: pl.Series
    """UInt64 hash of each row's raw record, for telling duplicates of an id from conflicts."""
    unreadable: pl.DataFrame


class Shard(Protocol):
    """A part of the input that is read on its own; the same batches every time."""

    @property
    def name(self) -> str:
        """Say which file and part this is, for people."""

    @property
    def fingerprint(self) -> str:
        """Return a hash of the input and of how it is read."""

    @property
    def records(self) -> int:
        """Return how many records there are, unreadable ones included."""

    def take_first(self, limit: int) -> Shard:
        """Return a shard of only the first records."""

    def read_batches(self) -> Iterator[Batch]:
        """Read the rows; raise SourceError if the file turns out to be truncated or corrupt."""


@dataclass(frozen=True, slots=True)
class ShardView:
    """What every shard has in common that shows another one, its batches changed."""

    shard: Shard

    @property
    def name(self) -> str:
        """Say which file and part this is, for people."""
        return self.shard.name

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the shard that is shown."""
        return self.shard.fingerprint

    @property
    def records(self) -> int:
        """Return how many records there are, unreadable ones included."""
        return self.shard.records


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything a recipe reads, opened and checked."""

    schema: pl.Schema
    """Columns after mapping and prepare, without ours."""
    shards: tuple[Shard, ...]
    inputs: tuple[dict[str, JsonValue], ...]
    """One fingerprint an input, for the manifest and the key of a run."""
    warnings: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """What a column of the input is called now, by its name there, where the two differ."""

    @property
    def records(self) -> int:
        """Return how many records there are, unreadable ones included."""
        return sum(shard.records for shard in self.shards)

    def read_batches(self) -> Iterator[Batch]:
        """Read all rows in order."""
        for shard in self.shards:
            yield from shard.read_batches()

    def frame(self) -> pl.DataFrame:
        """Read all rows into memory: row_id, source, then the columns of `schema`."""
        places = {"row_id": pl.String(), "source": SOURCE}
        empty = pl.DataFrame(schema={**places, **self.schema})
        return pl.concat([empty, *(batch.frame for batch in self.read_batches())])
