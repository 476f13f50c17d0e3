"""What a letter is and which letters are equal: Unicode as the Rust crate `regex` sees it.

Case is ignored by simple case folding (CaseFolding.txt, status C and S): the KELVIN SIGN is a k and
the LONG S an s, but the German sharp s is not ss. Nothing is normalised: a letter and its accent
are two characters unless the text was brought to NFC before. Letters younger than Python's Unicode
tables are folded by short lists only. Word characters are Alphabetic,
Mark, Decimal_Number, Connector_Punctuation and Join_Control (UTS 18).
"""

from __future__ import annotations

import re
import sys
from functools import cache

import polars as pl

_SURROGATES = range(0xD800, 0xE000)


@cache
def fold_table() -> dict[int, str]:
    """Map each character that simple case folding changes."""
    found: dict[int, str] = {}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if character.isascii():
            if character.isupper():
                found[code] = character.lower()
            continue
        folded = character.casefold()
        if len(folded) != 1:
            folded = character.lower()
        if len(folded) == 1 and folded != character:
            found[code] = folded
    return found


def fold(text: str) -> str:
    """Fold a text so that texts that differ by case alone become equal."""
    return text.lower() if text.isascii() else text.translate(fold_table())


@cache
def word_class() -> str:
    """The body of a character class of Python's `re` that holds the word characters."""
    codes = [code for code in range(sys.maxunicode + 1) if code not in _SURROGATES]
    letters = pl.Series([chr(code) for code in codes]).str.contains(r"^\w$")
    words = pl.Series(codes).filter(letters).to_list()
    return "".join(f"{_escape(first)}-{_escape(last)}" for first, last in _ranges(words))


@cache
def is_word() -> re.Pattern[str]:
    """A pattern that matches one word character."""
    return re.compile(f"[{word_class()}]")


def _ranges(codes: list[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return ranges


def _escape(code: int) -> str:
    return f"\\U{code:08x}"
