"""Plain text: a row a line, or a row a file; the one column is `text`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from siftset.pipeline.sources.batch import EXCERPT, BadRecord, RawBlock
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.encodings import undecodable_reason
from siftset.pipeline.sources.formats.records import sort_bad, split_lines, split_unreadable
from siftset.pipeline.sources.formats.streams import MARK, text_blocks
from siftset.schemas.plurals import format_count


@dataclass(frozen=True, slots=True)
class TextLines:
    """A text file whose lines are rows, blank ones too."""

    file: InputFile
    longest: int

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the lines."""
        for records in split_lines(text_blocks(self.file), longest=self.longest, blank=True):
            good, bad = split_unreadable(records, longest=self.longest, encoding=self.file.encoding)
            told = tuple(sort_bad(bad, self.file.encoding))
            texts = [good.raw_bytes(at).decode() for at in range(len(good))]
            frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
            yield RawBlock(frame, pl.Series("record", good.numbers, dtype=pl.Int64), told)

    def narrow_type(self, column: pl.Series, before: pl.DataType) -> pl.DataType:
        """Return text: lines hold nothing else."""
        return pl.String()


@dataclass(frozen=True, slots=True)
class WholeText:
    """A text file that is one row."""

    file: InputFile
    longest: int

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the one row."""
        data, length = b"", 0
        for block in text_blocks(self.file):
            length += len(block)
            data += block if len(data) <= self.longest else b""
        text, reason = None, None
        if length > self.longest:
            reason = f"longer than {format_count(self.longest, 'byte')} (max_record_bytes)"
        elif b"\0" in data:
            reason = "holds a NUL byte"
        else:
            try:
                text = data.removeprefix(MARK).decode()
            except UnicodeDecodeError:
                reason = undecodable_reason(self.file.encoding)
        bad = (BadRecord(0, 0, reason, data[:EXCERPT]),) if reason else ()
        texts = [] if text is None else [text]
        numbers = pl.Series("record", np.arange(len(texts)), dtype=pl.Int64)
        yield RawBlock(pl.DataFrame({"text": texts}, schema={"text": pl.String}), numbers, bad)

    def narrow_type(self, column: pl.Series, before: pl.DataType) -> pl.DataType:
        """Return text: the file holds nothing else."""
        return pl.String()
