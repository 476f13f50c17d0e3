"""Text tests that Great Expectations defines in Python, as polars expressions.

Polars' regular expressions are Rust's. They are used for the part of Python's language that means
the same in both; every other pattern runs in Python, once for each distinct text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple

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
    if dtype in (pl.Categorical, pl.Enum) or dtype.is_integer():
        return column.cast(pl.String)
    if dtype.is_float():  # Python writes 1e+16 where polars writes 1e16
        return column.map_batches(
            lambda found: pl.Series(
                found.name, [None if v is None else str(v) for v in found], pl.String
            ),
            return_dtype=pl.String,
            is_elementwise=True,
        )
    raise SuiteError(f"a column of type {dtype} has no text to match: cast it to String first")


def matches_regex(text: pl.Expr, pattern: str) -> pl.Expr:
    """Return whether a Python regular expression is found in each text.

    Raises SuiteError for a pattern that Python refuses.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise SuiteError(f"'{pattern}' is not a regular expression: {error}") from error

    def search(value: str) -> bool:
        return compiled.search(value) is not None

    translated = _translate_regex(pattern)
    if translated is None or not _is_rust_regex(translated.pattern):
        return by_value(text, search)
    found = text.str.contains(translated.pattern)
    if not translated.by_unicode:
        return found
    is_ascii = text.str.len_bytes() == text.str.len_chars()
    return pl.when(is_ascii).then(found).otherwise(by_value(pl.when(~is_ascii).then(text), search))


def by_value(column: pl.Expr, holds: Callable[[str], bool]) -> pl.Expr:
    """Return a Python test of each value, run once for every distinct one in a batch."""

    def evaluate(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        outcomes = pl.Series([holds(value) for value in distinct], dtype=pl.Boolean)
        return values.replace_strict(distinct, outcomes, default=None, return_dtype=pl.Boolean)

    return column.map_batches(evaluate, return_dtype=pl.Boolean, is_elementwise=True)


def is_json(value: str) -> bool:
    """Return whether a text is JSON, nested no deeper than Python reads."""
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def is_date(value: str) -> bool:
    """Return whether dateutil reads a text as a date."""
    from dateutil.parser import parse  # type: ignore[import-untyped]

    try:
        parse(value)
    except (ValueError, OverflowError, TypeError, ArithmeticError, RecursionError):
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
    """Return a test whether a text is JSON that follows a JSON Schema.

    A text that is no JSON follows none. Raises SuiteError for what is no schema.
    """
    import jsonschema  # type: ignore[import-untyped]

    kind = jsonschema.validators.validator_for(json_schema)
    try:
        kind.check_schema(json_schema)
    except jsonschema.SchemaError as error:
        raise SuiteError(f"json_schema is not a JSON Schema: {error.message}") from error
    validator = kind(json_schema)

    def holds(value: str) -> bool:
        try:
            return bool(validator.is_valid(json.loads(value)))
        except (ValueError, RecursionError):
            return False

    return holds


@cache
def _is_rust_regex(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError:
        return False
    return True


class RustRegex(NamedTuple):
    """A Python pattern in Rust's syntax."""

    pattern: str
    by_unicode: bool
    """Whether the two may differ on texts with characters beyond ASCII."""


_FLAGS: Final = re.compile(r"\(\?([ims]+)\)")
_GROUP: Final = re.compile(r"\((?:\?:|\?P<[A-Za-z_]\w*>)?(?!\?)", re.ASCII)
_QUANTIFIER: Final = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??(?!\+)", re.ASCII)
_CODE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_CONTROLS: Final = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7}
_SPACE: Final = r"\s\x1c-\x1f"
"""What Python takes for white space and Rust does not: the separators of ASCII."""

_SAME: Final = {
    **{rf"\{name}": rf"\{name}" for name in "AdDwWbB"},
    r"\Z": r"\z",
    r"\s": f"[{_SPACE}]",
    r"\S": f"[^{_SPACE}]",
}
_WRITTEN: Final = re.compile(r"\\x\{([0-9a-f]+)\}")


@cache
def _translate_regex(pattern: str) -> RustRegex | None:
    """Return a pattern in Rust's syntax, None where a part of it is not known to mean the same."""
    flags = _FLAGS.match(pattern)
    letters = flags[1] if flags else ""
    at, parts = (flags.end() if flags else 0), [flags[0] if flags else ""]
    depth, by_unicode = 0, "i" in letters
    while at < len(pattern):
        char = pattern[at]
        if char == "$" and "m" not in letters:
            # It also holds before a last line end, which nothing may follow in the pattern.
            if depth or pattern[at + 1 : at + 2] not in ("", "|"):
                return None
            part, at, differs = r"(?:\n?\z)", at + 1, False
        else:
            found = _translate_part(pattern, at)
            if found is None:
                return None
            depth += {"(": 1, ")": -1}.get(char, 0)
            part, at, differs = found
        parts.append(part)
        by_unicode = by_unicode or differs
    translated = "".join(parts)
    if "i" in letters and any(int(code, 16) > 127 for code in _WRITTEN.findall(translated)):
        return None
    return RustRegex(translated, by_unicode)


def _translate_part(pattern: str, at: int) -> tuple[str, int, bool] | None:
    """Return a part in Rust's syntax, where the next one begins, and whether Unicode matters."""
    char, pair = pattern[at], pattern[at : at + 2]
    if pair in _SAME:
        return _SAME[pair], at + 2, pair not in (r"\A", r"\Z")
    if char == "[":
        return _translate_class(pattern, at)
    if char in "(*+?" or (char == "{" and pair[1:].isdecimal()):
        found = (_GROUP if char == "(" else _QUANTIFIER).match(pattern, at)
        if found is not None:
            return found[0], found.end(), False
        if char != "{" or "}" in pattern[at:]:
            return None
    if char in "^|.)$":
        return char, at + 1, False
    literal = None if pair == "{," else _read_literal(pattern, at)
    return None if literal is None else (f"\\x{{{literal[0]:x}}}", literal[1], False)


def _read_literal(pattern: str, at: int) -> tuple[int, int] | None:
    """Return the character that stands at a place and where the next part begins."""
    if pattern[at] != "\\":
        return ord(pattern[at]), at + 1
    named = _CODE.match(pattern, at)
    if named is not None:
        return int(named[1] or named[2] or named[3], 16), named.end()
    escaped = pattern[at + 1]
    if escaped in _CONTROLS:
        return _CONTROLS[escaped], at + 2
    return None if escaped.isalnum() else (ord(escaped), at + 2)


def _translate_class(pattern: str, at: int) -> tuple[str, int, bool] | None:
    """Return a class of characters in Rust's syntax, where it ends, and whether Unicode matters."""
    negated = pattern[at + 1 : at + 2] == "^"
    at += 2 if negated else 1
    parts, sensitive, first = [], False, at
    while pattern[at] != "]" or at == first:
        if pattern[at] == "\\" and pattern[at + 1] in "dws":
            parts.append(_SPACE if pattern[at + 1] == "s" else f"\\{pattern[at + 1]}")
            at, sensitive = at + 2, True
            if pattern[at] == "-" and pattern[at + 1] != "]":
                return None
            continue
        low = _read_literal(pattern, at)
        if low is None:
            return None
        code, at = low
        part = f"\\x{{{code:x}}}"
        if pattern[at] == "-" and pattern[at + 1] != "]":
            high = _read_literal(pattern, at + 1)
            if high is None:
                return None
            part, at = f"{part}-\\x{{{high[0]:x}}}", high[1]
            code = max(code, high[0])
        parts.append(part)
        sensitive = sensitive or code > 127
    return f"[{'^' if negated else ''}{''.join(parts)}]", at + 1, sensitive
