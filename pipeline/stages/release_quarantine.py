"""Rows that people mended: each takes the place of the record that it was read as.

They lie in `mended.parquet` beside the set and stay in force for every later run, until the record
itself changes or the file is removed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.gate.quarantine import read_quarantine
from siftset.pipeline.sources.batch import ShardView
from siftset.pipeline.storage.atomic_files import whole
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.run_folder import RUNS, RunFolder, digest, run_folders
from siftset.schemas.errors import SourceError

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job
    from siftset.pipeline.sources import Batch, Shard

FILE: Final = "mended.parquet"
CONTENT: Final = "_content"
_KEY: Final = pl.Schema([("row_id", pl.String()), (CONTENT, pl.UInt64())])
_STATES: Final = ("published", "refused")


@dataclass(frozen=True, slots=True)
class Mended:
    """The mended rows of an output folder."""

    rows: pl.DataFrame
    """row_id, the hash of the record that the row was read from, then the source's columns."""
    plain_key: str
    """Key of the run without them."""

    @property
    def parquet(self) -> bytes:
        """The rows as they are stored."""
        buffer = io.BytesIO()
        self.rows.write_parquet(buffer)
        return buffer.getvalue()

    @property
    def fingerprint(self) -> str:
        """A hash that equal rows share."""
        return hashlib.sha256(self.parquet).hexdigest()[:32]

    @property
    def key(self) -> str:
        """Key of the run with them."""
        return digest([self.plain_key, self.fingerprint])

    def over(self, shards: Sequence[Shard]) -> tuple[Shard, ...]:
        """Return the shards with every mended row in its place."""
        return tuple(_MendedShard(shard, self.rows) for shard in shards)

    def save(self, output: Path) -> None:
        """Write the rows to where every later run finds them."""
        with whole(output / FILE) as draft:
            draft.write_bytes(self.parquet)


@dataclass(frozen=True, slots=True)
class _MendedShard(ShardView):
    rows: pl.DataFrame

    def limited(self, limit: int) -> Shard:
        return _MendedShard(self.shard.limited(limit), self.rows)

    def batches(self) -> Iterator[Batch]:
        for batch in self.shard.batches():
            yield _patched(batch, self.rows)


def _patched(batch: Batch, rows: pl.DataFrame) -> Batch:
    keyed = batch.frame.select("row_id", batch.content.alias(CONTENT))
    if keyed.join(rows, on=list(_KEY), how="semi").is_empty():
        return batch
    marked = rows.with_columns(_is_mended=pl.lit(True))
    found = keyed.join(marked, on=list(_KEY), how="left", maintain_order="left")
    mended = found["_is_mended"].fill_null(False)
    columns = [name for name in rows.columns if name not in _KEY]
    frame = batch.frame.with_columns(
        pl.when(mended).then(found[name]).otherwise(pl.col(name)).alias(name) for name in columns
    )
    return replace(batch, frame=frame)


def with_mended(job: Job) -> Job:
    """Return the job with the rows that were mended so far."""
    path = job.output / FILE
    if not path.is_file():
        return job
    try:
        rows = _typed(path, {**_KEY, **job.sources.schema})
    except SourceError as error:
        raise SourceError(
            f"{path} holds mended rows that no longer fit the source: {error}; remove it to go on "
            "without them"
        ) from error
    return _holding(job, rows, job.key)


def release(job: Job, mended: Path | None) -> tuple[Job, str]:
    """Return the job with the mended rows of a quarantine, and a line that says how many.

    `mended` is a Parquet file or a folder of them; without it the quarantine of the last run. A row
    is released where it differs from its record and passes every rule. Raises SourceError for files
    that are not there, do not fit, or hold no row of this source.
    """
    found = _typed_all(_files(job, mended), {"row_id": pl.String(), **job.sources.schema})
    _check_ids(found)
    original = _originals(job, found)
    if found.height and original.is_empty():
        raise SourceError(
            f"none of the {found.height:,} quarantined rows is in the source of this recipe: "
            "expected the quarantine of one of its runs"
        )
    changed = _changed(original, found, job.sources.schema)
    good = changed.filter(~job.rules.failing())
    said = (
        f"{good.height:,} of {found.height:,} quarantined rows released: "
        f"{original.height - changed.height:,} are as they stood, "
        f"{changed.height - good.height:,} still break a rule, "
        f"{found.height - original.height:,} are no record of the source"
    )
    return _merged(job, good), said


def _holding(job: Job, rows: pl.DataFrame, plain_key: str) -> Job:
    mended = Mended(rows, plain_key)
    return replace(job, mended=mended, key=mended.key)


def _merged(job: Job, good: pl.DataFrame) -> Job:
    if good.is_empty():
        return job
    before = job.mended
    rows = good.select(*_KEY, *job.sources.schema)
    if before is not None:
        rows = pl.concat([before.rows.join(rows, on="row_id", how="anti"), rows])
    return _holding(job, rows.sort("row_id"), job.key if before is None else before.plain_key)


def _typed(path: Path, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return _typed_all([path], schema)


def _typed_all(paths: Sequence[Path], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    try:
        return read_quarantine(paths, pl.Schema(schema)).collect()
    except pl.exceptions.PolarsError as error:
        problem = " ".join(str(error).split())
        raise SourceError(f"quarantine: the columns do not fit the source: {problem}") from error


def _files(job: Job, mended: Path | None) -> list[Path]:
    """Return the files to release: those named, or the quarantine of the last run that ended."""
    if mended is None:
        ended = (f for f in run_folders(job.output) if f.manifest().get("state") in _STATES)
        last: RunFolder | None = next(ended, None)
        if last is None:
            raise SourceError(
                f"{job.output} holds no run: expected one with a quarantine to release; run  "
                "siftset curate  first"
            )
        mended = last.path / "quarantine"
        fetch_below(job.output, f"{RUNS}/{last.run_id}/{mended.name}")
    found = [mended] if mended.is_file() else sorted(mended.glob("*.parquet"))
    if not found:
        raise SourceError(f"quarantine: {mended} holds no Parquet file: expected one, or a folder")
    return found


def _check_ids(found: pl.DataFrame) -> None:
    repeated = found.unique().filter(pl.col("row_id").is_duplicated())
    if repeated.height:
        raise SourceError(
            f"quarantine: row {repeated['row_id'][0]} is mended in two ways: keep one of them"
        )


def _originals(job: Job, found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that the mended ones replace, with the hash of the record of each."""
    schema = {"row_id": pl.String(), **job.sources.schema, CONTENT: pl.UInt64()}
    empty = pl.DataFrame(schema=schema)
    parts = [
        batch.frame.with_columns(batch.content.alias(CONTENT)).join(found, on="row_id", how="semi")
        for shard in job.shards
        for batch in shard.batches()
    ]
    together = pl.concat([empty, *parts], how="diagonal")
    return together.unique("row_id", keep="last", maintain_order=True)


def _changed(original: pl.DataFrame, found: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the records with their mended columns, where any of them differs."""
    both = original.join(found.unique("row_id"), on="row_id", suffix=":mended")
    differs = reduce(
        pl.Expr.__or__, [pl.col(name).ne_missing(pl.col(f"{name}:mended")) for name in schema]
    )
    mended = [pl.col(f"{name}:mended").alias(name) for name in schema]
    return both.filter(differs).with_columns(mended).select(original.columns)
