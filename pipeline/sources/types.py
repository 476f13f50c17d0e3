"""The types of columns: what text says of them, what files declare, and what both agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import polars as pl

from siftset.pipeline.sources.row_ids import BOOLEAN, INTEGER, NUMBER, number_text
from siftset.schemas.errors import SourceError

Types = dict[str, pl.DataType]

INTEGERS: Final = (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64())
FLOATS: Final = (pl.Float32(), pl.Float64())
STORED: Final[dict[type[pl.DataType], pl.DataType]] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Decimal(20, 0),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
    pl.Time: pl.String(),
    pl.Duration: pl.Int64(),
}
"""Types that a Delta table does not have, and what is stored in their place."""


class FileTypes(NamedTuple):
    """The columns of one file."""

    file: str
    types: Types
    declared: bool
    """Whether the file states its types (Parquet, Arrow) or they are read off its text."""


def stored_type(dtype: pl.DataType) -> pl.DataType:
    """Return the type that a column of a source is stored as."""
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "us":
        return pl.Datetime("us", dtype.time_zone)
    return STORED.get(type(dtype), dtype)


def lexeme_type(values: pl.Series, before: pl.DataType) -> pl.DataType:
    """Return the narrowest type of texts and of those seen `before`.

    Only texts that a value of the type would be written as count: 007 and +1 stay text.
    """
    given = values.drop_nulls()
    if before == pl.String or given.is_empty():
        return before
    if given.str.contains(BOOLEAN).all():
        here: pl.DataType = pl.Boolean()
    elif not given.str.contains(NUMBER).all():
        here = pl.String()
    elif not given.str.contains(INTEGER).all():
        here = pl.Float64()
    else:
        here = pl.Int64() if given.cast(pl.Int64, strict=False).null_count() == 0 else pl.String()
    return wider_type(before, here)


def wider_type(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """Return the type that holds the values of both, text in the end."""
    if pl.Null in (one, other) or one == other:
        return other if one == pl.Null else one
    if {one, other} == {pl.Int64(), pl.Float64()}:
        return pl.Float64()
    return pl.String()


def agree_types(files: list[FileTypes]) -> Types:
    """Return the columns of all files by name; raise SourceError where declared types conflict."""
    types: Types = {}
    first: dict[str, FileTypes] = {}
    for file in files:
        for name, dtype in file.types.items():
            if types.get(name, pl.Null()) == pl.Null:
                first[name] = file
                types[name] = dtype
                continue
            joined = _declared_type(
                types[name], dtype, declared=first[name].declared or file.declared
            )
            if joined is None:
                raise SourceError(
                    f"column '{name}': {first[name].file} holds {types[name]} but {file.file} "
                    f"holds {dtype}; expected one type: convert one of the files, or read them "
                    "as two sources"
                )
            types[name] = joined
    return types


def fit_columns(frame: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the frame with exactly these columns, absent ones null."""
    columns = []
    for name, dtype in types.items():
        if name in frame.columns:
            columns.append(_cast_column(frame[name], dtype))
        else:
            columns.append(pl.Series(name, [None], dtype=dtype).new_from_index(0, frame.height))
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=frame.height)


def _declared_type(one: pl.DataType, other: pl.DataType, *, declared: bool) -> pl.DataType | None:
    if not declared:
        return wider_type(one, other)
    if other == pl.Null or one == other:
        return one
    for family in (INTEGERS, FLOATS, (*INTEGERS, pl.Float64())):
        if one in family and other in family:
            return max(one, other, key=family.index)
    return None


def _cast_column(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    if values.dtype == dtype:
        return values
    if dtype == pl.String and values.dtype.is_float():
        return number_text(values).alias(values.name)
    if dtype == pl.Boolean and values.dtype == pl.String:
        return values.str.to_lowercase() == "true"
    if values.dtype == pl.Duration:
        return values.dt.total_microseconds()
    try:
        return values.cast(dtype)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"column '{values.name}' does not fit {dtype}: {reason}") from None
