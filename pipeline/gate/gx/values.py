"""Values written in a suite, as values of a column's type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from siftset.schemas.errors import SuiteError


def fitting_values(dtype: pl.DataType, values: Sequence[object]) -> pl.Series:
    """Return those of `values` that a column of `dtype` can hold, null among them."""
    held = [_fit_value(dtype, value) for value in values]
    kept = [
        found
        for found, value in zip(held, values, strict=True)
        if (found is None) == (value is None)
    ]
    return pl.Series(
        kept, dtype=pl.String if dtype in (pl.Categorical, pl.Enum) else dtype, strict=False
    )


def _fit_value(dtype: pl.DataType, value: object) -> object:
    """Return a value as `dtype` has it, or None where it cannot hold it."""
    if value is None:
        return None
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return value if isinstance(value, str) else None
    if dtype.is_numeric() or dtype == pl.Boolean:
        return _fit_number(dtype, value)
    if dtype.is_temporal():
        return parse_moment(value, dtype)
    raise SuiteError(f"a set cannot hold values of type {dtype}")


def _fit_number(dtype: pl.DataType, value: object) -> int | float | bool | None:
    if not isinstance(value, int | float):
        return None
    if dtype == pl.Boolean:
        return bool(value) if value in (0, 1) else None
    if dtype.is_integer():
        return int(value) if value == int(value) else None
    return float(value)


def make_bound(value: object, dtype: pl.DataType | None) -> pl.Expr | None:
    """Return a limit as `dtype` compares it; a text is read as a date where one is needed.

    Raises SuiteError where the two cannot be compared.
    """
    if value is None or dtype is None:
        return None if value is None else pl.lit(value)
    if dtype in (pl.Date, pl.Datetime):
        return pl.lit(parse_moment(value, dtype))
    is_number = isinstance(value, int | float)
    if dtype.is_numeric() != is_number or (dtype == pl.String) != isinstance(value, str):
        raise SuiteError(f"{value!r} cannot be compared with a column of type {dtype}")
    return pl.lit(value)


def parse_moment(value: object, dtype: pl.DataType) -> date | datetime:
    """Return a date or time as `dtype` has it; a text is parsed."""
    from dateutil.parser import parse  # type: ignore[import-untyped]

    found = parse(value) if isinstance(value, str) else value
    if not isinstance(found, date):
        raise SuiteError(f"{value!r} is not a date")
    if dtype == pl.Date and isinstance(found, datetime):
        return found.date()
    if dtype == pl.Datetime and not isinstance(found, datetime):
        return datetime(found.year, found.month, found.day)
    return found
