"""Files outside the run that it is compared with: a reference, a held-out set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from siftset.schemas.conversations import COLUMN
from siftset.schemas.errors import SourceError

_READERS: Final[dict[str, Callable[[Path], pl.LazyFrame]]] = {
    ".parquet": lambda path: pl.scan_parquet(path),
    ".csv": lambda path: pl.scan_csv(path, infer_schema=False),
    ".jsonl": lambda path: pl.scan_ndjson(path),
    ".ndjson": lambda path: pl.scan_ndjson(path),
    ".txt": lambda path: pl.scan_lines(path, name="text"),
}


def open_outside(path: Path, key: str, *, talks: bool = False) -> pl.LazyFrame:
    """Open a Parquet, CSV, JSON Lines or text file, or a Delta table, that has a column `text`.

    With `talks` a column `messages` will do. `key` is where the recipe names it. Raises SourceError
    for what cannot be read so.
    """
    if (path / "_delta_log").is_dir():
        from deltalake import DeltaTable

        rows = pl.scan_parquet(DeltaTable(path).file_uris())
    elif path.is_dir() and any(path.glob("*.parquet")):
        rows = pl.scan_parquet(path / "*.parquet")
    elif path.is_file() and path.suffix in _READERS:
        rows = _READERS[path.suffix](path)
    else:
        raise SourceError(
            f"{key}: {path} is not there or of no known kind: expected a Delta table, a folder of "
            f"Parquet files, or a file that ends in {', '.join(_READERS)}"
        )
    try:
        names = rows.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{key}: {path} cannot be read ({reason}): fix or replace it") from error
    if "text" not in names and not (talks and COLUMN in names):
        raise SourceError(
            f"{key}: {path} has no column 'text', only {', '.join(names[:10])}: rename one to text"
        )
    return rows
