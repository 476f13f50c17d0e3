"""Opening files: every one is checked before the first row is handed out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from pipeline.sources.assemble import Part
from pipeline.sources.batch import RawBlock
from pipeline.sources.columnar import open_arrow, open_parquet
from pipeline.sources.delimited import Delimited
from pipeline.sources.locate import InputFile, find_files
from pipeline.sources.plain import Lines, Whole
from pipeline.sources.streams import sha256
from pipeline.sources.structured import JsonRecords
from pipeline.sources.types import FileTypes, Types
from schemas.errors import SourceError
from schemas.source import Files


class Opened(NamedTuple):
    """A file that has been checked."""

    name: str
    stem: str
    types: FileTypes
    parts: tuple[Part, ...]
    digest: str
    bytes: int


class OpenedFiles(NamedTuple):
    """The files of a source, in order."""

    files: tuple[Opened, ...]
    warnings: tuple[str, ...]


class TextReader(Protocol):
    """A file whose types are read off its text."""

    def blocks(self) -> Iterator[RawBlock]:
        """Yield its records."""

    def narrowed(self, column: pl.Series, before: pl.DataType) -> pl.DataType:
        """Return the type of a column and of what was seen of it before."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """All records of a text file."""

    reader: TextReader
    rows: int

    def blocks(self) -> Iterator[RawBlock]:
        """Read the records."""
        return self.reader.blocks()


def open_files(config: Files, folder: Path) -> OpenedFiles:
    """Find, open and check the files of a source; raise SourceError."""
    found = find_files(config, folder)
    warnings = list(found.warnings)
    full = [file for file in found.files if _size(file)]
    for file in found.files:
        if file not in full:
            warnings.append(f"{file.path}: the file is empty (0 bytes)")
    if not full:
        raise SourceError(
            f"{found.files[0].path}: the file is empty (0 bytes), and so is the source"
        )
    with ThreadPoolExecutor(min(len(full), os.cpu_count() or 1)) as pool:
        opened = tuple(pool.map(lambda file: _open(file, config), full))
    return OpenedFiles(opened, tuple(warnings))


def _size(file: InputFile) -> int:
    try:
        return file.path.stat().st_size
    except OSError as error:
        raise SourceError(f"{file.path}: cannot be opened: {error.strerror}") from None


def _open(file: InputFile, config: Files) -> Opened:
    digest = sha256(file.path)
    types: Types
    parts: tuple[Part, ...]
    if file.format == "parquet":
        types, parts = open_parquet(file)
    elif file.format == "arrow":
        types, parts = open_arrow(file)
    else:
        types, parts = _scan(_reader(file, config))
    declared = file.format in ("parquet", "arrow")
    stated = FileTypes(str(file.path), types, declared)
    return Opened(file.name, file.stem, stated, parts, digest, _size(file))


def _reader(file: InputFile, config: Files) -> TextReader:
    longest = config.max_record_bytes
    match file.format:
        case "csv" | "tsv":
            delimiter = config.delimiter or ("," if file.format == "csv" else "\t")
            if len(delimiter.encode()) != 1 or delimiter in '"\r\n':
                raise SourceError(
                    f"source.files.delimiter: {delimiter!r} is not one ASCII character"
                )
            return Delimited(file, delimiter, longest)
        case "jsonl" | "json":
            return JsonRecords(file, longest)
        case "lines":
            return Lines(file, longest)
    return Whole(file, longest)


def _scan(reader: TextReader) -> tuple[Types, tuple[Part, ...]]:
    """Read a text file through once for its types and the number of its records."""
    types: Types = {}
    rows = 0
    for block in reader.blocks():
        rows += block.frame.height + len(block.bad)
        for column in block.frame.get_columns():
            before = types.get(column.name, pl.Null())
            types[column.name] = reader.narrowed(column, before)
    return types, (TextPart(reader, rows),)
