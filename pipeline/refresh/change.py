"""Which rows enter and leave the set: what should be in it against what is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from siftset.pipeline.refresh.near_published import Mask, NearPublished, rows_at
from siftset.pipeline.stages.resolve_duplicates import find_repeats
from siftset.pipeline.storage.part_files import Part
from siftset.pipeline.storage.refresh_ledger import ShardEntry, ShardList

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job

_ROW: Final = ("row_id", "file", "record")


@dataclass(frozen=True, slots=True)
class Change:
    """The candidates of all entries in order, and what becomes of them."""

    parts: tuple[Part, ...]
    repeats: pl.DataFrame
    """Place, keeper and kind of those that repeat another row."""
    kept: Mask
    published: Mask
    read: Mask
    """Those that this run read."""
    entering: Mask
    leaving: pl.DataFrame
    """row_id, file and record of rows of the set that it loses."""


def find_change(
    job: Job, entries: Sequence[ShardEntry], todo: set[str], before: ShardList | None
) -> Change:
    """Settle all candidates anew, from their keys alone, and compare with the version before."""
    parts = tuple(part for entry in entries for part in entry.candidates)
    published = _published(entries, before)
    ids = [part for entry in entries for part in entry.ids]
    repeats = find_repeats(job, parts, ids, near=NearPublished(published))
    kept = np.ones(len(published), dtype=np.bool_)
    kept[repeats["place"].to_numpy()] = False
    read = _spread(entries, [entry.key in todo for entry in entries])
    leaving = _leaving(job, entries, before, parts, published & ~kept)
    entering = kept & ~published
    if leaving.height:
        entering, leaving = _without_same(job, parts, entering, leaving)
    return Change(parts, repeats, kept, published, read, entering, leaving.select(_ROW))


def drops(
    entries: Sequence[ShardEntry], kept: Mask
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return for each shard the numbers of its candidates that are not kept."""
    found, start = {}, 0
    for entry in entries:
        found[entry.key] = np.flatnonzero(~kept[start : start + entry.rows])
        start += entry.rows
    return found


def _spread(entries: Sequence[ShardEntry], values: Sequence[bool]) -> Mask:
    return np.repeat(np.array(values, dtype=np.bool_), [entry.rows for entry in entries])


def _published(entries: Sequence[ShardEntry], before: ShardList | None) -> Mask:
    """Mark the candidates that the current version holds."""
    if before is None:
        return _spread(entries, [False] * len(entries))
    known = {entry.key for entry in before.entries}
    found = _spread(entries, [entry.key in known for entry in entries])
    start = 0
    for entry in entries:
        if entry.key in known:
            found[start + before.dropped.get(entry.key, np.empty(0, np.int64))] = False
        start += entry.rows
    return found


def _leaving(
    job: Job,
    entries: Sequence[ShardEntry],
    before: ShardList | None,
    parts: Sequence[Part],
    displaced: Mask,
) -> pl.DataFrame:
    """Return the rows of the version before that should not be in the set, or changed."""
    frames = [_identity(job, frame) for frame in rows_at(parts, displaced)]
    stay = {entry.key for entry in entries}
    for entry in before.entries if before is not None else ():
        if entry.key not in stay and before is not None:
            held = np.ones(entry.rows, dtype=np.bool_)
            held[before.dropped.get(entry.key, np.empty(0, np.int64))] = False
            frames += [_identity(job, frame) for frame in rows_at(entry.candidates, held)]
    schema = {"row_id": pl.String, "file": pl.String, "record": pl.Int64, "content": pl.UInt64}
    return pl.concat([pl.DataFrame(schema=schema), *(f.drop("place") for f in frames)])


def _identity(job: Job, frame: pl.DataFrame) -> pl.DataFrame:
    """Return what tells a row from any other, and from the same one with other content."""
    return frame.select(
        "row_id",
        pl.col("source").struct.field("file"),
        pl.col("source").struct.field("record"),
        pl.struct(*job.columns, "split").hash(0).alias("content"),
        "place",
    )


def _without_same(
    job: Job, parts: Sequence[Part], entering: Mask, leaving: pl.DataFrame
) -> tuple[Mask, pl.DataFrame]:
    """Leave rows alone that would leave and enter unchanged, as those of a file that grew."""
    empty = leaving.clear().with_columns(place=pl.lit(0, pl.Int64))
    new = pl.concat([empty, *(_identity(job, frame) for frame in rows_at(parts, entering))])
    on = [*_ROW, "content"]
    same = new.join(leaving, on=on, how="semi")["place"].to_numpy()
    stay = entering.copy()
    stay[same] = False
    return stay, leaving.join(new, on=on, how="anti")
