"""The rows that a run did not put into the set, as they lie in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import polars as pl

from siftset.pipeline.storage.run_folder import run_folders
from siftset.schemas.errors import OutputError

RowKind = Literal["kept", "rejected", "quarantined", "duplicates", "unreadable"]

ROW_FOLDERS: Final[dict[RowKind, str]] = {
    "rejected": "rejected",
    "quarantined": "quarantine",
    "duplicates": "duplicates",
    "unreadable": "unreadable",
}


def scan_row_kind(output: Path, kind: RowKind, run_id: str | None = None) -> pl.LazyFrame:
    """Return the rows of a kind that a run left, by default the last run.

    Raises OutputError where there is no such run, or where it left no row of the kind.
    """
    runs = list(run_folders(output))
    run = next((one for one in runs if run_id in (None, one.run_id)), None)
    if run is None:
        known = ", ".join(one.run_id for one in runs[:3]) or "none"
        wanted = "a run" if run_id is None else f"the run '{run_id}'"
        raise OutputError(f"{output} has not {wanted}; its latest runs: {known}")
    files = sorted((run.path / ROW_FOLDERS[kind]).glob("*.parquet"))
    if not files:
        raise OutputError(f"the run {run.run_id} left no {kind} rows: there is nothing to write")
    return pl.scan_parquet(files, missing_columns="insert", extra_columns="ignore")
