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

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\x{30fc}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"

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


def fold_case(text: str) -> str:
    """Fold a text so that texts that differ by case alone become equal."""
    return text.lower() if text.isascii() else text.translate(fold_table())


@cache
def word_points() -> NDArray[np.bool_]:
    """Tell of each code point whether it is a word character."""
    return find_points(r"\w+")


def find_points(pattern: str) -> NDArray[np.bool_]:
    """Tell of each code point whether it is one of those of which a pattern in Rust finds runs."""
    codes = np.arange(sys.maxunicode + 1, dtype="<u4")
    characters = np.delete(codes, _SURROGATES).tobytes().decode("utf-32-le")
    runs = pl.Series([characters]).str.extract_all(pattern).explode()
    first, last = runs.str.head(1).to_list(), runs.str.tail(1).to_list()
    changes = np.zeros(sys.maxunicode + 2, np.int8)
    changes[[ord(character) for character in first]] = 1
    changes[[ord(character) + 1 for character in last]] -= 1
    return np.cumsum(changes[:-1], dtype=np.int8).astype(np.bool_)


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
