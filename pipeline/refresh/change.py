"""Which rows are added to the set and removed from it: what should be in it against what is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from siftset.pipeline.refresh.near_published import NearPublished
from siftset.pipeline.stages.choose_rows import RowChoice, choose_rows
from siftset.pipeline.stages.resolve_duplicates import find_repeats
from siftset.pipeline.storage.part_files import Mask, Part, rows_at
from siftset.pipeline.storage.refresh_ledger import ShardEntry, ShardList

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.run.job import Job

_ROW: Final = ("row_id", "file", "record")


@dataclass(frozen=True, slots=True)
class SetChange:
    """The candidates of all entries in order, and what becomes of them."""

    parts: tuple[Part, ...]
    repeats: pl.DataFrame
    """Place, keeper and kind of those that repeat another row."""
    kept: Mask
    choice: RowChoice | None
    """Which rows are left out; those are neither kept nor repeats."""
    published: Mask
    read: Mask
    """Those that this run read."""
    added: Mask
    removed: pl.DataFrame
    """row_id, file and record of rows of the set that it loses."""

    @property
    def left(self) -> Mask:
        """The rows that repeat no other one and are not kept."""
        if self.choice is None:
            return np.zeros(len(self.kept), dtype=np.bool_)
        return self.choice.reasons > 0


def find_change(
    run: CurateRun, entries: Sequence[ShardEntry], todo: set[str], before: ShardList | None
) -> SetChange:
    """Settle all candidates again, from their keys alone, and compare with the version before.

    A choice of rows reads their texts too: it is made among all of them, as a full run would.
    """
    job = run.job
    parts = tuple(part for entry in entries for part in entry.candidates)
    published = _mark_published(entries, before)
    ids = [part for entry in entries for part in entry.ids]
    repeats = find_repeats(
        job,
        parts,
        ids,
        near=NearPublished(published),
        published=published.tolist(),
        reviewed=[part for entry in entries for part in entry.reviewed],
    )
    kept = np.ones(len(published), dtype=np.bool_)
    kept[repeats["place"].to_numpy()] = False
    choice = choose_rows(run, parts, kept)
    if choice is not None:
        kept &= choice.reasons == 0
    read = _repeat_by_rows(entries, [entry.key in todo for entry in entries])
    removed = _find_removed(job, entries, before, parts, published & ~kept)
    added = kept & ~published
    if removed.height:
        # rows stay that would leave and enter unchanged, as those of a file that grew
        empty = removed.clear().with_columns(place=pl.lit(0, pl.Int64))
        new = pl.concat([empty, *(_identify_rows(job, frame) for frame in _rows_at(parts, added))])
        on = [*_ROW, "content"]
        added[new.join(removed, on=on, how="semi")["place"].to_numpy()] = False
        removed = removed.join(new, on=on, how="anti")
    return SetChange(parts, repeats, kept, choice, published, read, added, removed.select(_ROW))


def list_dropped(
    entries: Sequence[ShardEntry], kept: Mask
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return for each shard the numbers of its candidates that are not kept."""
    found, start = {}, 0
    for entry in entries:
        found[entry.key] = np.flatnonzero(~kept[start : start + entry.rows])
        start += entry.rows
    return found


def _repeat_by_rows(entries: Sequence[ShardEntry], values: Sequence[bool]) -> Mask:
    return np.repeat(np.array(values, dtype=np.bool_), [entry.rows for entry in entries])


def _mark_published(entries: Sequence[ShardEntry], before: ShardList | None) -> Mask:
    """Mark the candidates that the current version holds."""
    if before is None:
        return _repeat_by_rows(entries, [False] * len(entries))
    known = {entry.key for entry in before.entries}
    found = _repeat_by_rows(entries, [entry.key in known for entry in entries])
    start = 0
    for entry in entries:
        if entry.key in known:
            found[start + before.dropped.get(entry.key, np.empty(0, np.int64))] = False
        start += entry.rows
    return found


def _find_removed(
    job: Job,
    entries: Sequence[ShardEntry],
    before: ShardList | None,
    parts: Sequence[Part],
    displaced: Mask,
) -> pl.DataFrame:
    """Return the rows of the version before that should not be in the set, or changed."""
    frames = [_identify_rows(job, frame) for frame in _rows_at(parts, displaced)]
    stay = {entry.key for entry in entries}
    for entry in before.entries if before is not None else ():
        if entry.key not in stay and before is not None:
            held = np.ones(entry.rows, dtype=np.bool_)
            held[before.dropped.get(entry.key, np.empty(0, np.int64))] = False
            frames += [_identify_rows(job, frame) for frame in _rows_at(entry.candidates, held)]
    schema = {"row_id": pl.String, "file": pl.String, "record": pl.Int64, "content": pl.UInt64}
    return pl.concat([pl.DataFrame(schema=schema), *(f.drop("place") for f in frames)])


def _rows_at(parts: Sequence[Part], wanted: Mask) -> Iterator[pl.DataFrame]:
    return rows_at(parts, wanted, place="_place")


def _identify_rows(job: Job, frame: pl.DataFrame) -> pl.DataFrame:
    """Return what tells a row from any other, and from the same one with other content."""
    return frame.select(
        "row_id",
        pl.col("source").struct.field("file"),
        pl.col("source").struct.field("record"),
        pl.struct(*job.columns, "split").hash(0).alias("content"),
        place="_place",
    )
