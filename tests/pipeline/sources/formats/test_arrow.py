from __future__ import annotations

import datetime
import subprocess
import sys
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest

from siftset.pipeline.sources.formats.arrow import to_frame

COLUMNS = {
    "int": pa.array([1, None, 3], pa.int16()),
    "text": pa.array(["x", None, ""]),
    "large": pa.array(["x", None, ""], pa.large_string()),
    "view": pa.array(["x", None, "a text that is too long to lie inline"], pa.string_view()),
    "words": pa.array(["a", "b", "a"]).dictionary_encode(),
    "list": pa.array([[1], None, []]),
    "nothing": pa.array([None, None, None]),
    "nothings": pa.array([[None, None], None, []]),
    "struct": pa.array([{"q": 1}, None, {"q": 2}]),
    "when": pa.array([datetime.datetime(2020, 1, 1)] * 3),
    "decimal": pa.array([Decimal("1.1"), None, Decimal("2")]),
    "bytes": pa.array([b"1", None, b"\xff"]),
    "flag": pa.array([True, None, False]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_comes_over_as_polars_itself_takes_it(name):
    batch = pa.RecordBatch.from_arrays([COLUMNS[name]], ["a"])
    table = pa.Table.from_batches([batch, batch.slice(1, 1), batch.slice(0, 0)])
    for data in (batch, batch.slice(1), batch.slice(0, 0), table):
        expected = pl.from_arrow(data)
        assert to_frame(data).schema == expected.schema
        assert to_frame(data).equals(expected)


def test_rows_without_columns_keep_their_number():
    assert to_frame(pa.table({})).shape == (0, 0)


def test_a_column_given_twice_is_refused():
    twice = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    with pytest.raises(pl.exceptions.DuplicateError):
        to_frame(twice)


def test_reading_parquet_does_not_import_pandas(tmp_path):
    pl.DataFrame({"text": ["a", None]}).write_parquet(tmp_path / "x.parquet")
    code = (
        "import sys; from pathlib import Path; "
        "from siftset.pipeline.sources.formats.columnar import open_parquet; "
        "from siftset.pipeline.sources.find_files import InputFile; "
        f"file = InputFile(Path({str(tmp_path / 'x.parquet')!r}), 'x', 'x', 'parquet', None); "
        "[list(part.read_records()) for part in open_parquet(file)[1]]; "
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
