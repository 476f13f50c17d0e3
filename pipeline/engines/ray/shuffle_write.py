"""Kept rows and their duplicates written by many machines, each those of some parts.

The driver names the rows that repeat another one; a task reads the candidates of its parts once to
learn the row_ids of keepers, and once to write.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from siftset.pipeline.run.frozen_split import FrozenSplit
from siftset.pipeline.stages.choose_rows import reject_left
from siftset.pipeline.stages.dedupe import point_duplicates, split_duplicates, stamp_frame
from siftset.pipeline.stages.resolve_duplicates import WrittenRows
from siftset.pipeline.storage.atomic_files import sync
from siftset.pipeline.storage.part_files import Part, PartWriter, Reasons
from siftset.pipeline.storage.table import DataFile
from siftset.schemas.results.columns import SPLITS

if TYPE_CHECKING:
    from siftset.pipeline.engines.ray.nodes import Nodes
    from siftset.pipeline.run.context import CurateRun


@dataclass(frozen=True, slots=True)
class PartGroup:
    """Parts that follow each other, and the place of their first row."""

    number: int
    parts: tuple[Part, ...]
    start: int

    @property
    def end(self) -> int:
        """The place after the last row."""
        return self.start + sum(part.rows for part in self.parts)

    def select_rows(self, frame: pl.DataFrame, column: str = "place") -> pl.DataFrame:
        """Return the rows of a frame whose place lies here."""
        return frame.filter(pl.col(column).is_between(self.start, self.end - 1))

    def slice_rows(self, ordered: pl.DataFrame) -> pl.DataFrame:
        """Return the rows whose place lies here of a frame in the order of places, uncopied."""
        start, end = (ordered["place"].search_sorted(at, "left") for at in (self.start, self.end))
        return ordered.slice(start, end - start)

    def split_parts(self) -> Iterator[PartGroup]:
        """Yield each part as a group of its own."""
        start = self.start
        for part in self.parts:
            yield PartGroup(self.number, (part,), start)
            start += part.rows


@dataclass(frozen=True, slots=True)
class RowIdQuery:
    """Places of a group whose row_id is wanted."""

    group: PartGroup
    places: pl.DataFrame


@dataclass(frozen=True, slots=True)
class WriteQuery:
    """What a task writes."""

    group: PartGroup
    repeated: pl.DataFrame
    known: pl.DataFrame
    """place and duplicate_of of the keepers that these rows repeat."""
    folder: Path
    run_id: str
    formula: str
    frozen: FrozenSplit | None = None
    reasons: Reasons | None = None
    """Of the rows of the group, why each is left out."""
    clauses: pl.Enum | None = None
    record: Literal["full", "decisions", "none"] = "full"


def write_all(
    run: CurateRun,
    nodes: Nodes,
    candidates: Sequence[Part],
    repeated: pl.DataFrame,
    reasons: Reasons | None = None,
    *,
    rows: int,
) -> WrittenRows:
    """Write the candidates by split, duplicates apart, in the order of one machine."""
    groups = group_parts(candidates, rows)
    keepers = repeated.select(place="keeper").unique()
    # `duplicate_of` names the keeper by its row_id, and the keeper may lie in any group: ids of
    # keepers are fetched first, so that each group is then written without knowing the others.
    asked = [RowIdQuery(group, group.select_rows(keepers)) for group in groups]
    named = nodes.map_tasks(name_rows, [one for one in asked if one.places.height])
    known = pl.concat([_nothing_known(), *named])
    queries = []
    for group in groups:
        mine = group.select_rows(repeated)
        wanted = known.join(mine.select(place="keeper").unique(), on="place", how="semi")
        queries.append(
            WriteQuery(
                group,
                mine,
                wanted,
                run.folder,
                run.run_id,
                run.job.decider.hash,
                run.frozen,
                None if reasons is None else reasons[group.start : group.end],
                None if reasons is None else run.job.clauses(),
                run.job.recipe.record,
            )
        )
    written = nodes.map_tasks(write_group, queries)
    files = [
        replace(file, path=_lift_file(file.path))
        for split in SPLITS
        for one in written
        for file in one.files
        if file.split == split
    ]
    return WrittenRows(
        tuple(files),
        tuple(part for one in written for part in one.duplicates),
        tuple(part for one in written for part in one.left),
    )


def _lift_file(path: Path) -> Path:
    """Move a file out of the folder of the attempt that wrote it."""
    place = path.parents[1] / path.name
    path.replace(place)
    return place


def name_rows(named: RowIdQuery) -> pl.DataFrame:
    """Return place and duplicate_of, the row_id, of some rows of a group."""
    found, place = [_nothing_known()], named.group.start
    for part in named.group.parts:
        ids = pl.read_parquet(part.path, columns=["row_id"])
        numbered = ids.with_columns(
            place=pl.int_range(place, place + pl.len(), dtype=pl.Int64), duplicate_of="row_id"
        )
        found.append(
            numbered.join(named.places, on="place", how="semi").select("place", "duplicate_of")
        )
        place += ids.height
    return pl.concat(found)


def write_group(writing: WriteQuery) -> WrittenRows:
    """Write the rows of a group; each attempt has a folder of its own."""
    group = writing.group
    # A task that is thought lost may still run beside the one that replaces it: neither may write
    # into the other's files.
    place = f"{group.number:06d}-{uuid.uuid4().hex[:8]}"
    writers = {s: _open_writer(writing, "set", place, f"{s}-{group.number:06d}") for s in SPLITS}
    # One file at least, so that the folder of duplicates has its columns also where there are none.
    first = group.number == 0
    duplicates = _open_writer(
        writing, "duplicates", place, f"part-{group.number:06d}", even_empty=first
    )
    apart = _open_writer(writing, "rejected", place, f"unselected-{group.number:06d}")
    settled = split_duplicates(
        group.parts,
        writing.repeated,
        start=group.start,
        known=writing.known,
        reasons=writing.reasons,
    )
    for kept, repeats, pointers, left in settled:
        rows = stamp_frame(kept, writing.run_id, writing.formula, writing.frozen)
        for split, writer in writers.items():
            writer.add(rows.filter(pl.col("split") == split))
        plain = stamp_frame(repeats, writing.run_id, writing.formula, writing.frozen)
        duplicates.add(point_duplicates(plain, pointers))
        if writing.clauses is not None:
            apart.add(reject_left(left, writing.clauses, writing.record))
    files = tuple(
        DataFile(part.path, split, part.rows)
        for split, writer in writers.items()
        for part in writer.close()
    )
    written = WrittenRows(files, duplicates.close(), apart.close())
    for path in (
        *(file.path for file in files),
        *(part.path for part in (*written.duplicates, *written.left)),
    ):
        sync(path)
    return written


def _open_writer(
    writing: WriteQuery, what: str, place: str, stem: str, *, even_empty: bool = False
) -> PartWriter:
    return PartWriter(writing.folder / what / place, stem, even_empty=even_empty)


def _nothing_known() -> pl.DataFrame:
    return pl.DataFrame(schema={"place": pl.Int64, "duplicate_of": pl.String})


def group_parts(
    candidates: Sequence[Part], rows: int, *, most: int | None = None
) -> list[PartGroup]:
    """Return the parts in groups of about `rows` rows and at most so many parts, in order."""
    groups: list[PartGroup] = []
    pending: list[Part] = []
    start = waiting = 0
    for part in candidates:
        pending.append(part)
        waiting += part.rows
        if waiting >= rows or len(pending) == most:
            groups.append(PartGroup(len(groups), tuple(pending), start))
            start, waiting, pending = start + waiting, 0, []
    if pending:
        groups.append(PartGroup(len(groups), tuple(pending), start))
    return groups
