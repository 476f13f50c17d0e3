"""Finds the entries of a word list in one text, in time that does not grow with the list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from signals.folding import fold, word_class

Match = Literal["word", "substring", "prefix"]


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
        self._whole: set[str] = set()
        self._longer: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        letter = f"[{word_class()}]"
        self._token = re.compile(rf"{letter}+|\S")
        self._letter = re.compile(letter)
        end = "" if self._prefix else f"(?!{letter})"
        for entry in sorted({squeeze(self._fold(entry)) for entry in entries}, key=_by_length):
            first = self._token.match(entry)
            assert first is not None
            if first.end() == len(entry) and self._letter.match(entry):
                self._whole.add(entry)
            rest = r"\s+".join(re.escape(part) for part in entry.split(" "))
            self._longer.setdefault(first[0], []).append((entry, re.compile(rest + end)))
        self._lengths = sorted({len(entry) for entry in self._whole}, reverse=True)

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
        start = token.start()
        isolated = self._letter.match(token[0]) or not (
            start and self._letter.match(text[start - 1])
        )
        if isolated:
            for entry, pattern in self._longer.get(token[0], ()):
                if hit := pattern.match(text, start):
                    return entry, hit.end()
            if self._prefix:
                return self._beginning(token)
        return None, token.end()

    def _beginning(self, token: re.Match[str]) -> tuple[str | None, int]:
        for length in self._lengths:
            if length <= len(token[0]) and token[0][:length] in self._whole:
                return token[0][:length], token.end()
        return None, token.end()

    def any(self, text: str) -> bool:
        """Say whether a text holds an entry."""
        return next(self.found(text), None) is not None

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
