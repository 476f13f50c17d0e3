"""A JSON array of objects, read piece by piece: every element becomes one line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from pipeline.sources.locate import InputFile
from pipeline.sources.records import Records
from pipeline.sources.streams import BLOCK_BYTES, MARK
from schemas.errors import SourceError

SPACE: Final = re.compile(r"[ \t\r\n]*")
CLOSED: Final = re.compile(r"[ \t\r\n]*[,\]]")


def split_array(blocks: Iterable[bytes], file: InputFile, *, longest: int) -> Iterator[Records]:
    """Yield the elements of an array as records; raise SourceError where the array is broken.

    Bytes that are not UTF-8 stay as they are, so that they cost their own element only.
    """
    lines: list[bytes] = []
    number = size = 0
    for element in _elements(blocks, file, longest):
        line = element.replace("\n", " ").replace("\r", " ")
        lines.append(line.encode(errors="surrogateescape"))
        size += len(lines[-1])
        if size >= BLOCK_BYTES:
            yield _records(lines, number)
            number, size, lines = number + len(lines), 0, []
    yield _records(lines, number)


def _elements(blocks: Iterable[bytes], file: InputFile, longest: int) -> Iterator[str]:
    decode = json.JSONDecoder().raw_decode
    text, at, read, opened, ended = "", 0, 0, False, False
    for piece in _texts(blocks):
        text, at, read = text[at:] + piece, 0, read + at
        at = SPACE.match(text, at).end()  # type: ignore[union-attr]
        if not opened and at < len(text):
            if text[at] != "[":
                raise _broken(file, read + at, "expected [ and an array of objects")
            opened, at = True, at + 1
        while opened and not ended:
            start = SPACE.match(text, at).end()  # type: ignore[union-attr]
            if text[start : start + 1] == "]":
                ended, at = True, start + 1
                break
            try:
                _, end = decode(text, start)
            except (ValueError, RecursionError) as error:
                if piece and len(text) - start <= longest:
                    break
                raise _broken(file, read + start, f"broken or cut off: {error}") from None
            closed = CLOSED.match(text, end)
            if closed is None:
                if SPACE.fullmatch(text, end) and piece:
                    break
                raise _broken(file, read + end, "expected a comma or ] after an element")
            yield text[start:end]
            at = closed.end() - (1 if closed[0][-1] == "]" else 0)
    if not ended or text[at:].strip():
        raise _broken(file, read + at, "expected ] and then the end of the file")


def _texts(blocks: Iterable[bytes]) -> Iterator[str]:
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


def _records(lines: list[bytes], number: int) -> Records:
    lengths = np.array([len(line) for line in lines], dtype=np.int64)
    ends = np.cumsum(lengths + 1) - 1
    numbers = np.arange(number, number + len(lines), dtype=np.int64)
    return Records(b"\n".join(lines), ends - lengths, ends, numbers, -1)


def _broken(file: InputFile, position: int, expected: str) -> SourceError:
    return SourceError(
        f"{file.path}: not a JSON array at character {position:,}: {expected}; "
        "for one object a line set source.files.format: jsonl"
    )
