"""Records and fields of delimited text, whose quotes may hide line ends and delimiters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from siftset.pipeline.sources.formats.records import (
    Positions,
    Records,
    records_between,
    whole_pieces,
)
from siftset.schemas.plurals import format_count

LINE_END: Final = ord("\n")
LETTERS: Final = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
"""What a letter after an escape stands for where databases write text without quotes."""


class DelimitedRecords(NamedTuple):
    """Records, and those of them whose quotes are wrong."""

    records: Records
    flaws: dict[int, str]


class _Cut(NamedTuple):
    ends: list[int] | Positions
    """The line end of every record."""
    flawed: list[int]
    """Those among `ends`, by position, whose record has a wrong quote."""


class Grammar:
    """RFC 4180 with marks of its own; a quote inside an unquoted field is text like any other."""

    def __init__(
        self,
        delimiter: str,
        longest: int,
        *,
        quote: str | None = '"',
        escape: str | None = None,
        comment: str | None = None,
        nulls: Iterable[str] = ("",),
    ) -> None:
        mark = re.escape(delimiter.encode())
        free = re.escape((escape or "").encode())
        freed = rb"|" + free + rb"(?s:.)" if free else b""
        if quote is None:
            unit = rb"[^\n" + mark + free + rb"]"
            field = rb"(?>" + unit + freed + rb")*+"
        else:
            about = re.escape(quote.encode())
            end = rb"(?=" + mark + rb"|\r?\n|\r?\Z)"
            inside = rb"(?>[^" + about + free + rb"]+|" + about * 2 + freed + rb")*+"
            plain = rb"(?!" + about + rb")[^\n" + mark + rb"]*+"
            field = rb"(?>" + about + inside + about + end + rb"|" + plain + rb")"
        row = rb"(?>" + field + rb"(?:" + mark + field + rb")*+)\r?"
        if comment is not None:
            row = rb"(?>" + re.escape(comment.encode()) + rb"[^\n]*+|" + row + rb")"
            self._noted = re.compile(rb"(?m)^" + re.escape(comment.encode()))
        self._delimiter = delimiter.encode()
        self._quote = quote
        self._escape = escape
        self._comment = comment
        self._nulls = frozenset(nulls)
        self._inner = re.compile(row + rb"\n")
        self._final = re.compile(row + rb"(?:\n|\Z)")
        self._field = re.compile(rb"(" + field + rb")(" + mark + rb")?")
        self._known = _Cut([], [])
        self.longest = longest

    @cached_property
    def flaw(self) -> str:
        """The reason given for a record with a wrong quote."""
        if self._quote is None:
            return "an escape at the end of the file frees nothing"
        return f"a quote is not closed as it should be within {format_count(self.longest, 'byte')}"

    def split_records(self, blocks: Iterable[bytes]) -> Iterator[DelimitedRecords]:
        """Yield the records of a file, blank lines included."""
        number = 0

        def count_whole_bytes(data: bytes) -> int:
            self._known = self._cut_records(data, last=False)
            ends = self._known.ends
            return int(ends[-1]) + 1 if len(ends) else 0

        for piece in whole_pieces(blocks, count_whole_bytes, longest=self.longest):
            cut, self._known = self._known, _Cut([], [])
            if not len(cut.ends) or cut.ends[-1] + 1 != len(piece.data):
                cut = self._cut_records(piece.data, last=True)
            ends = np.asarray(cut.ends, dtype=np.int64)
            records = records_between(
                piece.data, ends, offset=piece.offset, number=number, blank=True
            )
            number += len(records)
            yield DelimitedRecords(records, dict.fromkeys(cut.flawed, self.flaw))

    def split_fields(self, record: bytes) -> list[str | None]:
        """Return the fields of one sound record."""
        found: list[str | None] = []
        at, more = 0, True
        while more:
            match = self._field.match(record, at)
            assert match is not None, "the record has been checked"
            found.append(self._read_field(match[1].decode()))
            at, more = match.end(), match[2] is not None
        return found

    def _read_field(self, text: str) -> str | None:
        quote, escape = self._quote, self._escape
        if quote is not None and text.startswith(quote):
            inside = text[1:-1]
            if escape is None:
                return inside.replace(quote * 2, quote)
            free = re.escape(escape)
            return re.sub(rf"{free}(.)|{re.escape(quote * 2)}", lambda m: m[1] or quote, inside,
                          flags=re.DOTALL)  # fmt: skip
        if text in self._nulls:
            return None
        return self.unescape(text) if quote is None else text

    def unescape(self, text: str) -> str:
        """Return what an unquoted field stands for."""
        escape = self._escape
        if escape is None or escape not in text:
            return text
        letters = rf"{re.escape(escape)}(.)"
        return re.sub(letters, lambda m: LETTERS.get(m[1], m[1]), text, flags=re.DOTALL)

    def is_comment(self, record: bytes) -> bool:
        """Tell whether a record is a remark."""
        return self._comment is not None and record.startswith(self._comment.encode())

    def has_comments(self, data: bytes) -> bool:
        """Tell whether a line of some text may be a remark."""
        return self._comment is not None and self._noted.search(data) is not None

    def _cut_records(self, data: bytes, *, last: bool) -> _Cut:
        array = np.frombuffer(data, dtype=np.uint8)
        lines = np.flatnonzero(array == LINE_END)
        if last and not data.endswith(b"\n"):
            lines = np.append(lines, len(data))
        quotes = np.flatnonzero(array == ord(self._quote)) if self._quote else lines[:0]
        is_freed = self._escape is not None and self._escape.encode() in data
        if not len(quotes) and not is_freed:
            return _Cut(lines, [])
        # an escape frees quotes and line ends, and remarks hold any: neither can be counted then
        if is_freed or self.has_comments(data):
            return self._scan_records(data, last=last)
        outside = lines[np.searchsorted(quotes, lines) % 2 == 0]
        finished = len(outside) > 0 and outside[-1] >= (lines[-1] if last else 0)
        if finished and self._is_regular(array, quotes[quotes < outside[-1]]):
            return _Cut(outside, [])
        return self._scan_records(data, last=last)

    def _is_regular(
        self, array: np.ndarray[tuple[int], np.dtype[np.uint8]], quotes: Positions
    ) -> bool:
        """Tell whether quotes open after a delimiter and close before one, or come in pairs."""
        opening, closing = quotes[::2], quotes[1::2]
        before = array[np.maximum(opening - 1, 0)]
        end = len(array) - 1
        after, second = (array[np.minimum(closing + step, end)] for step in (1, 2))
        mark = self._delimiter[0]
        opens = (opening == 0) | (before == mark) | (before == LINE_END)
        returns = (after == ord("\r")) & ((second == LINE_END) | (closing + 1 == end))
        closes = (closing == end) | (after == mark) | (after == LINE_END) | returns
        paired = quotes[2::2] - quotes[1:-1:2] == 1
        opens[1:] |= paired
        closes[: len(paired)] |= paired
        return bool(opens.all() and closes.all())

    def _scan_records(self, data: bytes, *, last: bool) -> _Cut:
        """Find records one by one; a wrong quote spoils its line and no more."""
        row = self._final if last else self._inner
        ends: list[int] = []
        flawed: list[int] = []
        at = 0
        while at < len(data):
            match = row.match(data, at)
            if match is None:
                end = data.find(b"\n", at)
                if not last and (end < 0 or len(data) - at <= self.longest):
                    break
                end = len(data) if end < 0 else end
                flawed.append(len(ends))
            else:
                end = match.end() - (1 if data[match.end() - 1 : match.end()] == b"\n" else 0)
            ends.append(end)
            at = end + 1
        return _Cut(ends, flawed)
