"""A smaller look at the same input: a seeded sample of its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl
import polars_hash as plh

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
        return _read_sample(self.inner, self.wanted, self.seed)


def sampled_rows(shards: Sequence[Shard], count: int, *, seed: int) -> tuple[Shard, ...]:
    """Return one shard with `count` rows drawn by a seeded hash of row_id, in order."""
    return (_Window(f"sample of {count:,} rows", tuple(shards), count, seed),)


def _read_sample(shards: Sequence[Shard], count: int, seed: int) -> Iterator[Batch]:
    def all_batches() -> Iterator[Batch]:
        return (batch for shard in shards for batch in shard.read_batches())

    best = pl.Series(dtype=pl.UInt64)
    for batch in all_batches():
        drawn = batch.frame.select(_row_ticket(seed)).to_series()
        best = pl.concat([best, drawn]).bottom_k(count)
    limit = best.max()
    for batch in all_batches():
        yield _cut_batch(batch, _row_ticket(seed) <= (0 if limit is None else limit))


def _row_ticket(seed: int) -> pl.Expr:
    seeded = plh.concat_str(pl.lit(f"{seed}:"), pl.col("row_id"))
    return seeded.nchash.xxh3_64().alias("ticket")


def _cut_batch(batch: Batch, wanted: pl.Expr) -> Batch:
    mask = batch.frame.select(wanted=wanted).to_series()
    return replace(
        batch,
        frame=batch.frame.filter(mask),
        content=batch.content.filter(mask),
        unreadable=batch.unreadable.clear() if not mask.any() else batch.unreadable,
    )
