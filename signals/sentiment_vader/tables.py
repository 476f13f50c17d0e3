"""The lexicon and the rules' words, laid out in arrays for the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.kernels.bytes_kernel import Bytes, Floats, Index, Integers, make_index
from siftset.signals.sentiment_vader.lexicon import (
    IDIOM_WORDS,
    IDIOMS,
    PUNCTUATION,
    SPECIAL_WORDS,
    WEAKER_PAIRS,
    describe_word,
)

EMPHASIS = 1 << 14  # a text with exclamation or question marks
CASE_OTHER, CASE_CAPITAL, CASE_SMALL, CASE_LEFT = 0, 1, 2, 3
_CASED = 0x20000  # no letter beyond has a case
_BLOCK = 256


class VaderWords(NamedTuple):
    """What is known of each word of the lexicon and the rules; the last one stands for others."""

    table: Index
    flags: Integers
    valence: Floats
    boost: Floats
    idiom: Integers


class Idioms(NamedTuple):
    """Valence by the numbers of two and three words, NaN where there is none."""

    pairs: Floats
    triples: Floats
    weaker: NDArray[np.bool_]
    """Pairs that weaken what follows, as `kind of` does."""


class Tables(NamedTuple):
    """All that does not depend on the text."""

    words: VaderWords
    idioms: Idioms
    marks: Integers
    """The punctuation that NLTK strips, the bytes of each packed into a number."""
    cases: Bytes
    """Case of each code point: other, upper, lower, or left to the caller."""


def make_tables(lexicon: Mapping[str, float]) -> Tables:
    """Lay out the words and rules for the kernel; the lexicon's words in small letters are ASCII.

    Other words of a lexicon are never met, since tokens are looked up in small letters.
    """
    known = (word for word in lexicon if word == word.lower() and not word.isspace())
    names = sorted(SPECIAL_WORDS.union(word for word in known if len(word.split()) == 1))
    rows = [describe_word(name, lexicon) for name in names]
    words = VaderWords(
        make_index([name.encode("ascii") for name in names]),
        np.array([row.flags for row in rows] + [0]),
        np.array([row.valence for row in rows] + [0.0]),
        np.array([row.boost for row in rows] + [0.0]),
        np.array([row.idiom for row in rows] + [0]),
    )
    marks = [int.from_bytes(mark.encode(), "big") for mark in sorted(PUNCTUATION)]
    size = len(IDIOM_WORDS) + 1
    pairs, triples = np.full((size, size), np.nan), np.full((size, size, size), np.nan)
    weaker = np.zeros((size, size), np.bool_)
    for phrase, valence in IDIOMS.items():
        numbers = tuple(IDIOM_WORDS[word] for word in phrase.split())
        (pairs if len(numbers) == 2 else triples)[numbers] = valence
    for phrase in WEAKER_PAIRS:
        weaker[tuple(IDIOM_WORDS[word] for word in phrase.split())] = True
    idioms = Idioms(pairs, triples, weaker)
    return Tables(words, idioms, np.array(marks), _make_cases())


@cache
def _make_cases() -> Bytes:
    """Ask the running Python for the case of each letter, and of blocks whether any has one."""
    cases = np.zeros(_CASED, np.uint8)
    for start in range(0, _CASED, _BLOCK):
        letters = "".join(map(chr, range(start, start + _BLOCK)))
        # a text is in small letters if it has one and no other cased letter
        if not ((letters + "a").islower() and (letters + "A").isupper()):
            cases[start : start + _BLOCK] = [_case_of(letter) for letter in letters]
    return cases


def _case_of(letter: str) -> int:
    if not letter.isupper():
        return CASE_SMALL if letter.islower() or letter.istitle() else CASE_OTHER
    small = letter.lower()
    known = letter.isascii() or letter == "\N{KELVIN SIGN}"
    left = not known and (small.isascii() or not set(small).isdisjoint("n't"))
    return CASE_LEFT if left else CASE_CAPITAL
