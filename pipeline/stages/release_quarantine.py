"""Quarantined rows that people fixed, put back in place of their records."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.run.released_rows import CONTENT, KEY, QuarantineFixes, read_released
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.run_folder import RUNS, RunFolder, run_folders
from siftset.schemas.errors import SourceError
from siftset.schemas.plurals import format_count

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job

_STATES: Final = ("published", "refused")


def release_rows(job: Job, fixed: Path | None) -> tuple[Job, str]:
    """Return the job with the fixed rows of a quarantine, and a line that says how many.

    `fixed` is a Parquet file or a folder of them; without it the quarantine of the last run. A row
    is released where it differs from its record and passes every rule. Raises SourceError for files
    that are not there, do not fit, or hold no row of this source.
    """
    found = read_released(_find_files(job, fixed), {"row_id": pl.String(), **job.read_schema})
    repeated = found.unique().filter(pl.col("row_id").is_duplicated())
    if repeated.height:
        raise SourceError(
            f"quarantine: row {repeated['row_id'][0]} is fixed in two ways: keep one of them"
        )
    original = _read_originals(job, found)
    if found.height and original.is_empty():
        raise SourceError(
            f"no quarantined row of {found.height:,} is in the source of "
            "this recipe: expected the quarantine of one of its runs"
        )
    changed = _select_changed(original, found, job.read_schema)
    good = job.label_rows(changed).filter(~job.rules.failing())
    said = (
        f"{good.height:,} of {format_count(found.height, 'quarantined row')} released: "
        f"{original.height - changed.height:,} are unchanged, "
        f"{changed.height - good.height:,} still break a rule, "
        f"{found.height - original.height:,} are not records of the source"
    )
    if good.is_empty():
        return job, said
    before = job.fixes
    rows = good.select(*KEY, *job.read_schema)
    if before is not None:
        rows = pl.concat([before.rows.join(rows, on="row_id", how="anti"), rows])
    fixes = QuarantineFixes(rows.sort("row_id"), job.key if before is None else before.plain_key)
    return replace(job, fixes=fixes, key=fixes.key), said


def _find_files(job: Job, fixed: Path | None) -> list[Path]:
    """Return the files to release: those named, or the quarantine of the last run that ended."""
    if fixed is None:
        ended = (f for f in run_folders(job.output) if f.manifest().get("state") in _STATES)
        last: RunFolder | None = next(ended, None)
        if last is None:
            raise SourceError(
                f"{job.output} holds no run: expected one with a quarantine to release; run  "
                "siftset curate  first"
            )
        fixed = last.path / "quarantine"
        fetch_below(job.output, f"{RUNS}/{last.run_id}/{fixed.name}")
    found = [fixed] if fixed.is_file() else sorted(fixed.glob("*.parquet"))
    if not found:
        raise SourceError(f"quarantine: {fixed} holds no Parquet file: expected one, or a folder")
    return found


def _read_originals(job: Job, found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that the fixed ones replace, with the hash of the record of each."""
    schema = {"row_id": pl.String(), **job.read_schema, CONTENT: pl.UInt64()}
    empty = pl.DataFrame(schema=schema)
    parts = [
        batch.frame.with_columns(batch.content.alias(CONTENT)).join(found, on="row_id", how="semi")
        for shard in job.shards
        for batch in shard.read_batches()
    ]
    together = pl.concat([empty, *parts], how="diagonal")
    return together.unique("row_id", keep="last", maintain_order=True)


def _select_changed(original: pl.DataFrame, found: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return the records with their fixed columns, where any of them differs."""
    both = original.join(found.unique("row_id"), on="row_id", suffix=":fixed")
    differs = reduce(
        pl.Expr.__or__, [pl.col(name).ne_missing(pl.col(f"{name}:fixed")) for name in schema]
    )
    fixed = [pl.col(f"{name}:fixed").alias(name) for name in schema]
    return both.filter(differs).with_columns(fixed).select(original.columns)
