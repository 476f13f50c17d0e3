"""A JSON array of objects, read piece by piece: every element becomes one line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.records import Records
from siftset.pipeline.sources.formats.streams import BLOCK_BYTES, MARK
from siftset.schemas.errors import SourceError

SPACE: Final = re.compile(r"[ \t\r\n]*")
AFTER: Final = re.compile(r"[ \t\r\n]*(?:,|(?=\]))")
DECODER: Final = json.JSONDecoder()
TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]')


def split_array(blocks: Iterable[bytes], file: InputFile, *, longest: int) -> Iterator[Records]:
    """Yield the elements of an array as records; raise SourceError where the array is broken.

    Bytes that are not UTF-8 stay as they are, so that they cost their own element only.
    """
    lines: list[bytes] = []
    number = size = 0
    elements = _Elements(file, longest)
    for piece in _decode_blocks(blocks):
        for element in elements.feed(piece):
            line = element.replace("\n", " ").replace("\r", " ")
            lines.append(line.encode(errors="surrogateescape"))
            size += len(lines[-1])
        if size >= BLOCK_BYTES or not piece:
            lengths = np.array([len(line) for line in lines], dtype=np.int64)
            ends = np.cumsum(lengths + 1) - 1
            numbers = np.arange(number, number + len(lines), dtype=np.int64)
            yield Records(b"\n".join(lines), ends - lengths, ends, numbers, -1)
            number, size, lines = number + len(lines), 0, []
    elements.finish()


class _Elements:
    """The elements of an array whose text comes in pieces."""

    def __init__(self, file: InputFile, longest: int) -> None:
        self._file = file
        self._longest = longest
        self._text, self._at, self._passed = "", 0, 0
        self._held: list[str] = []
        self._wanted = 0
        self._opened = self._closed = False

    def feed(self, piece: str) -> Iterator[str]:
        """Yield the elements that a further piece completes; an empty piece is the last."""
        self._held.append(piece)
        self._wanted -= len(piece)
        # an element of many pieces is read again whenever there is twice as much of it: after
        # every piece, its cost would grow with the square of its length
        if piece and self._wanted > 0:
            return
        self._passed += self._at
        self._text, self._at = "".join([self._text[self._at :], *self._held]), 0
        self._held = []
        start = self._skip_space()
        if not self._opened and start < len(self._text):
            if self._text[start] != "[":
                raise self._array_error(start, "expected [ and an array of objects")
            self._opened, self._at = True, start + 1
        while self._opened and not self._closed:
            element = self._next_element(last=not piece)
            if element is None:
                left = len(self._text) - self._at
                self._wanted = left if 2 * left <= self._longest else 0
                break
            if element:
                yield element

    def finish(self) -> None:
        """Raise SourceError unless the array was closed and nothing follows it."""
        if not self._closed or self._text[self._at :].strip():
            raise self._array_error(self._at, "expected ] and then the end of the file")

    def _next_element(self, *, last: bool) -> str | None:
        """Return the next element, "" at the array's end, None where more text is needed."""
        start = self._skip_space()
        if self._text.startswith("]", start):
            self._closed, self._at = True, start + 1
            return ""
        try:
            _, end = DECODER.raw_decode(self._text, start)
        except RecursionError:
            # too deep to be read, but its end can be found: it costs itself only
            found = _end_of_nesting(self._text, start)
            if found is None and not last and len(self._text) - start <= self._longest:
                return None
            if found is None:
                raise self._array_error(start, "broken or cut off: nested too deep") from None
            end = found
        except ValueError as error:
            if not last and len(self._text) - start <= self._longest:
                return None
            raise self._array_error(start, f"broken or cut off: {error}") from None
        after = AFTER.match(self._text, end)
        if after is None:
            if not last and not self._text[end:].strip():
                return None
            raise self._array_error(end, "expected a comma or ] after an element")
        self._at = after.end()
        return self._text[start:end]

    def _skip_space(self) -> int:
        found = SPACE.match(self._text, self._at)
        assert found is not None, "the pattern also matches nothing"
        return found.end()

    def _array_error(self, at: int, expected: str) -> SourceError:
        return SourceError(
            f"{self._file.path}: not a JSON array at character {self._passed + at:,}: {expected}; "
            "for one object a line set source.files.format: jsonl"
        )


def _end_of_nesting(text: str, start: int) -> int | None:
    """Return where the list or object that begins at `start` ends; None where it goes on."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if not depth:
            return token.end()
    return None


def _decode_blocks(blocks: Iterable[bytes]) -> Iterator[str]:
    """Decode blocks; the empty text at the end says that no more will come."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    first = True
    for block in blocks:
        text = decoder.decode(block.removeprefix(MARK) if first else block)
        first = False
        if text:
            yield text
    yield decoder.decode(b"", final=True)
    yield ""
