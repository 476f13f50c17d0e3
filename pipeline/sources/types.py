"""The types of columns: what text says of them, what files declare, and what both agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

import polars as pl

from siftset.pipeline.sources.row_ids import (
    BOOLEAN,
    EXACT,
    INTEGER,
    NUMBER,
    is_exact_float,
    nested_text,
    number_text,
)
from siftset.pipeline.storage.delta_types import delta_type, to_microseconds
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.delimited import DTypeName

Types = dict[str, pl.DataType]

INTEGERS: Final = (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64())
FLOATS: Final = (pl.Float32(), pl.Float64())
WIDE_INTEGER: Final = pl.UInt64()
"""Marks 64-bit integers read off text that a float cannot hold: beside floats they are text.

Columns never have this type themselves: what Delta lacks is not stored.
"""

DTYPES: Final[dict[DTypeName, pl.DataType]] = {
    "string": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
}
"""The types that a recipe may give to columns of text files."""
_TRUE: Final = ("true", "t", "yes", "1")
_FALSE: Final = ("false", "f", "no", "0")


class FileTypes(NamedTuple):
    """The columns of one file."""

    file: str
    types: Types
    declared: bool
    """Whether the file states its types (Parquet, Arrow) or they are read off its text."""


def lexeme_type(values: pl.Series, before: pl.DataType) -> pl.DataType:
    """Return the narrowest type of texts and of those seen `before`.

    Only texts that a value of the type would be written as count: 007, +1, 1.10, 1e3 and what is
    too large or too fine for a float stay text.
    """
    given = values.drop_nulls()
    if before == pl.String or given.is_empty():
        return before
    if given.str.contains(BOOLEAN).all():
        here: pl.DataType = pl.Boolean()
    elif not given.str.contains(NUMBER).all():
        here = pl.String()
    else:
        is_integer = given.str.contains(INTEGER) & (given != "-0")
        integers, others = given.filter(is_integer), given.filter(~is_integer)
        here = (
            pl.Null()
            if integers.is_empty()
            else integer_type(integers.cast(pl.Int64, strict=False))
        )
        if not others.is_empty():
            here = wider_type(here, pl.Float64() if _survives_as_float(others) else pl.String())
    return wider_type(before, here)


def integer_type(values: pl.Series) -> pl.DataType:
    """Return the type of integers: WIDE_INTEGER where a float could not hold them; null: text."""
    if values.null_count():
        return pl.String()
    low, high = values.min(), values.max()
    fits = low is None or (int(low) >= -EXACT and int(high) <= EXACT)  # type: ignore[arg-type]
    return pl.Int64() if fits else WIDE_INTEGER


def _survives_as_float(texts: pl.Series) -> bool:
    """Tell whether a program that wrote the floats of these texts would write the same texts."""
    padded = texts.str.contains(r"\.[0-9]*[1-9]0+(?:[eE]|$)|\.00+(?:[eE]|$)")
    # programs write 1.5e+22; 12345e67 or 1e3 is rather a name that happens to look like a number
    scaled = texts.filter(texts.str.contains("[eE][+0-9]"))
    odd = ~scaled.str.contains(
        r"^-?[1-9](?:\.[0-9]+)?[eE]\+?0*(?:1[5-9]|[2-9][0-9]|[1-9][0-9]{2})$"
    )
    return not padded.any() and not odd.any() and bool(is_exact_float(texts).all())


def parse_texts(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return what texts say of a type; null where they do not fit it.

    Dates and times are those of ISO 8601; a time with an offset is the same moment in UTC.
    """
    text = pl.col(values.name)
    if dtype == pl.Boolean:
        low = text.str.to_lowercase()
        found = pl.when(low.is_in(_TRUE)).then(True).when(low.is_in(_FALSE)).then(False)
        return values.to_frame().select(found)[:, 0].alias(values.name)
    if dtype == pl.Date:
        return values.str.to_date("%Y-%m-%d", strict=False)
    if isinstance(dtype, pl.Datetime):
        whole = text.str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
        local = [
            whole.str.to_datetime(form, strict=False, time_unit="us")
            for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
        ]
        zoned = whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_unit="us")
        day = whole.str.to_date("%Y-%m-%d", strict=False).cast(dtype)
        moment = zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return values.to_frame().select(pl.coalesce(*local, moment, day))[:, 0].alias(values.name)
    return values.cast(dtype, strict=False)


def wider_type(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """Return the type that holds the values of both, text in the end."""
    if pl.Null in (one, other) or one == other:
        return other if one == pl.Null else one
    for family in (INTEGERS, FLOATS, (*INTEGERS, pl.Float64())):
        if one in family and other in family:
            return max(one, other, key=family.index)
    if {one, other} == {pl.Int64(), WIDE_INTEGER}:
        return WIDE_INTEGER
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
    kept = {name: pl.Int64() if t == WIDE_INTEGER else t for name, t in types.items()}
    return {name: t if t == pl.Null else delta_type(t) for name, t in kept.items()}


def widen_to_kept(now: pl.DataType, kept: pl.DataType | None) -> pl.DataType:
    """Return the type that holds today's values and those of rows that were kept from before."""
    if kept is None or now == pl.Null:
        return kept or now
    return _declared_type(now, kept, declared=True) or pl.String()


def fit_columns(frame: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the frame with exactly these columns, absent ones null."""
    columns: dict[str, pl.Series] = {}
    here = set(frame.columns)
    for name, dtype in types.items():
        if name in here:
            columns[name] = _cast_column(frame[name], dtype)
        else:
            columns[name] = pl.Series(name, [None], dtype=dtype).new_from_index(0, frame.height)
    return pl.DataFrame(columns, height=frame.height)


def _declared_type(one: pl.DataType, other: pl.DataType, *, declared: bool) -> pl.DataType | None:
    if not declared:
        return wider_type(one, other)
    one, other = (pl.Int64() if t == WIDE_INTEGER else t for t in (one, other))
    one, other = _fill_nulls(one, other), _fill_nulls(other, one)
    if one == other:
        return one
    wider = wider_type(one, other)
    return None if wider == pl.String else wider


def _fill_nulls(dtype: pl.DataType, other: pl.DataType) -> pl.DataType:
    """Return a type whose parts that are all null have the types that another file gives them."""
    if dtype == pl.Null:
        return other
    if isinstance(dtype, pl.List) and isinstance(other, pl.List):
        return pl.List(_fill_nulls(_instance(dtype.inner), _instance(other.inner)))
    if isinstance(dtype, pl.Struct) and isinstance(other, pl.Struct):
        known = {field.name: _instance(field.dtype) for field in other.fields}
        return pl.Struct(
            {
                f.name: _fill_nulls(_instance(f.dtype), known.get(f.name, pl.Null()))
                for f in dtype.fields
            }
        )
    return dtype


def _instance(dtype: object) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else cast("type[pl.DataType]", dtype)()


def _cast_column(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    if values.dtype == dtype:
        return values
    if dtype == pl.String and values.dtype.is_float():
        return number_text(values).alias(values.name)
    if dtype == pl.String and values.dtype.is_nested():
        return nested_text(values).alias(values.name)
    if values.dtype == pl.String and (dtype == pl.Boolean or dtype.is_temporal()):
        return parse_texts(values, dtype)
    try:
        return to_microseconds(values).cast(dtype)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"column '{values.name}' does not fit {dtype}: {reason}") from None
