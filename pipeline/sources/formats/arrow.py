"""Arrow's tables taken over into polars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa


def to_frame(data: pa.RecordBatch | pa.Table) -> pl.DataFrame:
    """Return the rows as a frame, without a copy where the types allow it.

    Flat columns come over Arrow's C interface: pl.from_arrow imports pandas where that happens to
    be installed, which costs more than reading a small file.
    """
    if not data.num_columns:
        return pl.DataFrame(height=data.num_rows)
    import pyarrow as pa

    if any(pa.types.is_nested(field.type) for field in data.schema):
        frame = pl.from_arrow(data)
        assert isinstance(frame, pl.DataFrame)
        return frame
    return pl.Series(data).struct.unnest().rechunk()
