"""What changed in the set since a version that was trained on: rows added, changed and removed.

A row is changed where its id stays and its content does not, as a corrected label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from siftset.pipeline.model_registry.registry import MODELS, list_models
from siftset.pipeline.sources.row_ids import content_hashes
from siftset.pipeline.storage.atomic_files import atomic_write, make_writable_folder
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.progress import Progress
from siftset.schemas.results.columns import OWN_COLUMNS
from siftset.schemas.results.lineage import TrainingData

FOLDER: Final = ".new_rows"


@dataclass(frozen=True, slots=True)
class RowChanges:
    """How many rows of a version an earlier one lacks, holds with other content, or had."""

    added: int
    changed: int = 0
    removed: int = 0

    @property
    def total(self) -> int:
        """All rows that make a difference to training."""
        return self.added + self.changed + self.removed

    def __str__(self) -> str:
        more = {"changed": self.changed, "removed": self.removed}
        told = [f"{rows:,} {how}" for how, rows in more.items() if rows]
        return ", ".join([format_count(self.added, "new row"), *told])


def count_changes(store: Store, trained: int | None, version: int) -> RowChanges:
    """Count the rows in which a version differs from the one trained on; None for none yet.

    Where another tool removed the files of the version trained on, all rows count as new.
    """
    known = None
    if trained is not None:
        with suppress(OutputError):
            known = store.local_files(trained)
    if known is None:
        return RowChanges(store.scan(version).select(pl.len()).collect().item())
    paths, before = _unshared(store.local_files(version), known)
    now, then = _read_contents(paths), _read_contents(before)
    both = now.join(then, on="row_id", suffix="_before")
    changed = both.filter(pl.col("content") != pl.col("content_before")).height
    return RowChanges(now.height - both.height, changed, then.height - both.height)


def weight_new_rows(
    data: TrainingData, store: Store, *, weight: int, progress: Progress
) -> TrainingData:
    """Return data in which the training rows that are new or changed count `weight` times.

    New are those that the latest version before with a model of its own lacks; without such a
    version none are. Held-out rows stay as they are.
    """
    version, train = data.lineage.version, data.files.get("train", ())
    trained = list_models(store.output)
    before = max((v for v in trained if version is not None and v < version), default=None)
    if weight == 1 or before is None or not train:
        return data
    paths, earlier = _unshared(train, store.local_files(before))
    known = _read_contents(earlier)
    wanted = _read_contents(paths).join(known, on=["row_id", "content"], how="anti")["row_id"]
    if wanted.is_empty():
        return data
    rows = pl.scan_parquet(list(train), missing_columns="insert")
    new = rows.filter(pl.col("row_id").is_in(wanted.implode())).collect()
    folder = make_writable_folder(store.output / MODELS / FOLDER)
    path = folder / f"v{version}-over-v{before}.parquet"
    with atomic_write(path) as draft:
        new.write_parquet(draft)
    progress.say(
        f"{format_count(new.height, 'training row')} {conjugate(new.height, 'are')} new or "
        f"changed since version {before}: each {weight} times"
    )
    return replace(data, files={**data.files, "train": (*train, *(path,) * (weight - 1))})


def _unshared(paths: Sequence[Path], others: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files of two versions without those that both have, perhaps by a hard link."""
    here = {(path.stat().st_dev, path.stat().st_ino): path for path in paths}
    there = {(path.stat().st_dev, path.stat().st_ino): path for path in others}
    shared = here.keys() & there.keys()
    return (
        [path for key, path in here.items() if key not in shared],
        [path for key, path in there.items() if key not in shared],
    )


def _read_contents(paths: Iterable[Path]) -> pl.DataFrame:
    """Return the id of every row, and a hash of what the source said of it."""
    frames = [pl.DataFrame(schema={"row_id": pl.String, "content": pl.UInt64})]
    for path in paths:
        rows = pl.read_parquet(path)
        said = content_hashes(rows.drop(OWN_COLUMNS, strict=False))
        frames.append(rows.select("row_id", content=pl.Series(said, dtype=pl.UInt64)))
    return pl.concat(frames)
