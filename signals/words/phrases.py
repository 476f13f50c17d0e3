"""Finds the entries of a word list in one text, in time that does not grow with the list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from siftset.signals.words.case_folding import WHITE_SPACE, fold_case, word_class

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
        self._fold = str if case else fold_case
        self._prefix = match == "prefix"
        self._words: set[str] = set()
        self._phrases: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        letters = f"[{word_class()}]+"
        self._letters = re.compile(letters)
        self._token = re.compile(rf"{letters}|\S")
        found = {squeeze_space(self._fold(entry)) for entry in entries}
        for entry in sorted(found, key=lambda entry: (-len(entry), entry)):
            first = self._token.match(entry)
            assert first is not None
            if self._letters.fullmatch(entry):
                self._words.add(entry)
            else:
                pattern = f"[{WHITE_SPACE}]+".join(map(re.escape, entry.split(" ")))
                self._phrases.setdefault(first[0], []).append((entry, re.compile(pattern)))
        self._lengths = sorted({len(entry) for entry in self._words}, reverse=True)

    def iter_entries(self, text: str) -> Iterator[str]:
        """Yield the entries in the order in which they stand in a text."""
        text = self._fold(text)
        place = 0
        while token := self._token.search(text, place):
            entry, end = self._entry_at(text, token)
            if entry is not None:
                yield entry
            place = max(end, token.start() + 1)

    def _entry_at(self, text: str, token: re.Match[str]) -> tuple[str | None, int]:
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
        lengths = [length for length in self._lengths if self._prefix and length < len(word)]
        begun = (word[:length] for length in lengths if word[:length] in self._words)
        return next(begun, None), token.end()

    def has_any(self, text: str) -> bool:
        """Say whether a text holds an entry."""
        if self._phrases or self._prefix:
            return next(self.iter_entries(text), None) is not None
        letters = _ASCII if text.isascii() else self._letters
        return not self._words.isdisjoint(letters.findall(self._fold(text)))

    def count_matches(self, text: str) -> int:
        """Count the matches in a text."""
        return sum(1 for _ in self.iter_entries(text))

    def count_distinct(self, text: str) -> int:
        """Count the entries that a text holds."""
        return len(set(self.iter_entries(text)))


def squeeze_space(entry: str) -> str:
    """Make each run of white space one space."""
    return " ".join(entry.split())
