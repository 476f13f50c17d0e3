"""CSV and TSV: an empty field is null, a quoted empty one is the empty text.

pyarrow parses; records are split here first, so that one bad record costs itself only.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from siftset.pipeline.sources.batch import BadRecord, RawBlock
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.arrow import to_frame
from siftset.pipeline.sources.formats.quotes import DelimitedRecords, Grammar
from siftset.pipeline.sources.formats.records import Records, split_unreadable
from siftset.pipeline.sources.formats.streams import text_blocks
from siftset.pipeline.sources.types import lexeme_type
from siftset.schemas.errors import SourceError

LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
"""pyarrow takes it for a line end."""


class _Parsed(NamedTuple):
    frame: pl.DataFrame
    good: Records
    bad: list[BadRecord]


@dataclass(frozen=True, slots=True)
class Delimited:
    """A CSV or TSV file with a header."""

    file: InputFile
    delimiter: str
    longest: int

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the records, every column as text."""
        grammar = Grammar(self.delimiter, self.longest)
        header: list[str] = []
        number = 0
        for split in grammar.split_records(text_blocks(self.file)):
            records, bad = _set_flawed_aside(split, self.longest)
            if not header:
                header = self._read_header(split, grammar)
                records = records.select(records.numbers > 0)
                bad = [record for record in bad if record.record > 0]
            if len(header) > 1:
                records = records.select(records.ends > records.starts)
            data = records.join_lines()
            # joining would hide a carriage return at the end of a record
            last = np.frombuffer(records.data, np.uint8)[np.maximum(records.ends - 1, 0)]
            ending = (records.ends > records.starts) & (last == ord("\r"))
            lone = bool(LONE_RETURN.search(data)) or bool(ending.any())
            parsed = None if lone else self._parse_fast(data, records, header)
            parsed = parsed or _parse_by_record(records, header, grammar)
            bad = sorted([*bad, *parsed.bad])
            # numbered anew, so that blank lines do not count
            told = np.array([record.record for record in bad], dtype=np.int64)
            numbers = np.concatenate([parsed.good.numbers, told])
            ranks = np.empty(len(numbers), dtype=np.int64)
            ranks[np.argsort(numbers, kind="stable")] = np.arange(number, number + len(numbers))
            number += len(numbers)
            good = pl.Series("record", ranks[: parsed.frame.height], dtype=pl.Int64)
            aside = zip(bad, ranks[parsed.frame.height :].tolist(), strict=True)
            yield RawBlock(parsed.frame, good, tuple(r._replace(record=n) for r, n in aside))

    def narrow_type(self, column: pl.Series, before: pl.DataType) -> pl.DataType:
        """Return the narrowest type of a column's texts and of those seen before."""
        return lexeme_type(column, before)

    def _read_header(self, split: DelimitedRecords, grammar: Grammar) -> list[str]:
        first = split.records.raw_bytes(0)
        if 0 in split.flaws or not first.strip():
            raise SourceError(f"{self.file.path}: no header; expected column names on line 1")
        try:
            names = [
                name or f"column_{at}" for at, name in enumerate(grammar.split_fields(first), 1)
            ]
        except UnicodeDecodeError:
            raise SourceError(f"{self.file.path}: the header is not UTF-8; convert it") from None
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SourceError(
                f"{self.file.path}: the header names column '{twice[0]}' twice; rename one"
            )
        return names

    def _parse_fast(self, data: bytes, records: Records, header: Sequence[str]) -> _Parsed | None:
        """Parse with pyarrow; None where it counts other records than were split."""
        wrong: dict[int, int] = {}

        def misfit(row: pa.csv.InvalidRow) -> str:
            wrong[row.number - 1] = row.actual_columns
            return "skip"

        if not len(records):
            return _Parsed(pl.DataFrame(schema=dict.fromkeys(header, pl.String)), records, [])
        reading = pa.csv.ReadOptions(
            use_threads=False, column_names=header, block_size=len(data) + 2
        )
        parsing = pa.csv.ParseOptions(
            delimiter=self.delimiter,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=misfit,
        )
        converting = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.large_string()),
            check_utf8=False,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        try:
            table = pa.csv.read_csv(io.BytesIO(data + b"\n"), reading, parsing, converting)
        except pa.ArrowInvalid:
            return None
        if table.num_rows + len(wrong) != len(records) or max(wrong, default=0) >= len(records):
            return None
        return _drop_misfits(to_frame(table), records, wrong, header)


def _drop_misfits(
    frame: pl.DataFrame, records: Records, wrong: dict[int, int], header: Sequence[str]
) -> _Parsed:
    """Return rows without the records whose number of fields is wrong."""
    keep = np.ones(len(records), dtype=np.bool_)
    keep[list(wrong)] = False
    bad = [
        records.bad_record(at, f"{fields} fields where the header has {len(header)}")
        for at, fields in wrong.items()
    ]
    return _Parsed(frame, records.select(keep), bad)


def _parse_by_record(records: Records, header: Sequence[str], grammar: Grammar) -> _Parsed:
    rows: list[list[str | None]] = []
    wrong: dict[int, int] = {}
    for at in range(len(records)):
        fields = grammar.split_fields(records.raw_bytes(at))
        if len(fields) == len(header):
            rows.append(fields)
        else:
            wrong[at] = len(fields)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row")
    return _drop_misfits(frame, records, wrong, header)


def _set_flawed_aside(split: DelimitedRecords, longest: int) -> tuple[Records, list[BadRecord]]:
    if not split.flaws:
        return split_unreadable(split.records, longest=longest)
    keep = np.ones(len(split.records), dtype=np.bool_)
    keep[list(split.flaws)] = False
    _, too_long = split_unreadable(split.records.select(~keep), longest=longest)
    told = {record.record for record in too_long}
    flawed = [split.records.bad_record(at, reason) for at, reason in split.flaws.items()]
    good, bad = split_unreadable(split.records.select(keep), longest=longest)
    return good, [*too_long, *(record for record in flawed if record.record not in told), *bad]
