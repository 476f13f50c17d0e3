"""Texts brought to the form in which they are compared."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

Fold = Callable[[pl.Expr], pl.Expr]


def same_text(text: pl.Expr) -> pl.Expr:
    """Return the text after NFC and white-space folding: equal ones are exact duplicates."""
    return _by_script(text, _fold_space, lambda t: _fold_space(t.str.normalize("NFC")))


def bare_text(text: pl.Expr) -> pl.Expr:
    """Return case-folded letters and digits only, so that the rest never straddles a split.

    Upper case and back again folds what lower case alone leaves apart, such as sharp s and ss.
    """
    return _by_script(text, _bare_ascii, _bare)


def _fold_space(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars(" ")


def _bare_ascii(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().str.replace_all("[^a-z0-9]+", "")


def _bare(text: pl.Expr) -> pl.Expr:
    folded = text.str.normalize("NFKC").str.to_uppercase().str.to_lowercase()
    sigma = folded.str.replace_all(
        "\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}", literal=True
    )
    return sigma.str.replace_all(r"[\W_]+", "")


def _by_script(text: pl.Expr, ascii_only: Fold, any_script: Fold) -> pl.Expr:
    """Fold ASCII texts, for which both ways agree, by the way that costs a fraction."""

    def fold(values: pl.Series) -> pl.Series:
        frame = values.alias("text").to_frame()
        column = pl.col("text")
        other = frame.select(column.str.len_bytes() != column.str.len_chars()).to_series()
        other = other.fill_null(False)
        if not other.any():
            return frame.select(ascii_only(column)).to_series()
        plain = frame.filter(~other).select(ascii_only(column)).to_series()
        rest = frame.filter(other).select(any_script(column)).to_series()
        order = pl.concat([(~other).arg_true(), other.arg_true()]).arg_sort()
        return pl.concat([plain, rest]).gather(order)

    return text.map_batches(fold, return_dtype=pl.String, is_elementwise=True)
