"""Small files read together: a shard costs as much beside its rows as thousands of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.sources.batch import BATCH_ROWS, Batch
from siftset.pipeline.sources.open import locate_shard

if TYPE_CHECKING:
    from siftset.pipeline.sources import Shard

MANY: Final = 64
"""Shards up to which each is read by itself."""
PACKS: Final = 32
"""About how many packs there are at least, so that all cores are fed."""
PACK_ROWS: Final = 4_096
BATCH_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class ShardPack:
    """Shards that follow each other, read as one."""

    inner: tuple[Shard, ...]

    @property
    def name(self) -> str:
        """Say which shards these are, for people."""
        return f"{self.inner[0].name} to {self.inner[-1].name}"

    @property
    def fingerprint(self) -> str:
        """Return a hash of the fingerprints of all shards."""
        parts = "\n".join(shard.fingerprint for shard in self.inner)
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    @property
    def records(self) -> int:
        """Return how many records there are, unreadable ones included."""
        return sum(shard.records for shard in self.inner)

    def take_first(self, limit: int) -> Shard:
        """Return a pack of only the first records."""
        found: list[Shard] = []
        for shard in self.inner:
            if limit > 0 or not found:
                found.append(shard.take_first(limit) if shard.records > limit else shard)
            limit -= shard.records
        return replace(self, inner=tuple(found))

    def read_batches(self) -> Iterator[Batch]:
        """Read the rows of all shards in order, small batches together."""
        held: list[Batch] = []
        rows = size = 0
        for shard in self.inner:
            for batch in shard.read_batches():
                held.append(batch)
                rows += batch.frame.height
                size += int(batch.frame.estimated_size())
                if rows >= BATCH_ROWS or size >= BATCH_BYTES:
                    yield _join_batches(held)
                    held, rows, size = [], 0, 0
        if held:
            yield _join_batches(held)


def pack_shards(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """Return shards in order, of many those of few rows packed, each pack of one source.

    What is packed hangs on the input alone, so that more workers give the same files.
    """
    if len(shards) <= MANY:
        return tuple(shards)
    records = [shard.records for shard in shards]
    limit = min(PACK_ROWS, -(-sum(records) // PACKS))
    packs: list[list[Shard]] = []
    room, last = 0, ""
    for shard, rows in zip(shards, records, strict=True):
        source = name_source(shard)
        if not packs or rows > room or source != last:
            packs.append([])
            room, last = limit, source
        packs[-1].append(shard)
        room -= rows
    return tuple(pack[0] if len(pack) == 1 else ShardPack(tuple(pack)) for pack in packs)


def name_source(shard: Shard) -> str:
    """Return the source of a shard, or of all shards of a pack."""
    return locate_shard(shard.inner[0] if isinstance(shard, ShardPack) else shard)[0]


def _join_batches(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return Batch(
        pl.concat([batch.frame for batch in batches], rechunk=True),
        pl.concat([batch.content for batch in batches], rechunk=True),
        pl.concat([batch.unreadable for batch in batches]),
    )
