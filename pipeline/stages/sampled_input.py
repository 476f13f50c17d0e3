"""A smaller look at the same input: a seeded sample of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl
import polars_hash as plh

from siftset.schemas.plurals import format_count

if TYPE_CHECKING:
    from siftset.pipeline.sources.batch import Batch, Shard


@dataclass(frozen=True, slots=True)
class _Window:
    """A shard made of some rows of other shards."""

    name: str
    inner: tuple[Shard, ...]
    wanted: int
    seed: int

    @property
    def fingerprint(self) -> str:
        """Return a hash of the input and of what is taken of it."""
        parts = [f"{self.wanted}:{self.seed}", *(shard.fingerprint for shard in self.inner)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @property
    def records(self) -> int:
        """Return how many records there are at most."""
        return min(self.wanted, sum(shard.records for shard in self.inner))

    def take_first(self, limit: int) -> Shard:
        """Return a smaller sample."""
        return replace(self, wanted=min(limit, self.wanted))

    def read_batches(self) -> Iterator[Batch]:
        """Yield the rows taken, in order."""
        seeded = plh.concat_str(pl.lit(f"{self.seed}:"), pl.col("row_id"))
        ticket = seeded.nchash.xxh3_64().alias("ticket")
        best = pl.Series(dtype=pl.UInt64)
        for batch in self._read_inner():
            drawn = batch.frame.select(ticket).to_series()
            best = pl.concat([best, drawn]).bottom_k(self.wanted)
        limit = best.max()
        for batch in self._read_inner():
            mask = batch.frame.select(ticket <= (0 if limit is None else limit)).to_series()
            yield replace(
                batch,
                frame=batch.frame.filter(mask),
                content=batch.content.filter(mask),
                unreadable=batch.unreadable.clear() if not mask.any() else batch.unreadable,
            )

    def _read_inner(self) -> Iterator[Batch]:
        return (batch for shard in self.inner for batch in shard.read_batches())


def sampled_rows(shards: Sequence[Shard], count: int, *, seed: int) -> tuple[Shard, ...]:
    """Return one shard with `count` rows drawn by a seeded hash of row_id, in order."""
    return (_Window(f"sample of {format_count(count, 'row')}", tuple(shards), count, seed),)
