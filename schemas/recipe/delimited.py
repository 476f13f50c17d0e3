"""How delimited text is written: what a recipe says where a file departs from the usual."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeInt, StringConstraints, model_validator

from siftset.schemas.recipe.section import Section

DTypeName = Literal["string", "integer", "number", "boolean", "date", "datetime"]
_NO_TEXT: Final = ("undefined", "idna", "punycode")
"""Codecs that Python counts as text and that cannot decode a file block by block."""


def _read_character(value: str) -> str:
    if len(value.encode()) != 1 or value in "\r\n\0":
        hint = "; write tab" if value == "\\t" else ""
        raise ValueError(f"{value!r} is not one ASCII character{hint}")
    return value


def _read_delimiter(value: str) -> str | None:
    return _read_character({"tab": "\t"}.get(value, value)) if value else None


def _read_quote(value: str) -> str:
    return value if value == "none" else _read_character(value)


def _read_encoding(value: str) -> str:
    try:
        b"a".decode(value, "ignore")
    except (LookupError, UnicodeError):
        known = False
    else:
        known = value.lower() not in _NO_TEXT
    if not known:
        raise ValueError(
            f"{value!r} names no encoding of text, expected utf-8, utf-16, cp1252, latin-1 or "
            "another that Python knows"
        )
    return value


_Name = Annotated[str, StringConstraints(min_length=1)]


class DelimitedText(Section):
    """How files of delimited text are written."""

    header: bool = Field(
        True, description="Whether line 1 names the columns; else it is the first record."
    )
    columns: tuple[_Name, ...] | None = Field(
        None,
        min_length=1,
        description="Names of the columns, in order; with a header they replace its names. "
        "Without both: column_1, column_2, ...",
    )
    delimiter: Annotated[str, AfterValidator(_read_delimiter)] | None = Field(
        None, description="One ASCII character, or `tab`; default: by the file's ending."
    )
    quote: Annotated[str, AfterValidator(_read_quote)] = Field(
        '"', description="One ASCII character; `none` where quotes are text like any other."
    )
    escape: Annotated[str, AfterValidator(_read_character)] | None = Field(
        None,
        description=r"One ASCII character that frees the next one inside quotes; with "
        r"`quote: none` it also writes \t \n \r \b \f \v, as databases do.",
    )
    skip_lines: NonNegativeInt = Field(0, description="Lines before the header or first record.")
    comment: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\r\n]+$")] | None = Field(
        None, description="Lines that begin with this are no records."
    )
    null_values: tuple[str, ...] = Field(
        ("",),
        description="Whole fields, not quoted, that are null, in place of the empty one.",
    )
    encoding: Annotated[str, AfterValidator(_read_encoding)] = Field(
        "utf-8", description="utf-8, utf-16, cp1252, latin-1 or another that Python knows."
    )
    dtypes: dict[str, DTypeName] = Field(
        default_factory=dict,
        description="Types of columns by name, in place of the narrowest that fits. A value that "
        "does not fit makes its record unreadable.",
    )

    @model_validator(mode="after")
    def _tells_marks_apart(self) -> Self:
        marks = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        for name, other in (("delimiter", "quote"), ("delimiter", "escape")):
            if marks[name] is not None and marks[name] == marks[other]:
                raise ValueError(f"{name} and {other} are both {marks[name]!r}: change one")
        if self.columns is not None:
            twice = sorted(name for name, times in Counter(self.columns).items() if times > 1)
            if twice:
                raise ValueError(f"columns names '{twice[0]}' twice: rename one")
        return self

    def delimiter_of(self, format: str) -> str:
        """Return the delimiter of files of a format, csv or tsv."""
        return self.delimiter or ("\t" if format == "tsv" else ",")

    @property
    def quote_mark(self) -> str | None:
        """The quote, None where quotes are text."""
        return None if self.quote == "none" else self.quote

    @property
    def escape_mark(self) -> str | None:
        """The escape; one that is the quote itself says no more than that quotes are doubled."""
        return None if self.escape == self.quote else self.escape
