"""Whole words and phrases of lists of any length, found in a time that does not grow with them.

An entry matches as in signals.phrases: leftmost and longest, without overlap, any run of white
space for a space. Where numba is, and the texts are enough to pay for it, a kernel does the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.kernels.arrow_text import TextBytes, text_bytes, with_nulls_of
from siftset.signals.kernels.compiled import BreakEven, try_kernel
from siftset.signals.words.case_folding import WHITE_SPACE, fold_case, fold_table, word_points
from siftset.signals.words.phrases import Phrases, squeeze_space

if TYPE_CHECKING:
    from siftset.signals.words.kernel import Entries, EntryMatches, Letters

LOAD_BYTES: Final = 2_000_000
"""Size of texts at which loading the kernel from the cache costs less than doing without it."""
COMPILE_BYTES: Final = 40_000_000
"""Size at which the kernel is compiled, which later runs gain by too."""


class WordSet:
    """A list of words and phrases to be found in series of texts; threads may share it.

    `match` is `word`, or `prefix` for what begins a word. Raises ValueError for a blank entry.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        match: Literal["word", "prefix"] = "word",
        case: bool = False,
    ) -> None:
        self._match = match
        self._case = case
        self._numbers: dict[str, int] = {}
        for number, word in enumerate(words):
            entry = squeeze_space(word if case else fold_case(word))
            if not entry:
                raise ValueError(f"entry {number} of the word list is blank; expected a word")
            self._numbers.setdefault(entry, number)
        self._break_even = BreakEven("find_entries", load=LOAD_BYTES, compile=COMPILE_BYTES)

    def find_hits(self, texts: pl.Series) -> pl.Series:
        """Tell of each text whether it holds an entry: Boolean, null for null."""
        found = self._try_kernel(texts, every=False)
        if found is None:
            return _ask_each(texts, self._phrases.has_any, pl.Boolean)
        return with_nulls_of(texts, found.counts > 0)

    def count_matches(self, texts: pl.Series) -> pl.Series:
        """Count the matches in each text: Int64, null for null."""
        found = self._try_kernel(texts, every=True)
        if found is None:
            return _ask_each(texts, self._phrases.count_matches, pl.Int64)
        return with_nulls_of(texts, found.counts)

    def count_distinct(self, texts: pl.Series) -> pl.Series:
        """Count the entries that each text holds: Int64, null for null."""
        found = self._try_kernel(texts, every=True)
        if found is None:
            return _ask_each(texts, self._phrases.count_distinct, pl.Int64)
        return with_nulls_of(texts, found.distinct)

    def find_firsts(self, texts: pl.Series) -> pl.Series:
        """Give the position in the list of each text's first match: Int64, null for none."""
        found = self._try_kernel(texts, every=False)
        if found is None:
            ask = lambda text: self._numbers.get(next(self._phrases.iter_entries(text), ""))  # noqa: E731
            return _ask_each(texts, ask, pl.Int64)
        firsts = with_nulls_of(texts, found.firsts)
        return firsts.to_frame().select(pl.when(pl.first() >= 0).then(pl.first())).to_series()

    def _try_kernel(self, texts: pl.Series, *, every: bool) -> EntryMatches | None:
        """Find entries by the kernel where that pays and works."""
        if not self._break_even.is_reached(texts):
            return None
        return try_kernel(lambda: self.find_compiled(texts, every=every))

    def find_compiled(self, texts: pl.Series, *, every: bool) -> EntryMatches:
        """Find entries by the kernel, which needs numba."""
        from siftset.signals.words.kernel import EntryMatches, Folded, find_entries

        text = text_bytes(texts)
        letters = letters_of(text, case=self._case)
        longest = int(np.diff(text.offsets).max(initial=0))
        # a folded letter has at most half as many bytes again (two become three)
        room = Folded(np.empty(2 * longest + 4, np.uint8), np.empty(2 * longest + 4, np.uint8))
        size = len(texts)
        found = EntryMatches(
            np.zeros(size, np.int64),
            np.zeros(size, np.int64),
            np.zeros(size, np.int64),
            np.full(max(self._numbers.values(), default=0) + 1, -1, np.int64),
        )
        find_entries(text, letters, self._entries, room, found, every)
        return found

    @cached_property
    def _phrases(self) -> Phrases:
        return Phrases(list(self._numbers), match=self._match, case=self._case)

    @cached_property
    def _entries(self) -> Entries:
        return lay_out_entries(self._numbers, prefix=self._match == "prefix")


def _ask_each(
    texts: pl.Series, ask: Callable[[str], object], dtype: type[pl.DataType]
) -> pl.Series:
    answers = [None if text is None else ask(text) for text in texts.to_list()]
    return pl.Series(texts.name, answers, dtype)


def letters_of(text: TextBytes, *, case: bool) -> Letters:
    """Return the tables that these texts need: those for all letters are big and slow to make."""
    start, end = int(text.offsets[0]), int(text.offsets[-1])
    blocks = (text.data[i : min(i + 1_000_000, end)] for i in range(start, end, 1_000_000))
    ascii_only = all(int(block.max(initial=0)) < 128 for block in blocks)
    return make_letters(ascii_only=ascii_only, case=case)


def letter_tables(*, case: bool) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Tell of each code point whether it is a word character, and what it folds to."""
    folds = {} if case else fold_table()
    return word_points(), _fold_array(folds)


@cache
def make_letters(*, ascii_only: bool, case: bool) -> Letters:
    """Make the tables of kinds and folds, of all characters or of ASCII alone."""
    from siftset.signals.words.kernel import OTHER, SPACE, WORD, Letters

    if ascii_only:
        points = np.array([chr(c).isalnum() or c == ord("_") for c in range(128)])
    else:
        points = word_points()
    kinds = np.where(points, np.uint8(WORD), np.uint8(OTHER))
    space = re.compile(f"[{WHITE_SPACE}]")
    kinds[[c for c in range(min(len(kinds), 0x3001)) if space.match(chr(c))]] = SPACE
    folds = {} if case else fold_table()
    if ascii_only:
        folds = {code: folds[code] for code in folds if code < 128}
    small = np.array([ord(folds.get(c, chr(c))) for c in range(128)], np.uint8)
    small[kinds[:128] == SPACE] = ord(" ")
    return Letters(kinds, _fold_array(folds), small)


def _fold_array(folds: Mapping[int, str]) -> NDArray[np.int32]:
    folded = np.arange(max(folds, default=-1) + 1, dtype=np.int32)
    folded[list(folds)] = [ord(letter) for letter in folds.values()]
    return folded


def lay_out_entries(numbers: dict[str, int], *, prefix: bool) -> Entries:
    """Group the entries by their heads, the longest of each first."""
    from siftset.signals.kernels.bytes_kernel import make_index
    from siftset.signals.words.kernel import WORD, Entries

    kinds = make_letters(ascii_only=all(entry.isascii() for entry in numbers), case=True).kinds
    marks = kinds == WORD
    beginnings: list[str] = []
    groups: dict[str, list[str]] = {}
    for entry in sorted(numbers, key=lambda entry: (-len(entry), entry)):
        # its first run of word characters, or its first character
        size = 0
        while size < len(entry) and ord(entry[size]) < len(marks) and marks[ord(entry[size])]:
            size += 1
        head = entry[: max(size, 1)]
        if prefix and head == entry and kinds[ord(head[0])] == WORD:
            beginnings.append(entry)
        else:
            groups.setdefault(head, []).append(entry)
    rests = [entry[len(head) :].encode() for head, group in groups.items() for entry in group]
    encoded = [entry.encode() for entry in beginnings]
    lengths = np.zeros(max(map(len, encoded), default=0) + 1, np.bool_)
    lengths[[len(entry) for entry in encoded]] = True
    return Entries(
        heads=make_index([head.encode() for head in groups]),
        groups=_part_bounds(len(group) for group in groups.values()),
        rests=_part_bounds(map(len, rests)),
        data=np.frombuffer(b"".join(rests) or b"\0", np.uint8).copy(),
        numbers=np.array([numbers[e] for group in groups.values() for e in group], np.int64),
        beginnings=make_index(encoded),
        beginning_numbers=np.array([numbers[entry] for entry in beginnings], np.int64),
        lengths=lengths,
        whole=not prefix,
    )


def _part_bounds(sizes: Iterator[int]) -> NDArray[np.int64]:
    """Return where each of some parts begins, and where the last ends."""
    return np.cumsum([0, *sizes], dtype=np.int64)
