"""Spreadsheets: .xlsx, .xlsm, .xlsb, .xls and .ods, read whole by calamine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from siftset.pipeline.sources.batch import BATCH_ROWS, EXCERPT, BadRecord, RawBlock
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.streams import open_bytes
from siftset.pipeline.sources.row_ids import EXACT
from siftset.pipeline.sources.types import DTYPES, Types, fit_columns, parse_texts
from siftset.schemas.errors import MissingExtraError, SourceError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.source import Files

if TYPE_CHECKING:
    from fastexcel import ExcelReader

OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How a compound file begins: an old .xls, or a newer spreadsheet that is encrypted."""
ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
TOP_ROWS: Final = 100
"""How many rows are read at once to find the first that holds anything."""


@dataclass(frozen=True, slots=True)
class ExcelPart:
    """The rows of one sheet."""

    file: InputFile
    config: Files
    sheet: str
    rows: int

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the rows in batches."""
        frame, bad = _read_sheet(_open_workbook(self.file), self.file, self.config, self.sheet)
        told = {record.record for record in bad}
        numbers = np.array([at for at in range(self.rows) if at not in told], dtype=np.int64)
        for start in range(0, max(1, frame.height), BATCH_ROWS):
            records = pl.Series("record", numbers[start : start + BATCH_ROWS], dtype=pl.Int64)
            yield RawBlock(frame.slice(start, BATCH_ROWS), records, () if start else tuple(bad))


def open_excel(file: InputFile, config: Files) -> tuple[Types, tuple[ExcelPart, ...]]:
    """Read a sheet of a spreadsheet through once: its columns and the number of its rows.

    Raises SourceError where several sheets hold rows and none is named, and MissingExtraError
    without the package fastexcel.
    """
    book = _open_workbook(file)
    sheet = _choose_sheet(book, file, config)
    frame, bad = _read_sheet(book, file, config, sheet)
    types: Types = dict(frame.schema)
    return types, (ExcelPart(file, config, sheet, frame.height + len(bad)),)


def read_tops(file: InputFile) -> dict[str, list[tuple[str | None, ...]]]:
    """Return the first rows, as text, of every sheet that is seen and holds any."""
    book = _open_workbook(file)
    tops: dict[str, list[tuple[str | None, ...]]] = {}
    for name in book.sheet_names:
        sheet = book.load_sheet(name, header_row=None, n_rows=TOP_ROWS, dtypes="string")
        if sheet.height and sheet.visible == "visible":
            tops[name] = sheet.to_polars().rows()
    return tops


def _open_workbook(file: InputFile) -> ExcelReader:
    try:
        import fastexcel
    except ImportError:
        raise MissingExtraError(f"{file.path}: reading a spreadsheet", "excel") from None
    with open_bytes(file) as stream:
        data = stream.read()
    try:
        return fastexcel.read_excel(data)
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        if "assword" in reason or (data.startswith(OLE) and ENCRYPTED in data):
            raise SourceError(
                f"{file.path}: protected by a password: save it without one, or as CSV"
            ) from None
        raise SourceError(
            f"{file.path}: cannot be read ({reason}); expected a whole spreadsheet: save it again"
        ) from None


def _choose_sheet(book: ExcelReader, file: InputFile, config: Files) -> str:
    names = book.sheet_names
    wanted = config.sheet
    if isinstance(wanted, int) and 1 <= wanted <= len(names):
        return names[wanted - 1]
    if isinstance(wanted, str) and wanted in names:
        return wanted
    if wanted is not None:
        shown = f"'{wanted}'" if isinstance(wanted, str) else f"number {wanted}"
        raise SourceError(f"{file.path}: no sheet {shown} (source.files.sheet); {_list(names)}")
    sheets = [book.load_sheet(name, header_row=None, n_rows=1) for name in names]
    filled = [sheet.name for sheet in sheets if sheet.height and sheet.visible == "visible"]
    if len(filled) > 1:
        raise SourceError(
            f"{file.path}: {len(filled)} sheets hold rows ({', '.join(filled)}): set "
            "source.files.sheet"
        )
    if not filled:
        raise SourceError(f"{file.path}: no sheet holds rows; {_list(names)}")
    return filled[0]


def _list(names: Sequence[str]) -> str:
    return f"it has {', '.join(names)}"


def _read_sheet(
    book: ExcelReader, file: InputFile, config: Files, sheet: str
) -> tuple[pl.DataFrame, list[BadRecord]]:
    """Return the rows that hold anything, and those that do not fit the types they should have.

    An error in a cell, such as #DIV/0!, is null; of merged cells the first has the value.
    """
    top, start = _find_top(book, file, config, sheet)
    given = config.columns
    first = start + config.header
    whole = book.load_sheet(sheet, header_row=None, skip_rows=first, schema_sample_rows=None)
    frame = whole.to_polars()
    names = [text or "" for text in top] if config.header else [""] * frame.width
    frame = frame.rename(dict(zip(frame.columns, map(str, range(frame.width)), strict=True)))
    if given is not None and len(given) != frame.width:
        raise SourceError(
            f"{file.path}: sheet '{sheet}' has {format_count(frame.width, 'column')}, and "
            f"source.files.columns names {len(given)}"
        )
    chosen = {
        str(at): (given[at] if given is not None else name) or f"column_{at + 1}"
        for at, name in enumerate(names)
        # a column that is empty to its top is none: only its cells have a format
        if given is not None or name or frame[str(at)].null_count() < frame.height
    }
    twice = sorted(name for name, times in Counter(chosen.values()).items() if times > 1)
    if twice:
        raise SourceError(f"{file.path}: the header names column '{twice[0]}' twice; rename one")
    frame = frame.select(pl.col(at).alias(name) for at, name in chosen.items())
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return _apply_dtypes(frame.with_columns(map(_narrow, frame.get_columns())), config)


def _find_top(
    book: ExcelReader, file: InputFile, config: Files, sheet: str
) -> tuple[tuple[str | None, ...], int]:
    """Return the first row that holds anything, after the lines to skip, as text, and its place."""
    height = book.load_sheet(sheet, header_row=None, skip_rows=0).height
    for start in range(config.skip_lines, height, TOP_ROWS):
        rows = book.load_sheet(
            sheet, header_row=None, skip_rows=start, n_rows=TOP_ROWS, dtypes="string"
        ).to_polars()
        filled = rows.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
        if len(filled):
            return rows.row(filled[0]), start + int(filled[0])
    raise SourceError(
        f"{file.path}: no row in sheet '{sheet}' after the first {config.skip_lines}; expected "
        "column names"
    )


def _narrow(values: pl.Series) -> pl.Series:
    """Return numbers without fractions as integers, and moments without a time as dates."""
    if values.dtype.is_float():
        is_whole = (values == values.floor()) & (values.abs() < EXACT)
        return values.cast(pl.Int64) if is_whole.all() else values
    if isinstance(values.dtype, pl.Datetime):
        return values.cast(pl.Date) if (values == values.dt.truncate("1d")).all() else values
    if isinstance(values.dtype, pl.Duration):
        return values.dt.to_string("polars")
    return values


def _apply_dtypes(frame: pl.DataFrame, config: Files) -> tuple[pl.DataFrame, list[BadRecord]]:
    reasons: dict[int, str] = {}
    columns: list[pl.Series] = []
    for name, given in config.dtypes.items():
        if name in frame.columns:
            texts = fit_columns(frame.select(name), {name: pl.String()})[name]
            dtype = DTYPES[given]
            found = frame[name] if frame[name].dtype == dtype else parse_texts(texts, dtype)
            columns.append(found)
            for at in (found.is_null() & texts.is_not_null()).arg_true().to_list():
                reasons.setdefault(at, f"column '{name}' holds {texts[at]!r}, which is no {given}")
    if not columns:
        return frame, []
    rows = frame.select(pl.struct(pl.all()).struct.json_encode())[:, 0]
    bad = [
        BadRecord(at, None, reason, rows[at].encode()[:EXCERPT])
        for at, reason in sorted(reasons.items())
    ]
    keep = pl.Series([at not in reasons for at in range(frame.height)], dtype=pl.Boolean)
    return frame.with_columns(columns).filter(keep), bad
