"""What each type becomes in a text file: CSV fields and JSON values.

| type | CSV | JSON Lines |
| --- | --- | --- |
| text, boolean, integer, decimal | as it is written | text, true, number, decimal as text |
| float | shortest form; inf, -inf, NaN | number; "inf", "-inf"; NaN is null |
| date, time | ISO 8601 | the same as text |
| list, struct | JSON text | JSON |
| binary | base64 | the same as text |
| null | nothing between the delimiters | null |
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

import polars as pl
from pydantic import JsonValue

_FORMULA: Final = r"^([=+\-@\t\r])"
"""What a spreadsheet takes for the beginning of a formula."""


def to_csv_fields(frame: pl.DataFrame, *, for_spreadsheets: bool = False) -> pl.DataFrame:
    """Return the frame with what a CSV field cannot hold as text.

    With `for_spreadsheets`, text that begins like a formula gets an apostrophe before it.
    """
    columns = []
    for column in frame.get_columns():
        if column.dtype.is_nested():
            texts = [None if v is None else _dump(json_value(v)) for v in column.to_list()]
            column = pl.Series(column.name, texts, dtype=pl.String)
        elif column.dtype == pl.Binary:
            column = column.bin.encode("base64")
        if for_spreadsheets and column.dtype == pl.String:
            column = column.str.replace(_FORMULA, "'$1")
        columns.append(column)
    return pl.DataFrame(columns, height=frame.height)


def write_json_lines(frame: pl.DataFrame) -> bytes:
    """Return the rows as JSON Lines."""
    if not any(_needs_care(column) for column in frame.get_columns()):
        return frame.write_ndjson().encode()
    return "".join(f"{_dump(json_value(row))}\n" for row in frame.iter_rows(named=True)).encode()


def json_value(value: object) -> JsonValue:
    """Return a value of polars as JSON has it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isfinite(value):
                return value
            return None if math.isnan(value) else str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {str(key): json_value(item) for key, item in value.items()}
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case Iterable():
            return [json_value(item) for item in value]
    return str(value)


def _dump(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _needs_care(column: pl.Series) -> bool:
    """Tell whether polars writes a column as something else than the table above says."""
    if isinstance(column.dtype, pl.Struct):
        return any(_needs_care(field) for field in column.struct.unnest().get_columns())
    if isinstance(column.dtype, pl.List | pl.Array):
        return _needs_care(column.explode())
    if column.dtype.is_float():
        return bool(column.is_infinite().any())
    return column.dtype == pl.Binary
