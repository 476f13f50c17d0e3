"""Plain questions about a column: its length, a regular expression, whether it is null."""

from __future__ import annotations

import re
from typing import Literal

import polars as pl
from pydantic import Field, field_validator

from siftset.schemas.errors import first_line
from siftset.signals.family import Build, Parameters, Thresholds, family
from siftset.signals.signal import Signal

_WORD = r"\w+"


class Length(Thresholds):
    """Parameters of `length`."""

    unit: Literal["chars", "words", "bytes"] = Field("chars", description="What is counted.")


@family(
    Length,
    definition="chars: Unicode scalar values; words: runs of Unicode word characters; bytes: UTF-8",
    examples=[
        ({"min": 3}, "abc", True),
        ({"max": 2}, "abc", False),
        ({"unit": "words", "min": 2}, "two words", True),
        ({"unit": "bytes"}, "\u00e9", 2.0),
        ({"min": 0}, None, None),
    ],
)
def length(parameters: Length, build: Build) -> Signal:
    """Length of the text, with limits that count as inside."""

    def measure_length(text: pl.Expr) -> pl.Expr:
        if parameters.unit == "bytes":
            return text.str.len_bytes()
        return text.str.len_chars() if parameters.unit == "chars" else text.str.count_matches(_WORD)

    return build.expression(measure_length, returns="score")


class Regex(Parameters):
    """Parameters of `regex`."""

    pattern: str = Field(min_length=1, description="A regular expression in Rust's syntax.")
    case: bool = Field(True, description="Whether capital letters differ from small ones.")

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str) -> str:
        try:
            pl.Series([""]).str.contains(pattern)
        except pl.exceptions.PolarsError as error:
            found = re.search(r"^error: (.*)$", str(error), re.MULTILINE)
            reason = found[1] if found else first_line(error)
            raise ValueError(f"not a regular expression: {reason} (Rust's syntax)") from None
        return pattern


@family(
    Regex,
    positional="pattern",
    definition="the Rust crate `regex`, as polars has it: linear time, Unicode classes",
    examples=[
        ({"pattern": r"\d{3}"}, "call 911", True),
        ({"pattern": "abc"}, "ABC", False),
        ({"pattern": "abc", "case": False}, "ABC", True),
        ({"pattern": "."}, None, None),
    ],
)
def regex(parameters: Regex, build: Build) -> Signal:
    """Whether a regular expression matches anywhere in the text."""
    pattern = parameters.pattern if parameters.case else f"(?i){parameters.pattern}"
    return build.expression(lambda text: text.str.contains(pattern))


@family(
    Parameters,
    definition="SQL's IS NULL; a blank text is not null",
    examples=[({}, None, True), ({}, "", False), ({}, "a", False)],
    nulls="handle",
)
def is_null(parameters: Parameters, build: Build) -> Signal:
    """Whether the column is null; never unknown."""
    return build.expression(lambda column: column.is_null(), accepts="any")
