"""Arrays of numpy and Arrow taken over into polars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def to_series(name: str, values: NDArray[np.generic] | pa.Array) -> pl.Series:
    """Return the values as a series; those of numpy are copied.

    They come over Arrow's C interface: pl.Series imports numpy.ma for an array of numpy, and
    pyarrow.compute for one of Arrow, and either costs as much as sifting some 10,000 rows.
    """
    import pyarrow as pa  # half of what polars takes to start, and nothing new needs none of it

    if not isinstance(values, pa.Array):
        kind = pa.from_numpy_dtype(values.dtype)
        bits = values.dtype == np.bool_
        held = np.packbits(values.astype(bool), bitorder="little") if bits else values
        buffers = [None, pa.py_buffer(held.tobytes())]
        values = pa.Array.from_buffers(kind, len(values), buffers)
    batch = pa.RecordBatch.from_arrays([values], [name])
    return pl.Series(batch).struct.unnest().to_series()
