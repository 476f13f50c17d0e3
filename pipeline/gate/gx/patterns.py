"""Text tests that Great Expectations defines in Python, as polars expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache

import polars as pl

from siftset.schemas.errors import SuiteError


def as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a column as the text that Python's `str` would give.

    Raises SuiteError for types whose texts differ between Python and polars.
    """
    if dtype == pl.String:
        return column
    if dtype == pl.Boolean:
        return pl.when(column).then(pl.lit("True")).when(~column).then(pl.lit("False"))
    if dtype in (pl.Categorical, pl.Enum) or dtype.is_numeric():
        return column.cast(pl.String)
    raise SuiteError(f"a column of type {dtype} has no text to match: cast it to String first")


def matches_regex(text: pl.Expr, pattern: str) -> pl.Expr:
    """Return whether a Python regular expression is found in each text.

    What Rust's engine cannot express (look-around, back-references) runs in Python.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SuiteError(f"'{pattern}' is not a regular expression: {error}") from error
    rust = "".join(_to_rust(pattern))
    if _is_rust_regex(rust):
        return text.str.contains(rust)
    return by_value(text, lambda value: compiled.search(value) is not None)


def by_value(column: pl.Expr, holds: Callable[[str], bool]) -> pl.Expr:
    """Return a Python test of each value, run once for every distinct one in a batch."""

    def evaluate(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        outcomes = pl.Series([holds(value) for value in distinct], dtype=pl.Boolean)
        return values.replace_strict(distinct, outcomes, default=None, return_dtype=pl.Boolean)

    return column.map_batches(evaluate, return_dtype=pl.Boolean, is_elementwise=True)


def is_json(value: str) -> bool:
    """Return whether a text is JSON."""
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def is_date(value: str) -> bool:
    """Return whether dateutil reads a text as a date."""
    from dateutil.parser import parse  # type: ignore[import-untyped]

    try:
        parse(value)
    except (ValueError, OverflowError):
        return False
    return True


def has_format(strftime_format: str) -> Callable[[str], bool]:
    """Return a test whether a text is a time in `strftime_format`."""

    def holds(value: str) -> bool:
        try:
            datetime.strptime(value, strftime_format)
        except ValueError:
            return False
        return True

    return holds


def has_schema(json_schema: Mapping[str, object]) -> Callable[[str], bool]:
    """Return a test whether a text is JSON that follows a JSON Schema."""
    import jsonschema  # type: ignore[import-untyped]

    def holds(value: str) -> bool:
        try:
            jsonschema.validate(json.loads(value), json_schema)
        except jsonschema.ValidationError:
            return False
        return True

    return holds


@cache
def _is_rust_regex(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError:
        return False
    return True


_TOKEN = re.compile(r"\\.|\[\^?\]?|.", re.DOTALL)


def _to_rust(pattern: str) -> Iterator[str]:
    """Yield the parts of a Python pattern in Rust's syntax.

    The differences: `$` also matches before a last line end, `\\Z` is `\\z`, and inside a
    class `[`, `&` and `~` are plain characters.
    """
    multiline = re.search(r"\(\?[a-z]*m", pattern) is not None
    inside = False
    for match in _TOKEN.finditer(pattern):
        token = match.group()
        if inside and token[0] in "[&~":
            yield _plain(token)
        elif inside:
            inside = token != "]"
            yield token
        elif token[0] == "[":
            inside = True
            yield token.replace("]", r"\]")
        else:
            yield _outside(token, multiline)


def _outside(token: str, multiline: bool) -> str:
    if token == "$" and not multiline:
        return r"(?:\n?\z)"
    return r"\z" if token == r"\Z" else token


def _plain(token: str) -> str:
    """Escape characters that only Rust's classes give a meaning to."""
    return "".join(f"\\{character}" if character in "[&~" else character for character in token)
