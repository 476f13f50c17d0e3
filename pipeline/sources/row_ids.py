"""Canonical text, content hashes and row ids: the same for every format, batch and order.

A value's canonical text does not depend on the type that its column happened to get, so a file that
widens a column (integers become floats, floats become text) leaves the ids of the others alone:
1, 1.0, "1" and "1.0" are one text. Rows that this makes equal still get ids of their own, because
an id also counts the earlier equal records of the file.

Ids and join keys are compared as they stand in the record instead: as their text, or as their exact
integer. "1.10" is not "1.1", and 1e3 is not 1000.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from siftset.schemas.errors import SourceError
from siftset.signals.kernels.arrays import to_series

INTEGER: Final = r"^-?(?:0|[1-9][0-9]*)$"
NUMBER: Final = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
BOOLEAN: Final = r"^(?:true|false|True|False|TRUE|FALSE)$"
LONGEST_NUMBER: Final = 40
EXACT: Final = 2.0**53
"""Every integer below this is exact as a float."""
_SAFE_DIGITS: Final = 15
"""A decimal of so many digits is the only one so short that its float stands for."""
_CELLS: Final = 2**18
"""Cells that are hashed at a time."""

_TEMPORAL_FORMATS: Final = {
    pl.Date: "%Y-%m-%d",
    pl.Datetime: "%Y-%m-%dT%H:%M:%S%.6f",
    pl.Time: "%H:%M:%S%.f",
}

Hashes = NDArray[np.uint64]


def canonical_text(values: pl.Series) -> pl.Series:
    """Return the canonical text of every value; null stays null."""
    dtype = values.dtype
    if dtype == pl.String:
        return _rewrite_literals(values)
    if dtype == pl.Boolean:
        return values.cast(pl.String)
    if dtype.is_numeric():
        return number_text(values)
    if dtype == pl.Null or dtype in (pl.Categorical, pl.Enum):
        return values.cast(pl.String)
    if dtype == pl.Binary:
        return values.bin.encode("hex")
    for temporal, form in _TEMPORAL_FORMATS.items():
        if dtype == temporal:
            return values.dt.to_string(form)
    if dtype.is_temporal():
        return values.cast(pl.Int64).cast(pl.String)
    return nested_text(values)


def number_text(values: pl.Series) -> pl.Series:
    """Return numbers as text: whole ones without point, the others in their shortest form."""
    if values.dtype.is_integer():
        return values.cast(pl.String)
    floats = values if values.dtype == pl.Float32 else values.cast(pl.Float64)
    whole = (floats == floats.floor()) & (floats.abs() < EXACT)
    if whole.all():
        return floats.cast(pl.Int64).cast(pl.String)
    frame = pl.DataFrame({"x": floats, "whole": whole})
    text = pl.col("x").cast(pl.String)
    integer = pl.col("x").cast(pl.Int64, strict=False).cast(pl.String)
    return frame.select(pl.when("whole").then(integer).otherwise(text))["x"]


def is_exact_float(texts: pl.Series) -> pl.Series:
    """Return whether a float stands for the very number that each text of NUMBER is."""
    frame = texts.alias("x").to_frame().with_columns(f=pl.col("x").cast(pl.Float64))
    digits = pl.col("x").str.extract(r"^-?0*\.?0*([0-9.]*)", 1).str.replace(".", "", literal=True)
    plain = (digits.str.len_bytes() <= _SAFE_DIGITS) & ~pl.col("x").str.contains("[eE]")
    finite = pl.col("f").is_finite()
    sure = plain | (pl.col("f").cast(pl.String) == pl.col("x"))
    frame = frame.with_row_index("at").with_columns(exact=finite & sure)
    rest = frame.filter(finite & ~sure)
    decided = [Decimal(x) == Decimal(repr(f)) for x, f in rest.select("x", "f").iter_rows()]
    return frame["exact"].scatter(rest["at"], decided)


def content_hashes(frame: pl.DataFrame) -> Hashes:
    """Hash the records of a frame; a null counts as absent, the order of columns does not count."""
    total = np.zeros(frame.height, dtype=np.uint64)
    if not frame.height:
        return total
    names = pl.DataFrame({"x": frame.columns}, schema={"x": pl.String})
    seeds = names.select(plh.col("x").nchash.xxh3_64())["x"].to_list()
    for columns in _equal_types(frame):
        texts = _canonical_columns([frame.to_series(at) for at in columns])
        hashed = texts.select_seq(
            plh.col(name).nchash.xxh3_64(seed=seeds[at]).fill_null(0)
            for name, at in zip(texts.columns, columns, strict=True)
        )
        for column in hashed.get_columns():
            total += column.to_numpy()
    return total


def _equal_types(frame: pl.DataFrame) -> Iterator[list[int]]:
    """Yield the places of columns that share a type, of few rows many at a time."""
    most = max(1, _CELLS // frame.height)
    places: dict[pl.DataType, list[int]] = {}
    for at, dtype in enumerate(frame.dtypes):
        places.setdefault(dtype, []).append(at)
    for found in places.values():
        for start in range(0, len(found), most):
            yield found[start : start + most]


def _canonical_columns(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """Return the canonical texts of columns of one type, which are asked as one long column.

    What an expression costs beside its rows would else be most of what a wide table costs.
    """
    if len(columns) == 1:
        return canonical_text(columns[0]).alias("0").to_frame()
    height = len(columns[0])
    texts = canonical_text(pl.concat([column.alias("x") for column in columns], rechunk=True))
    return pl.DataFrame(
        [texts.slice(at * height, height).alias(str(at)) for at in range(len(columns))]
    )


def record_ids(content: Hashes, occurrence: NDArray[np.int64], prefix: str) -> pl.Series:
    """Return row ids from content and how many earlier records equal it; prefix is the file."""
    parts = [to_series("content", content), to_series("n", occurrence)]
    text = pl.concat_str(pl.lit(prefix), "content", pl.lit("\0"), "n")
    return hex_ids(pl.DataFrame(parts).select(x=text)["x"])


def key_text(values: pl.Series) -> pl.Series:
    """Return what identifies a record: its text, or its exact integer as text; NaN is no id."""
    if values.dtype == pl.String or values.dtype.is_integer() or values.dtype.is_decimal():
        return values.cast(pl.String)
    return canonical_text(values.fill_nan(None) if values.dtype.is_float() else values)


def mapped_ids(ids: pl.Series, source: str) -> pl.Series:
    """Return row ids from the values of an id column; null where the id is null.

    An integer has one id, whether its column is of integers or of text.
    """
    kind = pl.when(pl.col("x").str.contains(INTEGER)).then(pl.lit("i")).otherwise(pl.lit("s"))
    text = pl.concat_str(pl.lit(f"{source}\0"), kind, pl.lit("\0"), "x")
    return hex_ids(key_text(ids).alias("x").to_frame().select(x=text)["x"])


def hex_ids(texts: pl.Series) -> pl.Series:
    """Return XXH3-128 of texts as 32 hex digits, as the xxhash library writes them."""
    hashed = plh.col("x").nchash.xxh3_128(return_binary=True, byte_order="big")
    return texts.alias("x").to_frame().select(row_id=hashed.bin.encode("hex"))["row_id"]


def _rewrite_literals(values: pl.Series) -> pl.Series:
    """Rewrite texts that read as a number or a boolean; most columns hold none."""
    frame = values.alias("x").to_frame().with_row_index("row")
    short = frame.filter(pl.col("x").str.len_bytes() <= LONGEST_NUMBER)
    if short.is_empty():
        return values
    # integers are canonical as they are, but for -0
    is_integer = pl.col("x").str.contains(INTEGER) & (pl.col("x") != "-0")
    numbers = short.filter(pl.col("x").str.contains(NUMBER) & ~is_integer)
    numbers = numbers.filter(is_exact_float(numbers["x"]))
    booleans = short.filter(pl.col("x").str.contains(BOOLEAN))
    if numbers.is_empty() and booleans.is_empty():
        return values
    texts = [number_text(numbers["x"].cast(pl.Float64)), booleans["x"].str.to_lowercase()]
    rows = pl.concat([numbers["row"], booleans["row"]])
    return values.clone().scatter(rows, pl.concat(texts))


def nested_text(values: pl.Series) -> pl.Series:
    """Return JSON text of lists and structs."""
    try:
        wrapped = values.alias("x").to_frame().select(pl.struct("x").struct.json_encode())["x"]
    except pl.exceptions.PolarsError as error:
        raise SourceError(
            f"column '{values.name}' holds {values.dtype}, which cannot be identified: {error}"
        ) from None
    bare = wrapped.str.strip_prefix('{"x":').str.strip_suffix("}")
    frame = pl.DataFrame({"x": bare, "given": values.is_not_null()})
    return frame.select(pl.when("given").then("x"))["x"]
