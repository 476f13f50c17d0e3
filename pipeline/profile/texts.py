"""What a text holds that it seldom should, and which scripts it is written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

# The characters that bytes 0x80 to 0xBF become when UTF-8 is read as Latin-1 or Windows-1252.
_TAIL: Final = (
    "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)

ANYWHERE: Final[Mapping[str, str]] = {
    "control": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f]",
    "html": (
        r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>"
        r"|&(?:[a-zA-Z]{2,8}|#[0-9]{1,6}|#x[0-9a-fA-F]{1,5});"
    ),
    "url": r"(?i:https?://[^\s]|\bwww\.[a-z0-9])",
    "email": r"[A-Za-z0-9._%+-]@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
    "phone": (
        r"(?:\+|\b00)[1-9][0-9]?[ ().-]?[0-9](?:[ ().-]{0,2}[0-9]){6,12}"
        r"|(?:\([0-9]{3}\) ?|\b[0-9]{3}[.-])[0-9]{3}[ .-][0-9]{4}\b"
    ),
}
"""Patterns that pure ASCII can meet."""
_NEEDED: Final[Mapping[str, str]] = {
    "control": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f]",
    "phone": r"[0-9 ().-]{8}",
}
"""What no text without it meets a pattern by; the others begin with something that is rare."""

BEYOND_ASCII: Final[Mapping[str, str]] = {
    "replacement": "\ufffd",
    "mojibake": (
        f"[\u00c2\u00c3][{_TAIL}]|\u00e2[\u0080\u20ac\u201a][{_TAIL}]|\u00ef\u00bb\u00bf|\u00f0\u0178"
    ),
    "zero_width": r"[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]",
}
"""Patterns that need a character beyond ASCII; ZWJ and ZWNJ, which scripts need, are left out."""

SCRIPTS: Final[Mapping[str, str]] = {
    "Latin": r"\p{Latin}",
    "Cyrillic": r"\p{Cyrillic}",
    "Greek": r"\p{Greek}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}",
    "Thai": r"\p{Thai}",
    "Han": r"\p{Han}",
    "Kana": r"[\p{Hiragana}\p{Katakana}]",
    "Hangul": r"\p{Hangul}",
    # Pictographs of plain text, such as the sign of a trade mark, need a selector to be emoji.
    "emoji": r"\p{Emoji_Presentation}|\ufe0f",
}

NO_LETTER: Final = "no letter"


def count_peculiarities(texts: pl.Series) -> dict[str, int]:
    """Return how many texts hold each peculiarity; texts without null."""
    frame = texts.alias("text").to_frame()
    text = pl.col("text")
    # one pass of an automaton without word boundaries, which make a pattern slow
    needed = texts.filter(texts.str.contains("|".join(_NEEDED.values()))).alias("text").to_frame()
    some = {name: text.str.contains(ANYWHERE[name]).sum() for name in _NEEDED}
    plain = {
        name: text.str.contains(pattern).sum()
        for name, pattern in ANYWHERE.items()
        if name not in _NEEDED
    }
    rare = {name: text.str.contains(pattern).sum() for name, pattern in BEYOND_ASCII.items()}
    rare["not_nfc"] = (text.str.normalize("NFC") != text).sum()
    met = {**_count_true(frame, plain), **_count_true(needed, some)}
    return {**{name: met[name] for name in ANYWHERE}, **_count_true(beyond_ascii(frame), rare)}


def count_scripts(texts: pl.Series) -> dict[str, int]:
    """Return how many texts hold a letter of each script; a text can hold several."""
    frame = texts.alias("text").to_frame()
    text = pl.col("text")
    other = beyond_ascii(frame)
    ascii_only = frame.filter(_is_ascii())
    latin = {"Latin": text.str.contains("[A-Za-z]").sum()}
    found = _count_true(ascii_only, latin)
    found[NO_LETTER] = ascii_only.height - found["Latin"]
    wanted = {name: text.str.contains(pattern).sum() for name, pattern in SCRIPTS.items()}
    wanted[NO_LETTER] = (~text.str.contains(r"\p{L}")).sum()
    known = "".join(pattern.strip("[]") for name, pattern in SCRIPTS.items() if name != "emoji")
    wanted["other"] = (
        pl.col("text").str.contains(rf"[\p{{L}}--[{known}\p{{Common}}\p{{Inherited}}]]").sum()
    )
    for name, number in _count_true(other, wanted).items():
        found[name] = found.get(name, 0) + number
    return {name: number for name, number in found.items() if number}


def beyond_ascii(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose text is not pure ASCII."""
    return frame.filter(~_is_ascii())


def _is_ascii() -> pl.Expr:
    return pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()


def _count_true(frame: pl.DataFrame, wanted: Mapping[str, pl.Expr]) -> dict[str, int]:
    row = frame.select(**wanted).row(0, named=True)
    return {name: int(number or 0) for name, number in row.items()}
