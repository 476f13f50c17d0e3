"""How many rows a run adds to the set and removes from it, without asking why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError
from siftset.schemas.results.columns import SHORT_ID
from siftset.schemas.results.summary import Turnover

PASS_ROWS: Final = 4_000_000
"""Rows of a side that are compared at once, 32 MB."""


def count_turnover(store: Store, files: Sequence[Path]) -> Turnover | None:
    """Count the row ids of `files` that the current version lacks, and the other way round."""
    version = store.version()
    if version is None:
        return None
    try:
        before = store.local_files(version)
    except OutputError:  # another tool removed them: there is nothing to compare with
        return None
    rows = max(_count_rows(before), _count_rows(files))
    passes = rows // PASS_ROWS + 1
    entered = left = 0
    for number in range(passes):
        old, new = (_read_ids(side, number, passes) for side in (before, files))
        both = np.intersect1d(old, new, assume_unique=True).size
        entered, left = entered + new.size - both, left + old.size - both
    return Turnover(version, entered, left)


def count_changed_rows(store: Store, files: Sequence[Path]) -> int | None:
    """Count the rows that only `files` or only the current version hold, or answer otherwise.

    What one of both did not ask counts as equal. None where the version cannot be read.
    """
    version = store.version()
    if version is None:
        return None
    try:
        before = pl.scan_parquet(store.local_files(version))
        after = pl.scan_parquet(list(files))
        schemas = [side.select("^(signals|scores)$").collect_schema() for side in (before, after)]
    except (OutputError, OSError, pl.exceptions.PolarsError):
        return None
    if schemas[0] != schemas[1]:
        return _count_rows(files)
    asked = pl.col("row_id", *schemas[0].names())
    both = before.select(asked).join(
        after.select(asked), on="row_id", how="full", suffix="_new", coalesce=False
    )
    differs = [pl.col("row_id").is_null(), pl.col("row_id_new").is_null()]
    for column, kind in schemas[0].items():
        assert isinstance(kind, pl.Struct)
        for name in (one.name for one in kind.fields):
            old, new = (pl.col(side).struct.field(name) for side in (column, f"{column}_new"))
            known = old.cast(pl.String) != "skipped", new.cast(pl.String) != "skipped"
            differs.append(pl.all_horizontal(old != new, *known).fill_null(False))
    return int(both.select(pl.any_horizontal(differs).sum()).collect(engine="streaming").item())


def _count_rows(files: Sequence[Path]) -> int:
    return int(pl.scan_parquet(list(files)).select(pl.len()).collect().item()) if files else 0


def _read_ids(files: Sequence[Path], number: int, passes: int) -> NDArray[np.uint64]:
    """Read the first 64 bits of the row ids that fall into one pass."""
    if not files:
        return np.zeros(0, np.uint64)
    chosen = (
        pl.scan_parquet(list(files)).select(SHORT_ID).filter(pl.col("row_id") % passes == number)
    )
    return chosen.collect(engine="streaming")["row_id"].to_numpy()
