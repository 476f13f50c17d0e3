"""JSON Lines, and JSON arrays of objects. A nested value is kept as its JSON text."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from siftset.pipeline.sources.batch import RawBlock
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.array import split_array
from siftset.pipeline.sources.formats.arrow import to_frame
from siftset.pipeline.sources.formats.records import (
    Records,
    sort_bad,
    split_lines,
    split_unreadable,
)
from siftset.pipeline.sources.formats.streams import text_blocks, wide_blocks
from siftset.pipeline.sources.row_ids import EXACT, number_text
from siftset.pipeline.sources.types import WIDE_INTEGER, integer_type, wider_type

if TYPE_CHECKING:
    import pyarrow as pa

PLAIN: Final = (pl.Null, pl.Boolean, pl.Int64, pl.Float64, pl.String)
INT64: Final = 2**63
DEEPEST: Final = 256
"""Levels of lists and objects in a record; a deeper one is unreadable."""
STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"')


@dataclass(frozen=True, slots=True)
class JsonRecords:
    """A file of JSON objects, one a line or all in one array."""

    file: InputFile
    longest: int

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the records; each block has the columns and types that it needs."""
        blocks = wide_blocks(text_blocks(self.file), b'":')
        if self.file.format == "json":
            split = split_array(blocks, self.file, longest=self.longest)
        else:
            split = split_lines(blocks, longest=self.longest)
        for records in split:
            good, bad = split_unreadable(records, longest=self.longest, encoding=self.file.encoding)
            if not len(good) and not bad:
                continue
            frame = _parse_fast(good)
            wrong: dict[int, str] = {}
            if frame is None:
                frame, wrong = _parse_by_line(good)
            keep = np.ones(len(good), dtype=np.bool_)
            keep[list(wrong)] = False
            bad += [good.bad_record(at, reason) for at, reason in wrong.items()]
            numbers = pl.Series("record", good.numbers[keep], dtype=pl.Int64)
            yield RawBlock(frame, numbers, tuple(sort_bad(bad, self.file.encoding)))

    def narrow_type(self, column: pl.Series, before: pl.DataType) -> pl.DataType:
        """Return the type of both; a column of several kinds is text."""
        return wider_type(
            before, integer_type(column.drop_nulls()) if column.dtype == pl.Int64 else column.dtype
        )


def _parse_fast(records: Records) -> pl.DataFrame | None:
    """Parse with pyarrow; None where a record is broken or a column mixes kinds or nests."""
    import pyarrow as pa

    array = np.frombuffer(records.data, dtype=np.uint8)
    if not len(records) or not (array[records.starts] == ord("{")).all():
        return None
    opens = np.flatnonzero((array == ord("{")) | (array == ord("[")))
    each = np.diff(np.searchsorted(opens, np.append(records.starts, len(array))))
    if any(_is_too_deep(records.raw_bytes(at)) for at in np.flatnonzero(each > DEEPEST).tolist()):
        return None
    data = records.join_lines()
    table = _read_json(data, {})
    if table is None:
        return None
    dated = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    if dated:
        table = _read_json(data, dict.fromkeys(dated, pa.string()))
    if table is None or table.num_rows != len(records):
        return None
    if any(pa.types.is_nested(field.type) for field in table.schema):
        return None
    frame = to_frame(table)
    for column in frame.get_columns():
        if column.dtype not in PLAIN:
            return None
        # large integers beside floats arrive as floats, which cannot hold them
        if column.dtype == pl.Float64 and (column.abs() >= EXACT).any():
            return None
    return frame


def _read_json(data: bytes, texts: dict[str, pa.DataType]) -> pa.Table | None:
    import pyarrow as pa
    import pyarrow.json

    reading = pa.json.ReadOptions(use_threads=False, block_size=len(data) + 2)
    schema = pa.schema(list(texts.items())) if texts else None
    parsing = pa.json.ParseOptions(explicit_schema=schema, newlines_in_values=False)
    try:
        return pa.json.read_json(io.BytesIO(data + b"\n"), reading, parsing)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _parse_by_line(records: Records) -> tuple[pl.DataFrame, dict[int, str]]:
    """Parse line by line: the block has a broken, mixed or nested record."""
    rows: list[dict[str, Any]] = []
    wrong: dict[int, str] = {}
    for at in range(len(records)):
        raw = records.raw_bytes(at)
        try:
            if _is_too_deep(raw):
                raise ValueError(f"nested deeper than {DEEPEST} levels")
            value = json.loads(raw, parse_float=_parse_float)
            if not isinstance(value, dict):
                raise ValueError(f"expected an object, got {type(value).__name__}")
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            wrong[at] = f"broken JSON: {error}"
        else:
            rows.append(value)
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, pl.Series] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        dtype: pl.DataType = pl.Null()
        for kind in {_value_type(value) for value in values}:
            dtype = wider_type(dtype, kind)
        if dtype == pl.String:
            values = [_value_text(value) for value in values]
        dtype = pl.Int64() if dtype == WIDE_INTEGER else dtype
        columns[name] = pl.Series(name, values, dtype=dtype, strict=False)
    return pl.DataFrame(columns, height=len(rows)), wrong


def _parse_float(text: str) -> float | str:
    """Return a number that is too large for a float as its text."""
    value = float(text)
    return value if math.isfinite(value) else text


def _is_too_deep(raw: bytes) -> bool:
    """Tell whether JSON text nests deeper than parsers, which recurse, can be trusted to go."""
    if raw.count(b"{") + raw.count(b"[") <= DEEPEST:
        return False
    marks = np.frombuffer(STRING.sub(b"", raw), dtype=np.uint8)
    opens = (marks == ord("{")) | (marks == ord("["))
    closes = (marks == ord("}")) | (marks == ord("]"))
    return bool((np.cumsum(opens.astype(np.int64) - closes) > DEEPEST).any())


def _value_type(value: object) -> pl.DataType:
    match value:
        case None:
            return pl.Null()
        case bool():
            return pl.Boolean()
        case int():
            if -EXACT <= value <= EXACT:
                return pl.Int64()
            return WIDE_INTEGER if -INT64 <= value < INT64 else pl.String()
        case float():
            return pl.Float64()
    return pl.String()


def _value_text(value: object) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(number_text(pl.Series([value])).item())
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
