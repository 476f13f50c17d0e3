"""CSV and TSV: an empty field is null, a quoted empty one is the empty text.

pyarrow parses; records are split here first, so that one bad record costs itself only.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.pipeline.sources.batch import BadRecord, RawBlock
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.arrow import to_frame
from siftset.pipeline.sources.formats.quotes import DelimitedRecords, Grammar
from siftset.pipeline.sources.formats.records import Records, sort_bad, split_unreadable
from siftset.pipeline.sources.formats.streams import text_blocks, undecodable_error, wide_blocks
from siftset.pipeline.sources.types import DTYPES, lexeme_type, parse_texts
from siftset.schemas.errors import SourceError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.delimited import DelimitedText, DTypeName

if TYPE_CHECKING:
    import pyarrow as pa

LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
"""pyarrow takes it for a line end."""
SHOWN: Final = 40


class _Parsed(NamedTuple):
    frame: pl.DataFrame
    good: Records
    bad: list[BadRecord]


@dataclass(frozen=True, slots=True)
class Delimited:
    """A CSV or TSV file."""

    file: InputFile
    text: DelimitedText
    longest: int

    @property
    def delimiter(self) -> str:
        """The delimiter that the recipe gives, else that of the file's ending."""
        return self.text.delimiter_of(self.file.format)

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the records, every column as text."""
        text, encoding = self.text, self.file.encoding
        grammar = Grammar(
            self.delimiter,
            self.longest,
            quote=text.quote_mark,
            escape=text.escape_mark,
            comment=text.comment,
            nulls=text.null_values,
        )
        blocks = wide_blocks(text_blocks(self.file), self.delimiter.encode())
        lines = SkippedLines(blocks, text.skip_lines)
        header: list[str] = []
        number = 0
        for split in grammar.split_records(lines):
            records, bad = _set_flawed_aside(split, self.longest, encoding)
            if grammar.has_comments(records.data):
                told = [grammar.is_comment(records.raw_bytes(at)) for at in range(len(records))]
                records = records.select(~np.array(told, dtype=np.bool_))
                bad = [record for record in bad if not grammar.is_comment(record.raw)]
            if not header:
                header, first = self._find_header(split, records, grammar)
                records = records.select(records.numbers >= first)
                bad = [record for record in bad if record.record >= first]
            if len(header) > 1:
                records = records.select(records.ends > records.starts)
            parsed = self._parse(records, header, grammar)
            bad = sort_bad([*bad, *parsed.bad], encoding, skipped=lines.dropped)
            # numbered again, so that blank lines do not count
            told_numbers = np.array([record.record for record in bad], dtype=np.int64)
            numbers = np.concatenate([parsed.good.numbers, told_numbers])
            ranks = np.empty(len(numbers), dtype=np.int64)
            ranks[np.argsort(numbers, kind="stable")] = np.arange(number, number + len(numbers))
            number += len(numbers)
            good = pl.Series("record", ranks[: parsed.frame.height], dtype=pl.Int64)
            aside = zip(bad, ranks[parsed.frame.height :].tolist(), strict=True)
            yield RawBlock(parsed.frame, good, tuple(r._replace(record=n) for r, n in aside))

    def narrow_type(self, column: pl.Series, before: pl.DataType) -> pl.DataType:
        """Return the type that the recipe gives, else the narrowest of the column's texts."""
        given = self.text.dtypes.get(column.name)
        return DTYPES[given] if given else lexeme_type(column, before)

    def _find_header(
        self, split: DelimitedRecords, records: Records, grammar: Grammar
    ) -> tuple[list[str], int]:
        """Return the names of the columns and the number of the first record after them.

        No names where the records so far tell none.
        """
        text = self.text
        if not text.header:
            if text.columns is not None:
                return list(text.columns), 0
            given = records.select(records.ends > records.starts)
            fields = len(grammar.split_fields(given.raw_bytes(0))) if len(given) else 0
            return [f"column_{at}" for at in range(1, fields + 1)], 0
        every = split.records
        for at in range(len(every)):
            line = every.raw_bytes(at)
            if text.comment is None or (line.strip() and not grammar.is_comment(line)):
                names = self._read_header(line, grammar, is_flawed=at in split.flaws)
                return names, int(every.numbers[at]) + 1
        return [], int(every.numbers[-1]) + 1

    def _read_header(self, line: bytes, grammar: Grammar, *, is_flawed: bool) -> list[str]:
        path, columns = self.file.path, self.text.columns
        if is_flawed or not line.strip():
            place = f"line {self.text.skip_lines + 1}"
            raise SourceError(f"{path}: no header; expected column names on {place}")
        try:
            fields = grammar.split_fields(line)
        except UnicodeDecodeError:
            raise undecodable_error(self.file) from None
        if columns is not None:
            if len(columns) != len(fields):
                raise SourceError(
                    f"{path}: the header has {format_count(len(fields), 'name')} and "
                    f"source.files.columns {len(columns)}: name every column"
                )
            return list(columns)
        names = [name or f"column_{at}" for at, name in enumerate(fields, 1)]
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice:
            raise SourceError(
                f"{path}: the header names column '{twice[0]}' twice; rename one, or name all in "
                "source.files.columns"
            )
        return names

    def _parse(self, records: Records, header: Sequence[str], grammar: Grammar) -> _Parsed:
        """Parse records with pyarrow where it reads them as they are meant, else one by one."""
        hard = self._find_escapes(records)
        parsed = self._parse_easy(records.select(~hard) if hard.any() else records, header, grammar)
        if hard.any():
            rest = _parse_by_record(records.select(hard), self._width(header), header, grammar)
            numbers = np.concatenate([parsed.good.numbers, rest.good.numbers])
            frame = pl.concat([parsed.frame, rest.frame])[np.argsort(numbers)]
            good = records.select(np.isin(records.numbers, numbers))
            parsed = _Parsed(frame, good, [*parsed.bad, *rest.bad])
        return _drop_unfit(parsed, self.text.dtypes) if self.text.dtypes else parsed

    def _parse_easy(self, records: Records, header: Sequence[str], grammar: Grammar) -> _Parsed:
        data = records.join_lines()
        # joining would hide a carriage return at the end of a record
        last = np.frombuffer(records.data, np.uint8)[np.maximum(records.ends - 1, 0)]
        ending = (records.ends > records.starts) & (last == ord("\r"))
        lone = bool(LONE_RETURN.search(data)) or bool(ending.any())
        parsed = None if lone else self._parse_fast(data, records, header)
        if parsed is None:
            return _parse_by_record(records, self._width(header), header, grammar)
        if self.text.quote_mark is None and self.text.escape_mark is not None:
            return parsed._replace(frame=_unescape(parsed.frame, self.text.escape_mark, grammar))
        return parsed

    def _find_escapes(self, records: Records) -> NDArray[np.bool_]:
        """Tell which records an escape makes hard: pyarrow knows escapes by other rules.

        Without quotes it is only one before a delimiter or a line end; what others stand for is
        found in the fields.
        """
        hard = np.zeros(len(records), dtype=np.bool_)
        mark = self.text.escape_mark
        if mark is None or not len(records) or mark.encode() not in records.data:
            return hard
        array = np.frombuffer(records.data, dtype=np.uint8)
        places = np.flatnonzero(array == ord(mark))
        if self.text.quote_mark is None:
            freed = array[np.minimum(places + 1, len(array) - 1)]
            places = places[np.isin(freed, [ord(self.delimiter), ord("\n"), ord("\r")])]
        at = np.searchsorted(records.starts, places, "right") - 1
        # not those of the header and of what was set aside
        hard[np.unique(at[(at >= 0) & (places < records.ends[at])])] = True
        return hard

    def _width(self, header: Sequence[str]) -> str:
        """Say how many fields are expected, and what says so."""
        if self.text.header:
            return f"where the header has {len(header)}"
        said = "the first record" if self.text.columns is None else "source.files.columns"
        return f"where {said} has {len(header)}"

    def _parse_fast(self, data: bytes, records: Records, header: Sequence[str]) -> _Parsed | None:
        """Parse with pyarrow; None where it counts other records than were split."""
        import pyarrow as pa
        import pyarrow.csv

        wrong: dict[int, int] = {}

        def misfit(row: pa.csv.InvalidRow) -> str:
            wrong[row.number - 1] = row.actual_columns
            return "skip"

        if not len(records):
            return _Parsed(pl.DataFrame(schema=dict.fromkeys(header, pl.String)), records, [])
        reading = pa.csv.ReadOptions(
            use_threads=False, column_names=header, block_size=len(data) + 2
        )
        quote = self.text.quote_mark
        parsing = pa.csv.ParseOptions(
            delimiter=self.delimiter,
            quote_char=quote or False,
            double_quote=quote is not None,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=misfit,
        )
        converting = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.large_string()),
            check_utf8=False,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=list(self.text.null_values),
        )
        try:
            table = pa.csv.read_csv(io.BytesIO(data + b"\n"), reading, parsing, converting)
        except pa.ArrowInvalid:
            return None
        if table.num_rows + len(wrong) != len(records) or max(wrong, default=0) >= len(records):
            return None
        return _drop_misfits(to_frame(table), records, wrong, self._width(header))


class SkippedLines:
    """Blocks of text without its first lines."""

    def __init__(self, blocks: Iterable[bytes], lines: int) -> None:
        self._blocks = blocks
        self._lines = lines
        self.dropped = 0
        """How many bytes were left out."""

    def __iter__(self) -> Iterator[bytes]:
        left = self._lines
        for block in self._blocks:
            at = 0
            while left and at < len(block):
                end = block.find(b"\n", at)
                at, left = (len(block), left) if end < 0 else (end + 1, left - 1)
            self.dropped += at
            if at < len(block):
                yield block[at:] if at else block


def _drop_misfits(
    frame: pl.DataFrame, records: Records, wrong: dict[int, int], width: str
) -> _Parsed:
    """Return rows without the records whose number of fields is wrong."""
    keep = np.ones(len(records), dtype=np.bool_)
    keep[list(wrong)] = False
    bad = [records.bad_record(at, f"{fields} fields {width}") for at, fields in wrong.items()]
    return _Parsed(frame, records.select(keep), bad)


def _parse_by_record(
    records: Records, width: str, header: Sequence[str], grammar: Grammar
) -> _Parsed:
    rows: list[list[str | None]] = []
    wrong: dict[int, int] = {}
    for at in range(len(records)):
        fields = grammar.split_fields(records.raw_bytes(at))
        if len(fields) == len(header):
            rows.append(fields)
        else:
            wrong[at] = len(fields)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row")
    return _drop_misfits(frame, records, wrong, width)


def _unescape(frame: pl.DataFrame, escape: str, grammar: Grammar) -> pl.DataFrame:
    """Return the fields with what their escapes stand for."""
    columns = frame.get_columns()
    for at, column in enumerate(columns):
        places = column.str.contains(escape, literal=True).fill_null(False).arg_true()
        if len(places):
            freed = [grammar.unescape(text) for text in column[places]]
            columns[at] = column.scatter(places, freed)
    return pl.DataFrame(columns)


def _drop_unfit(parsed: _Parsed, dtypes: Mapping[str, DTypeName]) -> _Parsed:
    """Return rows without the records that hold a value which a given type does not."""
    reasons: dict[int, str] = {}
    for name, given in dtypes.items():
        if name in parsed.frame.columns and given != "string":
            texts = parsed.frame[name]
            unfit = (parse_texts(texts, DTYPES[given]).is_null() & texts.is_not_null()).arg_true()
            for at in unfit.to_list():
                value = repr(texts[at][:SHOWN])
                reasons.setdefault(at, f"column '{name}' holds {value}, which is no {given}")
    if not reasons:
        return parsed
    keep = np.ones(len(parsed.good), dtype=np.bool_)
    keep[list(reasons)] = False
    bad = [parsed.good.bad_record(at, reason) for at, reason in sorted(reasons.items())]
    return _Parsed(parsed.frame.filter(keep), parsed.good.select(keep), [*parsed.bad, *bad])


def _set_flawed_aside(
    split: DelimitedRecords, longest: int, encoding: str
) -> tuple[Records, list[BadRecord]]:
    if not split.flaws:
        return split_unreadable(split.records, longest=longest, encoding=encoding)
    keep = np.ones(len(split.records), dtype=np.bool_)
    keep[list(split.flaws)] = False
    _, too_long = split_unreadable(split.records.select(~keep), longest=longest, encoding=encoding)
    told = {record.record for record in too_long}
    flawed = [split.records.bad_record(at, reason) for at, reason in split.flaws.items()]
    good, bad = split_unreadable(split.records.select(keep), longest=longest, encoding=encoding)
    return good, [*too_long, *(record for record in flawed if record.record not in told), *bad]
