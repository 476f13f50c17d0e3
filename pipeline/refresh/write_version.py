"""The files of the next version: new ones, those that stay, and those that lose rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from siftset.pipeline.refresh.change import SetChange
from siftset.pipeline.stages.choose_rows import reject_left
from siftset.pipeline.stages.dedupe import point_duplicates
from siftset.pipeline.stages.resolve_duplicates import stamp_rows
from siftset.pipeline.storage.atomic_files import link_or_copy
from siftset.pipeline.storage.part_files import ROWS_PER_PART, Mask, Part, PartWriter, rows_at
from siftset.pipeline.storage.table import DataFile, Mode, split_of
from siftset.schemas.results.columns import LEFT_BY, SPLITS
from siftset.signals.kernels.arrays import to_series

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun

MANY_FILES: Final = 64
"""Files of a split from which the small ones become one."""
_PLACE: Final = "_place"


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """The files of the version that would result."""

    added: tuple[DataFile, ...]
    """With the rows that this run read."""
    files: tuple[DataFile, ...]
    """All files of the version."""
    committed: tuple[DataFile, ...]
    """Those that the commit names."""
    mode: Mode
    duplicates: tuple[Part, ...]
    left: tuple[Part, ...]
    """Rows that this run read and that a choice leaves out."""


def write_change(
    run: CurateRun, change: SetChange, template: Part, *, replaces: bool
) -> VersionFiles:
    """Write what is added, and rewrite what loses rows; `replaces` replaces the version before.

    `template` is a part of candidates, perhaps without rows, that has the columns.
    """
    columns = pl.read_parquet(template.path, n_rows=0).with_columns(
        pl.lit(0, pl.Int64).alias(_PLACE)
    )
    added = _write_rows(run, change, change.added & change.read, "new", columns)
    back = _write_rows(run, change, change.added & ~change.read, "back", None)
    apart = _write_duplicates(run, change, columns), _write_left(run, change)
    new = (*added, *back)
    current = run.store.current()
    old = [] if replaces or current is None else run.store.files(current.version)
    splits = [*(split_of(path) for path in old), *(file.split for file in new)]
    crowded = frozenset(split for split in SPLITS if splits.count(split) > MANY_FILES)
    # An append would keep what another tool wrote into the table.
    is_mixed = bool(run.store.find_foreign_change())
    linked = (
        replaces or bool(change.removed.height or crowded) or run.options.is_preview or is_mixed
    )
    if not linked:
        staying = tuple(DataFile(path, split_of(path), _count_file_rows(path)) for path in old)
        return VersionFiles(added, (*staying, *new), new, "append", *apart)
    files = (*_rewrite_files(run, old, change.removed, crowded), *new)
    filled = tuple(file for file in files if file.rows) or added[:1]
    return VersionFiles(added, filled, filled, "overwrite", *apart)


def _write_rows(
    run: CurateRun, change: SetChange, wanted: Mask, name: str, columns: pl.DataFrame | None
) -> tuple[DataFile, ...]:
    """Write candidates by split; where there are none, one file with the columns if given."""
    folder = run.folder / "set"
    empty = columns is not None and not wanted.any()
    writers = {
        s: PartWriter(folder, f"{s}-{name}", even_empty=empty and s == SPLITS[0]) for s in SPLITS
    }
    first = (columns,) if columns is not None and empty else ()
    for frame in chain(first, rows_at(change.parts, wanted, place=_PLACE)):
        rows = stamp_rows(frame.drop(_PLACE), run)
        for split, writer in writers.items():
            writer.add(rows.filter(pl.col("split") == split))
    return tuple(
        DataFile(part.path, split, part.rows)
        for split, writer in writers.items()
        for part in writer.close()
    )


def _write_duplicates(run: CurateRun, change: SetChange, columns: pl.DataFrame) -> tuple[Part, ...]:
    """Write the rows that this run read and that repeat others, with the row that they repeat."""
    writer = PartWriter(run.folder / "duplicates", "part", even_empty=True)
    repeats = change.repeats.filter(pl.Series(change.read[change.repeats["place"].to_numpy()]))
    sought = np.zeros(len(change.kept), dtype=np.bool_)
    sought[repeats.filter(pl.col("keeper") >= 0)["keeper"].to_numpy()] = True
    empty = pl.DataFrame(schema={"row_id": pl.String, "place": pl.Int64})
    keepers = pl.concat([empty, *rows_at(change.parts, sought, ["row_id"])])
    named = repeats.join(
        keepers.rename({"row_id": "duplicate_of", "place": "keeper"}), on="keeper", how="left"
    )
    repeated = change.read & ~change.kept & ~change.left
    for frame in chain((columns,), rows_at(change.parts, repeated, place=_PLACE)):
        met = frame.select("row_id", place=_PLACE).join(
            named, on="place", how="left", maintain_order="left"
        )
        pointers = met.select(pl.col("duplicate_of").fill_null(pl.col("row_id")), "kind")
        writer.add(point_duplicates(stamp_rows(frame.drop(_PLACE), run), pointers))
    return writer.close()


def _write_left(run: CurateRun, change: SetChange) -> tuple[Part, ...]:
    """Write the rows that this run read and that a choice leaves out as rejected ones."""
    writer = PartWriter(run.folder / "rejected", "unselected")
    if change.choice is not None:
        for frame in rows_at(change.parts, change.read & change.left, place=_PLACE):
            why = to_series(LEFT_BY, change.choice.reasons[frame[_PLACE].to_numpy()])
            rows = frame.with_columns(why)
            writer.add(reject_left(rows, run.job.clauses(), run.job.recipe.record))
    return writer.close()


def _rewrite_files(
    run: CurateRun, old: Sequence[Path], removed: pl.DataFrame, crowded: frozenset[str]
) -> Iterator[DataFile]:
    """Yield the files of the version before under new names, without the rows that leave.

    A file that keeps all its rows is linked, not copied; small ones of a crowded split are joined.
    """
    folder = run.folder / "set"
    folder.mkdir(exist_ok=True)
    joined = {s: PartWriter(folder, f"{s}-joined") for s in crowded}
    for number, path in enumerate(old):
        split, rows = split_of(path), _count_file_rows(path)
        hit = bool(removed.height) and _has_removed(path, removed)
        if split in joined and rows < ROWS_PER_PART // 2:
            joined[split].add(_drop_removed(path, removed) if hit else pl.read_parquet(path))
            continue
        target = folder / f"{split}-kept-{number:05d}.parquet"
        if hit:
            frame = _drop_removed(path, removed)
            frame.write_parquet(target, compression="zstd", compression_level=1)
            rows = frame.height
        else:
            link_or_copy(path, target)
        yield DataFile(target, split, rows)
    for split, writer in joined.items():
        yield from (DataFile(part.path, split, part.rows) for part in writer.close())


def _has_removed(path: Path, removed: pl.DataFrame) -> bool:
    rows = pl.read_parquet(path, columns=["row_id", "source"])
    return bool(rows.unnest("source").join(removed, on=removed.columns, how="semi").height)


def _drop_removed(path: Path, removed: pl.DataFrame) -> pl.DataFrame:
    frame = pl.read_parquet(path)
    source = [pl.col("source").struct.field(name).alias(f"_{name}") for name in ("file", "record")]
    on = ["row_id", "_file", "_record"]
    lost = removed.rename({"file": "_file", "record": "_record"})
    met = frame.with_columns(source).join(lost, on=on, how="anti", maintain_order="left")
    return met.drop("_file", "_record")


def _count_file_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
