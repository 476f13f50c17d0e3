"""Texts as bytes: what the kernels read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.kernels.arrays import to_series

if TYPE_CHECKING:
    import pyarrow as pa

Item = TypeVar("Item", bound=np.generic)


class TextBytes(NamedTuple):
    """The UTF-8 bytes of a column of texts, without a copy of Arrow's buffers.

    Row r lies in data[offsets[r] : offsets[r + 1]]. A null row's bytes mean nothing.
    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]


def text_bytes(texts: pl.Series) -> TextBytes:
    """Lay out a series of texts, sliced or in chunks as it may be, in one buffer."""
    if texts.is_empty() or texts.dtype == pl.Null:
        return TextBytes(
            _freeze_array(np.zeros(len(texts) + 1, np.int64)), _freeze_array(np.zeros(1, np.uint8))
        )
    # oldest: offsets of 64 bits and one data buffer, where polars itself holds views
    arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = arrow.buffers()
    return TextBytes(
        _freeze_array(np.frombuffer(offsets, np.int64, len(arrow) + 1, arrow.offset * 8)),
        _freeze_array(np.frombuffer(data if data is not None and data.size else b"\0", np.uint8)),
    )


def with_nulls_of(texts: pl.Series, values: NDArray[np.generic] | pa.Array) -> pl.Series:
    """Make a series of values, null where the text is null."""
    series = to_series(texts.name, values)
    if not texts.null_count():
        return series
    return (
        series.to_frame()
        .select(pl.when(pl.lit(texts.is_not_null())).then(pl.col(texts.name)).alias(texts.name))
        .to_series()
    )


def _freeze_array(array: NDArray[Item]) -> NDArray[Item]:
    """Make an array read-only: the kernels are then compiled for one type of array only."""
    array.flags.writeable = False
    return array
