"""A shard that no node gets done: all its rows are set aside, so that the others go on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import polars as pl

from siftset.pipeline.sources.batch import Batch, ShardView
from siftset.pipeline.stages.dedupe import ids_of
from siftset.pipeline.stages.process_shard import (
    OUTCOMES,
    TEMPORARY,
    WHOLE_SHARD,
    Outcome,
    ShardResult,
    process_shard,
)
from siftset.pipeline.storage.delta_types import cast_storable
from siftset.pipeline.storage.part_files import PartWriter
from siftset.schemas.results.summary import Balance

if TYPE_CHECKING:
    from siftset.pipeline.sources import Shard
    from siftset.pipeline.stages.process_shard import ShardContext


def quarantine_shard(shard: Shard, index: int, context: ShardContext, reason: str) -> ShardResult:
    """Put every readable row of a shard into quarantine, without asking a signal.

    None of them is in the sample of the run either, on which every signal is evaluated.
    """
    name = hashlib.sha256(f"{context.key}:{shard.fingerprint}:aside".encode()).hexdigest()[:16]
    writers = {
        o: PartWriter(context.folder / o, f"{index:06d}-{name}", lasting=o not in TEMPORARY)
        for o in OUTCOMES
    }
    result = ShardResult(Balance(), {}, context.watch())
    empty = process_shard(_EmptyShard(shard), index, context).parts if index == 0 else {}
    for read in shard.read_batches():
        batch = read
        if context.voters is not None:
            batch = replace(read, frame=context.voters.leave_open(read.frame))
        reasons = pl.lit([reason], dtype=pl.List(pl.String))
        frames: dict[Outcome, pl.DataFrame] = {
            "quarantine": cast_storable(batch.frame.with_columns(_reasons=reasons)),
            "unreadable": batch.unreadable,
        }
        if context.keep_input:
            frames["input"] = cast_storable(batch.frame)
        if context.track_ids:
            frames["ids"] = ids_of(batch, pl.repeat(False, batch.frame.height, eager=True))
        for outcome, frame in frames.items():
            writers[outcome].add(frame)
        rows, lost = batch.frame.height, batch.unreadable.height
        result.balance += Balance(read=rows + lost, quarantined=rows, unreadable=lost)
        result.faulted += rows
        if rows and not result.faults:
            result.faults.append(
                {
                    "signal": WHOLE_SHARD,
                    "row_id": str(batch.frame["row_id"][0]),
                    "text": shard.name,
                    "error": reason,
                    "traceback": "",
                }
            )
    result.parts = {o: (*empty.get(o, ()), *writer.close()) for o, writer in writers.items()}
    return result


@dataclass(frozen=True, slots=True)
class _EmptyShard(ShardView):
    """A shard without its rows: the columns of what the first shard puts aside are its own."""

    @property
    def records(self) -> int:
        return 0

    def take_first(self, limit: int) -> Shard:
        return self

    def read_batches(self) -> Iterator[Batch]:
        for batch in islice(self.shard.read_batches(), 1):
            yield Batch(batch.frame.clear(), batch.content.clear(), batch.unreadable.clear())
