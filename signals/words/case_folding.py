"""What a letter is and which letters are equal: Unicode as the Rust crate `regex` sees it.

Case is ignored by simple case folding (CaseFolding.txt, status C and S): the KELVIN SIGN is a k and
the LONG S an s, but the German sharp s is not ss. What is spelt in several ways was brought to one
before, by `spelling`. Letters younger than Python's Unicode
tables are folded by short lists only. Word characters are Alphabetic,
Mark, Decimal_Number, Connector_Punctuation and Join_Control (UTS 18).
"""

from __future__ import annotations

import re
import sys
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

WHITE_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The body of a character class of `re`: Unicode's White_Space, without Python's \\x1c to \\x1f."""

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\x{30fc}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"

_BEYOND_CASE = 0x1F000
"""No letter from here on has a case."""
_ASSIGNED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))
"""Where characters are; the rest is surrogates, planes without any, and private use."""


@cache
def fold_table() -> dict[int, str]:
    """Map each character that simple case folding changes."""
    found: dict[int, str] = {}
    for code in range(_BEYOND_CASE):
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


def fold_case(text: str) -> str:
    """Fold a text so that texts that differ by case alone become equal."""
    return text.lower() if text.isascii() else text.translate(fold_table())


@cache
def word_points() -> NDArray[np.bool_]:
    """Tell of each code point whether it is a word character."""
    return find_points(r"\w")


def find_points(pattern: str) -> NDArray[np.bool_]:
    """Tell of each code point whether a pattern in Rust finds it."""
    # A process that meets one letter beyond ASCII pays for this: a quarter of all code points.
    codes = np.concatenate([np.arange(some.start, some.stop, dtype="<u4") for some in _ASSIGNED])
    characters = pl.Series([codes.tobytes().decode("utf-32-le")]).str.split("").explode()
    found = np.zeros(sys.maxunicode + 1, np.bool_)
    found[codes] = characters.str.contains(pattern).to_numpy()
    return found


@cache
def word_class() -> str:
    """The body of a character class of Python's `re` that holds the word characters."""
    return write_class(word_points())


@cache
def unspaced_points() -> NDArray[np.bool_]:
    """Tell of each code point whether its script is written without spaces between words."""
    return find_points(_UNSPACED)


def write_class(points: NDArray[np.bool_]) -> str:
    """Write the body of a character class of Python's `re` that holds the points marked."""
    changes = np.flatnonzero(np.diff(points, prepend=False, append=False)).tolist()
    ranges = zip(changes[::2], changes[1::2], strict=True)
    return "".join(f"\\U{first:08x}-\\U{end - 1:08x}" for first, end in ranges)


@cache
def is_word() -> re.Pattern[str]:
    """A pattern that matches one word character."""
    return re.compile(f"[{word_class()}]")
