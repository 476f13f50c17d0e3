"""The shingles of texts: hashes of their runs of three words, in order within each text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.kernels.arrow_text import TextBytes, text_bytes
from siftset.signals.near_duplicates import numpy_finder
from siftset.signals.words.case_folding import unspaced_points, word_points
from siftset.signals.words.wordset import letter_tables

if TYPE_CHECKING:
    from siftset.signals.words.kernel import Letters

LEAST_WORDS: Final = 10
"""Texts of fewer words are never near duplicates."""


class Shingles(NamedTuple):
    """Row r has values[offsets[r] : offsets[r + 1]], which differ."""

    values: NDArray[np.uint64]
    offsets: NDArray[np.int64]


def plain_shingles(texts: pl.Series) -> Shingles:
    """Hash texts without null by numpy."""
    words, folded = letter_tables(case=False)
    letters = numpy_finder.WordLetters(words, words & unspaced_points(), folded)
    return Shingles(*numpy_finder.hash_shingles(texts.to_list(), letters, LEAST_WORDS))


def compiled_shingles(texts: pl.Series) -> Shingles:
    """Hash texts without null by the kernel."""
    from siftset.signals.near_duplicates import kernel

    text = text_bytes(texts)
    longest = int(np.diff(text.offsets).max(initial=0))
    size = int(text.offsets[-1] - text.offsets[0]) // 2 + len(texts)
    words, values = np.empty(longest // 2 + 1, np.uint64), np.empty(size, np.uint64)
    offsets = np.zeros(len(texts) + 1, np.int64)
    kernel.hash_shingles(text, letters_of_words(text), LEAST_WORDS, words, offsets, values)
    return Shingles(values, offsets)


def letters_of_words(text: TextBytes) -> Letters:
    """Return the tables that the kernel needs to tell the words of these texts apart."""
    from siftset.signals.words.wordset import letters_of

    letters = letters_of(text, case=False)
    return letters._replace(kinds=_kinds_of_words(len(letters.kinds)))


@cache
def _kinds_of_words(size: int) -> NDArray[np.uint8]:
    """Return the kinds of characters that words.kernel has, and of those that stand alone."""
    from siftset.signals.near_duplicates.kernel import ALONE
    from siftset.signals.words.wordset import make_letters

    kinds = make_letters(ascii_only=size == 128, case=False).kinds
    if size == 128:
        return kinds
    alone = word_points() & unspaced_points()
    return np.where(alone, np.uint8(ALONE), kinds)
