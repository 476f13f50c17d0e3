"""Frames that hold no more memory than they show.

A filtered column of texts still refers to the buffers of the frame that it was taken from, so that
a few rows kept of every batch would keep all batches in memory.
"""

from __future__ import annotations

import polars as pl

from siftset.signals.kernels.arrays import to_series

_NESTED = (pl.List, pl.Array, pl.Struct)


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy texts, nested ones too, out of the buffers that they were filtered from."""
    return frame.with_columns(_copy_column(column) for column in frame if _refers(column.dtype))


def _refers(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Binary) or isinstance(dtype, _NESTED)


def _copy_column(column: pl.Series) -> pl.Series:
    # oldest: texts laid out one after the other, which cannot refer to foreign buffers
    arrow = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    return to_series(column.name, arrow).cast(column.dtype)
