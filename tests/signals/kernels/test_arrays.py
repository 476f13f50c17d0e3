"""Arrays that become series: what pl.Series makes of them, without the modules that it imports."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_series_equal

from siftset.signals.kernels.arrays import to_series

ARRAYS = [
    np.array([True, False, True] * 5),
    np.arange(7, dtype=np.uint8),
    np.arange(7, dtype=np.int64)[::2],
    np.array([0, 2**64 - 1], dtype=np.uint64),
    np.array([1.5, np.nan, -np.inf]),
    np.zeros(0, bool),
    np.zeros(0, np.float64),
    pa.array(["one", None, "three"], pa.large_string()),
]


@pytest.mark.parametrize(
    "values", ARRAYS, ids=lambda v: f"{v.dtype if hasattr(v, 'dtype') else v.type}"
)
def test_a_series_holds_what_pl_series_would_hold(values):
    assert_series_equal(to_series("x", values), pl.Series("x", values))


def test_a_series_keeps_what_its_array_held():
    values = np.arange(3)
    series = to_series("x", values)
    values[:] = 9
    assert series.to_list() == [0, 1, 2]


def test_a_run_imports_neither_numpy_ma_nor_pyarrow_compute():
    program = (
        "import sys, polars as pl\n"
        "from siftset import keyword, sentiment\n"
        "wanted = keyword('shoes') & (sentiment() >= 0.05)\n"
        "wanted.decide(pl.DataFrame({'text': ['I love shoes', None]}))\n"
        "print(sorted({'numpy.ma', 'pyarrow.compute'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout == "[]\n"
