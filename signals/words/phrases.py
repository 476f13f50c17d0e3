"""Finds the entries of a word list in one text, in time that does not grow with the list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from siftset.signals.words.case_folding import WHITE_SPACE, fold, word_class

Match = Literal["word", "substring", "prefix"]

_ASCII = re.compile(r"\w+", re.ASCII)


class Phrases:
    """A list of words and phrases, ready to be found in texts.

    Entries match leftmost and longest, without overlap; white space in an entry matches any run of
    white space. `word` asks that no word character touches either end, `prefix` that none touches
    the beginning.
    """

    def __init__(
        self, entries: Sequence[str], *, match: Match = "word", case: bool = False
    ) -> None:
        self._fold = str if case else fold
        self._prefix = match == "prefix"
        self._words: set[str] = set()
        self._phrases: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        letters = f"[{word_class()}]+"
        self._letters = re.compile(letters)
        self._token = re.compile(rf"{letters}|\S")
        for entry in sorted({squeeze(self._fold(entry)) for entry in entries}, key=_by_length):
            self._add(entry)
        self._lengths = sorted({len(entry) for entry in self._words}, reverse=True)

    def _add(self, entry: str) -> None:
        first = self._token.match(entry)
        assert first is not None
        if self._letters.fullmatch(entry):
            self._words.add(entry)
        else:
            pattern = f"[{WHITE_SPACE}]+".join(re.escape(part) for part in entry.split(" "))
            self._phrases.setdefault(first[0], []).append((entry, re.compile(pattern)))

    def found(self, text: str) -> Iterator[str]:
        """Yield the entries in the order in which they stand in a text."""
        text = self._fold(text)
        place = 0
        while token := self._token.search(text, place):
            entry, end = self._at(text, token)
            if entry is not None:
                yield entry
            place = max(end, token.start() + 1)

    def _at(self, text: str, token: re.Match[str]) -> tuple[str | None, int]:
        """The longest entry that begins at a token, and where to look on."""
        word, start = token[0], token.start()
        if self._letters.match(word) is None and start and self._letters.match(text, start - 1):
            return None, token.end()
        for entry, pattern in self._phrases.get(word, ()):
            hit = pattern.match(text, start)
            if hit and (self._prefix or not self._letters.match(text, hit.end())):
                rest = self._letters.match(text, hit.end() - 1)  # of a word that was begun
                return entry, rest.end() if rest else hit.end()
        if word in self._words:
            return word, token.end()
        return (self._beginning(word) if self._prefix else None), token.end()

    def _beginning(self, word: str) -> str | None:
        for length in self._lengths:
            if length < len(word) and word[:length] in self._words:
                return word[:length]
        return None

    def any(self, text: str) -> bool:
        """Say whether a text holds an entry."""
        if self._phrases or self._prefix:
            return next(self.found(text), None) is not None
        letters = _ASCII if text.isascii() else self._letters
        return not self._words.isdisjoint(letters.findall(self._fold(text)))

    def count(self, text: str) -> float:
        """Count the matches in a text."""
        return float(sum(1 for _ in self.found(text)))

    def distinct(self, text: str) -> float:
        """Count the entries that a text holds."""
        return float(len(set(self.found(text))))


def squeeze(entry: str) -> str:
    """Make each run of white space one space."""
    return " ".join(entry.split())


def _by_length(entry: str) -> tuple[int, str]:
    return -len(entry), entry
