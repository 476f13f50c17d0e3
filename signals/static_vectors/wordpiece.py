"""BERT's uncased WordPieces in plain Python, and the table of letters that the kernel reads.

Text is cleaned, put into small letters without accents, and parted at white space, punctuation
and ideographs; each word is then parted greedily into the longest known pieces (Wu et al. 2016).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from siftset.signals.static_vectors.kernel import (
    DROP,
    MOST_CHARACTERS,
    PLANE,
    SINGLE,
    SPACE,
    WORD,
    LetterForms,
)

_IDEOGRAPHS = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))


def classify_character(character: str) -> tuple[int, str]:
    """Return the kind of a character, and what it becomes in small letters without accents."""
    point, category = ord(character), unicodedata.category(character)
    # Python also takes the four separators of ASCII for white space, BERT for control characters
    if character.isspace() and not 28 <= point <= 31:
        return SPACE, " "
    if category.startswith("C") or point == 0xFFFD:
        return DROP, ""
    if point >= PLANE:
        return (SINGLE if any(a <= point <= b for a, b in _IDEOGRAPHS) else WORD), character
    parts = unicodedata.normalize("NFD", character)
    form = "".join(part for part in parts if unicodedata.category(part) != "Mn").lower()
    if not form:
        return DROP, ""
    is_symbol = point < 128 and not character.isalnum()
    is_ideograph = any(a <= point <= b for a, b in _IDEOGRAPHS)
    single = is_symbol or is_ideograph or category.startswith("P")
    return (SINGLE if single else WORD), form


def make_letter_forms() -> LetterForms:
    """Make the table of all code points below PLANE, by this Python's Unicode."""
    kinds, offsets, data = np.zeros(PLANE, np.uint8), np.zeros(PLANE + 1, np.int32), bytearray()
    for point in range(PLANE):
        if not 0xD800 <= point <= 0xDFFF:  # halves of a pair stand in no valid text
            kinds[point], form = classify_character(chr(point))
            data += form.encode()
        offsets[point + 1] = len(data)
    return LetterForms(kinds, offsets, np.frombuffer(bytes(data), np.uint8).copy())


class WordPieces:
    """Parts texts into pieces, by the same table of letters as the kernel."""

    def __init__(self, entries: Sequence[str], letters: LetterForms) -> None:
        self._rows = {entry: row for row, entry in enumerate(entries) if not is_special(entry)}
        self._unknown = entries.index("[UNK]")
        self._letters = letters
        self._classify = lru_cache(maxsize=4096)(self._look_up)
        self._split = lru_cache(maxsize=65536)(self._split_word)

    def tokenize(self, text: str) -> list[int]:
        """Return the rows of a text's pieces, in order."""
        return [row for word in self._words(text) for row in self._split(word)]

    def _look_up(self, character: str) -> tuple[int, str]:
        point = ord(character)
        if point >= PLANE:
            is_ideograph = 0x20000 <= point <= 0x2FA1F
            return (SINGLE if is_ideograph else WORD), character
        begin, end = self._letters.offsets[point : point + 2].tolist()
        return int(self._letters.kinds[point]), self._letters.data[begin:end].tobytes().decode()

    def _words(self, text: str) -> Iterator[str]:
        word: list[str] = []
        for character in text:
            kind, form = self._classify(character)
            if kind in (SPACE, SINGLE) and word:
                yield "".join(word)
                word = []
            if kind == SINGLE:
                yield form
            elif kind == WORD:
                word.append(form)
        if word:
            yield "".join(word)

    def _split_word(self, word: str) -> tuple[int, ...]:
        if len(word) > MOST_CHARACTERS:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            inside = "##" if start else ""
            for end in range(len(word), start, -1):
                row = self._rows.get(inside + word[start:end])
                if row is not None:
                    break
            else:
                return (self._unknown,)
            found.append(row)
            start = end
        return tuple(found)


def is_special(entry: str) -> bool:
    """Tell whether an entry of a vocabulary is a mark such as [UNK], which no text stands for."""
    return entry.startswith("[") and len(entry) > 2
