"""Arrays of numpy and Arrow taken over into polars."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray


def to_series(name: str, values: NDArray[np.generic] | pa.Array) -> pl.Series:
    """Return the values as a series; those of numpy are copied.

    They come over Arrow's C interface: pl.Series imports numpy.ma for an array of numpy, and
    pyarrow.compute for one of Arrow, and either costs as much as sifting some 10,000 rows.
    """
    array = values if isinstance(values, pa.Array) else _arrow(values)
    batch = pa.RecordBatch.from_arrays([array], [name])
    return pl.Series(batch).struct.unnest().to_series()


def _arrow(values: NDArray[np.generic]) -> pa.Array:
    kind = pa.from_numpy_dtype(values.dtype)
    bits = values.dtype == np.bool_
    held = np.packbits(values.astype(bool), bitorder="little") if bits else values
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(held.tobytes())])
