"""Answer the rows of a file into another: CSV, Parquet or JSON Lines, each by its ending."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Final, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from siftset.schemas.errors import OutputError, SourceError
from siftset.trainer.inference.predict import Predictor, parse_line, read_lines

ROWS_AT_ONCE: Final = 256
"""Rows of a file that are read, answered and written together."""

LINES: Final = (".jsonl", ".ndjson")
ENDINGS: Final = (*LINES, ".csv", ".parquet")

Row = dict[str, object]


class _UnlikeRowsError(Exception):
    """A row does not have the fields of those before it."""


class _Writer(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


def check_endings(source: Path, target: Path) -> None:
    """Raise SourceError or OutputError for a file whose ending says no known format."""
    expected = f"expected a name that ends in {', '.join(ENDINGS)}"
    if source.suffix.lower() not in ENDINGS:
        raise SourceError(f"{source} cannot be read: {expected}")
    if target.suffix.lower() not in ENDINGS:
        raise OutputError(f"{target} cannot be written: {expected}")


def predict_file(predictor: Predictor, source: Path, target: Path, *, column: str = "text") -> int:
    """Answer a file row by row; return how many rows were answered.

    Other fields are kept; an answer whose name a field has already is called predicted_<name>.
    `target` appears whole, or not at all; memory does not grow with the file.
    """
    check_endings(source, target)
    rows, types = _open_source(source, column)
    part = target.with_name(f".{target.name}.part")
    writer: _Writer | None = None
    taken: frozenset[str] | None = None
    n = 0
    try:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            answers = predictor([str(row[column]) for row in some])
            if taken is None:
                taken = frozenset(name for row in some for name in row)
            whole = [
                row | {_rename(k, taken.union(row)): v for k, v in answer.items() if k != "text"}
                for row, answer in zip(some, answers, strict=True)
            ]
            writer = writer or _open_target(part, target.suffix.lower(), types)
            writer.write(whole)
            n += len(some)
        writer = writer or _open_target(part, target.suffix.lower(), types)
        writer.close()
        os.replace(part, target)  # noqa: PTH105
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error
    except (pl.exceptions.PolarsError, pa.ArrowException, _UnlikeRowsError) as error:
        reason = str(error).splitlines()[0][:200]
        raise OutputError(
            f"{target} cannot hold these rows ({reason}): write a .jsonl file"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return n


def _rename(name: str, taken: frozenset[str]) -> str:
    return f"predicted_{name}" if name in taken else name


def _open_source(path: Path, column: str) -> tuple[Iterator[Row], Mapping[str, pl.DataType]]:
    """Return the rows of a file, each with a text in `column`, and the types that it states."""
    readers: dict[str, Callable[[Path], Iterator[tuple[str, Row]]]] = {
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    types: dict[str, pl.DataType] = {}
    if path.suffix.lower() == ".parquet":
        try:
            types = dict(pl.read_parquet_schema(path))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SourceError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    read = readers.get(path.suffix.lower())
    found = _read_json_lines(path, column) if read is None else read(path)
    return _check_rows(found, path, column), types


def _check_rows(rows: Iterator[tuple[str, Row]], path: Path, column: str) -> Iterator[Row]:
    try:
        for place, row in rows:
            if column not in row:
                known = ", ".join(row)
                raise SourceError(
                    f"{place}: expected a text in '{column}', there are: {known}; name it with  "
                    "--column"
                )
            if not isinstance(row[column], str):
                raise SourceError(
                    f"{place}: expected a text in '{column}', it holds "
                    f"{json.dumps(row[column], default=str)[:60]}"
                )
            yield row
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{path} cannot be read: {reason}") from error


def _read_json_lines(path: Path, column: str) -> Iterator[tuple[str, Row]]:
    for number, line in read_lines(path):
        read = parse_line(line, f"{path}:{number}")
        if not isinstance(read, (str, dict)):
            raise SourceError(
                f"{path}:{number}: expected a JSON text, or an object with a text in '{column}'"
            )
        yield f"{path}:{number}", {column: read} if isinstance(read, str) else dict(read)


def _read_csv(path: Path) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        for row in reader:
            if None in row or None in row.values():
                raise SourceError(
                    f"{path}:{reader.line_num}: expected {len(reader.fieldnames or ())} "
                    "fields, as the header has"
                )
            yield f"{path}:{reader.line_num}", dict(row)


def _read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    with pq.ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches(ROWS_AT_ONCE):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            for row in frame.iter_rows(named=True):
                number += 1
                yield f"{path}: row {number}", row


def _open_target(path: Path, ending: str, types: Mapping[str, pl.DataType]) -> _Writer:
    if ending == ".parquet":
        return _ParquetRows(path, types)
    return _TextRows(path, as_csv=ending == ".csv")


class _TextRows:
    """Lines of JSON, or of CSV with nested values as JSON."""

    def __init__(self, path: Path, *, as_csv: bool) -> None:
        self.file: IO[str] = path.open("w", encoding="utf-8", newline="" if as_csv else None)
        self.as_csv = as_csv
        self.table: csv.DictWriter[str] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows; those of a CSV file have the fields of the first one."""
        for row in rows:
            if not self.as_csv:
                self.file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
                continue
            if self.table is None:
                self.table = csv.DictWriter(self.file, list(row), lineterminator="\n")
                self.table.writeheader()
            if set(row) - set(self.table.fieldnames):
                strange = ", ".join(sorted(set(row) - set(self.table.fieldnames)))
                raise _UnlikeRowsError(f"a row has fields that the first one lacks: {strange}")
            self.table.writerow(
                {
                    name: json.dumps(value, ensure_ascii=False, default=str)
                    if isinstance(value, (dict, list))
                    else value
                    for name, value in row.items()
                }
            )

    def close(self) -> None:
        """Finish the file."""
        self.file.close()


class _ParquetRows:
    """A Parquet file with the types of its source, and those of the first batch."""

    def __init__(self, path: Path, types: Mapping[str, pl.DataType]) -> None:
        self.path, self.types = path, types
        self.writer: pq.ParquetWriter | None = None
        self.schema: pl.Schema | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows that have the fields and types of the first ones."""
        known = {name: kind for name, kind in self.types.items() if name in rows[0]}
        frame = pl.DataFrame(rows, schema_overrides=known, infer_schema_length=None)
        self.schema = self.schema or frame.schema
        if set(frame.columns) - set(self.schema):
            strange = ", ".join(sorted(set(frame.columns) - set(self.schema)))
            raise _UnlikeRowsError(f"a row has fields that the first ones lack: {strange}")
        lacking = {name: pl.lit(None) for name in self.schema if name not in frame.columns}
        table = frame.with_columns(**lacking).select(list(self.schema)).cast(self.schema).to_arrow()
        if self.writer is None:
            self.writer = pq.ParquetWriter(str(self.path), table.schema, compression="zstd")
        self.writer.write_table(table)

    def close(self) -> None:
        """Finish the file; without a row it has the columns of its source."""
        if self.writer is None:
            pl.DataFrame(schema=dict(self.types)).write_parquet(self.path)
        else:
            self.writer.close()
