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
    copied = []
    for column in frame:
        if column.dtype in (pl.String, pl.Binary) or isinstance(column.dtype, _NESTED):
            # oldest: texts laid out one after the other, which cannot refer to foreign buffers
            arrow = column.to_arrow(compat_level=pl.CompatLevel.oldest())
            copied.append(to_series(column.name, arrow).cast(column.dtype))
    return frame.with_columns(copied)
