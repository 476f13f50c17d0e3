"""What a reviewer saw of a record, as a hash that its later reading is compared with."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from siftset.pipeline.sources.row_ids import content_hashes


def hash_records(frame: pl.DataFrame, columns: Collection[str]) -> pl.Series:
    """Return 16 hex digits for each row over the source's columns, before any decision.

    Values count by their text: neither types nor the order of columns matter, and a null is as good
    as a column that is not there.
    """
    content = content_hashes(frame.select(name for name in frame.columns if name in columns))
    return pl.Series("seen", [f"{value:016x}" for value in content.tolist()], dtype=pl.String)
