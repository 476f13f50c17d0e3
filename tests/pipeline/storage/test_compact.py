from __future__ import annotations

import gc
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.run.row_sample import SeededSample
from siftset.pipeline.storage.compact import compact

EVERY = pl.DataFrame(
    {
        "text": ["a" * 50, None, ""],
        "list": [["b" * 50, None], [], None],
        "deep": [{"x": [{"y": "c" * 20}]}, {"x": []}, None],
        "enum": pl.Series(["x", "y", None], dtype=pl.Enum(["x", "y"])),
        "category": pl.Series(["x", "y", None], dtype=pl.Categorical),
        "states": pl.Series(
            [{"s": "x"}, {"s": None}, None], dtype=pl.Struct({"s": pl.Enum(["x", "y"])})
        ),
        "pair": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int8, 2)),
        "bytes": [b"d" * 50, None, b""],
        "day": [date(2024, 1, 1), None, date(2024, 1, 2)],
        "moment": [datetime(2024, 1, 1, tzinfo=UTC), None, None],
        "exact": [Decimal("1.25"), None, Decimal("3.50")],
        "number": [1.5, None, float("nan")],
        "nothing": [None, None, None],
    }
)


@pytest.mark.parametrize("rows", [slice(0, 3), slice(1, 2), slice(0, 0)])
def test_nothing_but_the_memory_changes(rows):
    frame = EVERY[rows]
    made = compact(frame)
    assert made.schema == frame.schema
    assert made.equals(frame, null_equal=True)


def test_a_frame_without_texts_stays():
    frame = EVERY.select("day", "number")
    assert compact(frame).equals(frame)


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_sample_does_not_keep_the_batches_it_came_from():
    """Sixty batches of 4 MB leave a sample of 300 rows, not 240 MB."""
    watch = SeededSample(1_200_000, rows=300)
    gc.collect()
    before = _resident()
    for batch in range(60):
        ids = [f"{(batch * 20_000 + i) * 2654435761 % 2**48:012x}" for i in range(20_000)]
        watch.read(pl.DataFrame({"row_id": ids, "text": [f"{one} {'x' * 190}" for one in ids]}))
    assert 100 < sum(frame.height for frame in watch.frames) < 1000
    assert _resident() - before < 120
