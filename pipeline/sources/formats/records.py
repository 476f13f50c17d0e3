"""Records of a text file: where each begins and ends, and which cannot be read."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.pipeline.sources.batch import EXCERPT, BadRecord
from siftset.pipeline.sources.formats.encodings import is_utf8, undecodable_reason
from siftset.pipeline.sources.formats.streams import MARK
from siftset.schemas.plurals import format_count

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of a file that follow each other."""

    data: bytes
    starts: Positions
    ends: Positions
    """Where each record ends in `data`, without its line end."""
    numbers: Positions
    """The number of each record in the file, from 0."""
    offset: int
    """Where `data` begins in the file."""

    def __len__(self) -> int:
        return len(self.starts)

    def raw_bytes(self, at: int) -> bytes:
        """Return the bytes of one record."""
        return self.data[self.starts[at] : self.ends[at]]

    def select(self, mask: NDArray[np.bool_]) -> Records:
        """Return the records where the mask is true."""
        return Records(
            self.data, self.starts[mask], self.ends[mask], self.numbers[mask], self.offset
        )

    def join_lines(self) -> bytes:
        """Return the records as lines."""
        gaps = self.starts[1:] - self.ends[:-1]
        between = np.frombuffer(self.data, dtype=np.uint8)[self.ends[:-1]]
        adjacent = (gaps == 1) | ((gaps == 2) & (between == ord("\r")))
        if len(self) and adjacent.all():
            return self.data[self.starts[0] : self.ends[-1]]
        return b"\n".join(self.raw_bytes(at) for at in range(len(self)))

    def bad_record(self, at: int, reason: str) -> BadRecord:
        """Return one record as unreadable."""
        excerpt = self.raw_bytes(at)[:EXCERPT]
        position = int(self.starts[at]) + self.offset if self.offset >= 0 else None
        return BadRecord(int(self.numbers[at]), position, reason, excerpt)


def split_lines(blocks: Iterable[bytes], *, longest: int, blank: bool = False) -> Iterator[Records]:
    """Yield lines as records; blank ones only if `blank`.

    Of a line longer than `longest` only its beginning is held, one byte more than allowed.
    """
    number = 0
    for piece in whole_pieces(blocks, lambda data: data.rfind(b"\n") + 1, longest=longest):
        records = line_records(piece.data, offset=piece.offset, number=number, blank=blank)
        number += len(records)
        yield records


class Piece(NamedTuple):
    """Bytes of a file that hold whole records."""

    data: bytes
    offset: int
    last: bool


def whole_pieces(
    blocks: Iterable[bytes], cut: Callable[[bytes], int], *, longest: int
) -> Iterator[Piece]:
    """Join and cut blocks so that records stay whole; `cut` tells how many bytes hold whole ones.

    Of a line longer than `longest` only its beginning is held, one byte more than allowed, as a
    piece of its own, so that the positions of what follows stay right.
    """
    blocks, offset = _without_mark(blocks)
    tail, dropped = b"", 0
    held, size = [b""], 0
    more: Iterator[bytes | None] = chain(blocks, [None])
    for block in more:
        if block is not None:
            if dropped and b"\n" not in block:
                dropped += len(block)
                continue
            held.append(block)
            size += len(block)
            # A record that takes many blocks is looked at whenever there is twice as much of it:
            # after every block, its cost would grow with the square of its length.
            if not dropped and size < len(tail) and len(tail) + size <= longest:
                continue
        elif not size:
            break
        data = b"".join([tail, *held])
        held, size = [], 0
        if dropped:
            end = data.index(b"\n", len(tail)) + 1
            yield Piece(data[:end], offset, last=False)
            offset, data, dropped = offset + end + dropped, data[end:], 0
        end = cut(data)
        if end:
            yield Piece(data[:end], offset, last=False)
        offset, tail = offset + end, data[end:]
        if len(tail) > longest and b"\n" not in tail:
            dropped += len(tail) - longest - 1
            tail = tail[: longest + 1]
    if tail:
        yield Piece(tail, offset, last=True)


def line_records(data: bytes, *, offset: int, number: int, blank: bool) -> Records:
    """Split whole lines."""
    newlines = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")).astype(np.int64)
    if not data.endswith(b"\n"):
        newlines = np.append(newlines, len(data))
    return records_between(data, newlines, offset=offset, number=number, blank=blank)


def records_between(
    data: bytes, newlines: Positions, *, offset: int, number: int, blank: bool
) -> Records:
    """Return the records between line ends, the carriage return before a line end left off."""
    starts = np.concatenate([np.zeros(1, dtype=np.int64), newlines[:-1] + 1])
    ends = newlines.copy()
    array = np.frombuffer(data, dtype=np.uint8)
    returns = (ends > starts) & (array[np.maximum(ends - 1, 0)] == ord("\r"))
    ends[returns] -= 1
    if not blank:
        given = ends > starts
        starts, ends = starts[given], ends[given]
    numbers = np.arange(number, number + len(starts), dtype=np.int64)
    return Records(data, starts, ends, numbers, offset)


def split_unreadable(
    records: Records, *, longest: int, encoding: str = "utf-8"
) -> tuple[Records, list[BadRecord]]:
    """Set records aside that are too long, hold a NUL byte or are not in their encoding."""
    reasons: dict[int, str] = {}
    for at in np.flatnonzero(records.ends - records.starts > longest).tolist():
        reasons[at] = f"longer than {format_count(longest, 'byte')} (max_record_bytes)"
    if b"\0" in records.data:
        zeros = np.flatnonzero(np.frombuffer(records.data, dtype=np.uint8) == 0)
        for at in np.unique(np.searchsorted(records.starts, zeros, "right") - 1).tolist():
            reasons.setdefault(at, "holds a NUL byte")
    view, start = memoryview(records.data), 0
    while start < len(view):
        try:
            codecs.utf_8_decode(view[start:], "strict", True)
            break
        except UnicodeDecodeError as error:
            at = int(np.searchsorted(records.starts, start + error.start, "right")) - 1
            reasons.setdefault(at, undecodable_reason(encoding))
            start = int(records.ends[at]) + 1
    if not reasons:
        return records, []
    keep = np.ones(len(records), dtype=np.bool_)
    keep[list(reasons)] = False
    bad = [records.bad_record(at, reason) for at, reason in sorted(reasons.items())]
    return records.select(keep), bad


def sort_bad(bad: Iterable[BadRecord], encoding: str, *, skipped: int = 0) -> list[BadRecord]:
    """Return unreadable records in order, with the bytes `skipped` before the first one counted.

    Where the text was decoded, nothing is known of the place in the file.
    """
    if not is_utf8(encoding):
        return sorted(one._replace(position=None) for one in bad)
    if not skipped:
        return sorted(bad)
    return sorted(
        one if one.position is None else one._replace(position=one.position + skipped)
        for one in bad
    )


def _without_mark(blocks: Iterable[bytes]) -> tuple[Iterator[bytes], int]:
    """Leave off the byte order mark of UTF-8, which may come in pieces; return its length too."""
    rest = iter(blocks)
    start = b""
    for block in rest:
        start += block
        if len(start) >= len(MARK):
            break
    bare = start.removeprefix(MARK)
    return chain([bare] if bare else [], rest), len(start) - len(bare)
