"""One spelling of what is written in several ways, for texts and for the entries of lists alike.

The rule: variation selectors are dropped (a heart is the same in colour and in black), the
typographic apostrophes become the plain one, and the rest is brought to NFC, so that a letter with
its accent is one character however it was typed. ASCII stays as it is.
"""

from __future__ import annotations

from typing import Final

import polars as pl

_APOSTROPHES: Final = ("\u2018", "\u2019", "\u201b", "\u02bc", "\uff07")
_SELECTORS: Final = r"[\x{180b}-\x{180d}\x{180f}\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}]"
_TOUCHED: Final = (
    # marks, among them the selectors, and the second halves of Korean syllables
    r"[\p{M}\x{1160}-\x{11ff}"
    # letters and signs that NFC replaces by themselves
    r"\x{374}\x{37e}\x{387}\x{958}-\x{95f}\x{9dc}-\x{9df}\x{a33}-\x{a5e}\x{b5c}\x{b5d}"
    r"\x{f43}-\x{fb9}\x{1f71}-\x{2001}\x{2126}-\x{212b}\x{2329}\x{232a}\x{2adc}"
    r"\x{f900}-\x{faff}\x{fb1d}-\x{fb4f}\x{1d15e}-\x{1d1c0}\x{2f800}-\x{2fa1f}]"
)
"""What a text holds that NFC may change; most texts hold none, and are spared its price."""


def fold_spelling(text: pl.Expr) -> pl.Expr:
    """Bring a column of texts to one spelling; rows that it leaves as they are cost a glance."""
    return text.map_batches(fold_spellings, return_dtype=pl.String, is_elementwise=True)


def fold_spellings(texts: pl.Series) -> pl.Series:
    """Bring texts to one spelling."""
    if texts.dtype != pl.String:
        return texts
    # more bytes than characters: not ASCII, which few texts of most corpora are
    rows = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    if rows.is_empty():
        return texts
    plain = texts.gather(rows).str.replace_many(list(_APOSTROPHES), ["'"] * len(_APOSTROPHES))
    touched = plain.str.contains(_TOUCHED).arg_true()
    if len(touched):
        bare = plain.gather(touched).str.replace_all(_SELECTORS, "")
        plain = plain.scatter(touched, bare.str.normalize("NFC"))
    return plain if len(plain) == len(texts) else texts.clone().scatter(rows, plain)


def fold_entries(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Bring the entries of a list to the spelling of texts."""
    return tuple(fold_spellings(pl.Series(entries, dtype=pl.String)))
