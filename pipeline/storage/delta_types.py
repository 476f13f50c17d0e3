"""Columns in types that a Delta table holds."""

from __future__ import annotations

from typing import Final, cast

import polars as pl

_CASTS: Final[dict[pl.DataType, pl.DataType]] = {
    pl.UInt8(): pl.Int16(),
    pl.UInt16(): pl.Int32(),
    pl.UInt32(): pl.Int64(),
    pl.UInt64(): pl.Decimal(20, 0),
    pl.Int128(): pl.Decimal(38, 0),
    pl.Float16(): pl.Float32(),
    pl.Time(): pl.String(),
    pl.Null(): pl.String(),
}


def delta_type(dtype: pl.DataType, *, null: pl.DataType | None = None) -> pl.DataType:
    """Return the type that a column of `dtype` takes in a Delta table, which has fewer types.

    A time of any zone is stored as the same moment in UTC; what holds a struct without fields, or
    with two whose names differ in case alone, as its JSON text; what is all null as `null`, text.
    """
    if dtype.is_nested() and _is_json_only(dtype):
        return pl.String()
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(delta_type(_instance(dtype.inner), null=null))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({f.name: delta_type(_instance(f.dtype), null=null) for f in dtype.fields})
    if dtype == pl.Null and null is not None:
        return null
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.Duration):
        return pl.Int64()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", "UTC" if dtype.time_zone else None)
    return _CASTS.get(dtype, dtype)


def _instance(dtype: object) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else cast("type[pl.DataType]", dtype)()


def _is_json_only(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.List | pl.Array):
        return _is_json_only(_instance(dtype.inner))
    if not isinstance(dtype, pl.Struct):
        return False
    names = {field.name.lower() for field in dtype.fields}
    some = any(_is_json_only(_instance(field.dtype)) for field in dtype.fields)
    return some or not names or len(names) < len(dtype.fields)


def to_microseconds(values: pl.Series) -> pl.Series:
    """Return values whose durations, nested ones too, count microseconds."""
    dtype = _duration_in_microseconds(values.dtype)
    return values if dtype == values.dtype else values.cast(dtype)


def _duration_in_microseconds(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, pl.Duration):
        return pl.Duration("us")
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(_duration_in_microseconds(_instance(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct(
            {f.name: _duration_in_microseconds(_instance(f.dtype)) for f in dtype.fields}
        )
    return dtype


def cast_storable(frame: pl.DataFrame) -> pl.DataFrame:
    """Cast the columns of `frame` that a Delta table cannot hold as they are."""
    casts = {
        name: delta_type(dtype)
        for name, dtype in frame.schema.items()
        if delta_type(dtype) != dtype
    }
    return frame.cast(casts) if casts else frame  # type: ignore[arg-type]
