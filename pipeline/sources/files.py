"""Opening files: every one is checked before the first row is handed out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources.added_columns import (
    AddedColumns,
    partition_types,
    warn_of_partitions,
)
from siftset.pipeline.sources.batch import FilePart, RawBlock
from siftset.pipeline.sources.check_files import check_dtypes, check_keys, warn_of_dialect
from siftset.pipeline.sources.find_files import InputFile, find_files
from siftset.pipeline.sources.formats.encodings import undecodable_reason
from siftset.pipeline.sources.formats.streams import (
    FileStamp,
    file_identity,
    prefix_digests,
    undecodable_error,
)
from siftset.pipeline.sources.types import FileTypes, Types, lexeme_type
from siftset.pipeline.storage.object_store import Object
from siftset.pipeline.storage.run_folder import MEANING
from siftset.schemas.errors import EmptySourceError, SourceError
from siftset.schemas.paths import extract_paths
from siftset.schemas.recipe.source import Files


class Opened(NamedTuple):
    """A file that has been checked."""

    name: str
    stem: str
    types: FileTypes
    parts: tuple[FilePart, ...]
    digest: str
    bytes: int
    marks: tuple[str, ...] = ()
    """For each part, what changes with it and with what stands before it; else the digest does."""
    stamp: FileStamp | None = None
    """The file as it was when it was opened, where it may change."""
    extracted: Types = {}  # noqa: RUF012  never changed
    """The types of what paths into its columns lead to, as far as they lead to anything."""
    undecodable: int = 0
    """Records in another encoding than the source says; 0 where the file was known from before."""
    added: AddedColumns = AddedColumns()
    """Columns that are not in the records; `types` has them too."""

    @property
    def stated(self) -> FileTypes:
        """The columns of the file, with what paths into them lead to."""
        return self.types._replace(types=self.types.types | self.extracted)

    def describe(self, source: str, kind: str) -> dict[str, JsonValue]:
        """Return the entry of the manifest that identifies the file."""
        return {
            "source": source,
            "kind": kind,
            "name": self.name,
            "bytes": self.bytes,
            "records": sum(part.rows for part in self.parts),
            "fingerprint": self.digest,
        }


class OpenedFiles(NamedTuple):
    """The files of a source, in order."""

    files: tuple[Opened, ...]
    warnings: tuple[str, ...]


class TextReader(Protocol):
    """A file whose types are read off its text."""

    def read_records(self) -> Iterator[RawBlock]:
        """Yield its records."""

    def narrow_type(self, column: pl.Series, before: pl.DataType) -> pl.DataType:
        """Return the type of a column and of what was seen of it before."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """All records of a text file."""

    reader: TextReader
    rows: int

    def read_records(self) -> Iterator[RawBlock]:
        """Read the records."""
        return self.reader.read_records()


class ScanMemory(Protocol):
    """What is known of files from before, so that none is read twice for the same."""

    def digest(
        self, file: Path, read: Callable[[], tuple[str, tuple[str, ...]]]
    ) -> tuple[str, tuple[str, ...]]:
        """Return the digest and the marks of a file, which is read unless it is as it was."""

    def find(self, digest: str, how: str) -> tuple[Types, int] | None:
        """Return the columns and the number of records; None where they are not known."""

    def add(self, digest: str, how: str, types: Types, rows: int) -> None:
        """Take what a scan found."""


def open_files(
    config: Files,
    folder: Path,
    *,
    scans: ScanMemory | None = None,
    paths: tuple[str, ...] = (),
    unreadable: float = 1.0,
) -> OpenedFiles:
    """Find, open and check the files of a source; raise SourceError, or RecipeError for a key.

    `paths` lead into columns: of text files, what they lead to is typed while they are read.
    `unreadable` is the share of records that may be in another encoding than the source says.
    """
    found = find_files(config, folder)
    warnings = list(found.warnings)
    full: list[InputFile] = []
    for file in found.files:
        if _file_size(file):
            full.append(file)
        else:
            warnings.append(f"{file.path}: the file is empty (0 bytes)")
    if not full:
        raise EmptySourceError(
            f"{found.files[0].path}: the file is empty (0 bytes), and so is the source"
        )
    for file in full:
        check_keys(file, config)
    alone = unreadable if len(full) == 1 else 1.0
    with ThreadPoolExecutor(min(len(full), os.cpu_count() or 1)) as pool:
        opened = tuple(pool.map(lambda file: _open_file(file, config, scans, paths, alone), full))
    _check_encoding(full, opened, unreadable)
    if config.partitions == "hive":
        opened, told = _add_partitions(opened, [file.partitions for file in full], config)
        warnings += told
    elif "partitions" not in config.model_fields_set and any(file.partitions for file in full):
        warnings.append(warn_of_partitions(config.paths, [file.partitions for file in full]))
    check_dtypes(config, opened[0].types.file, [one.types.types for one in opened])
    warnings += warn_of_dialect(full, config)
    return OpenedFiles(opened, tuple(warnings))


def read_first_block(config: Files, folder: Path) -> RawBlock | None:
    """Read the first records of a source; of a text file no more than they take.

    None where there are none; raises SourceError, or RecipeError for a key.
    """
    file = find_files(config, folder).files[0]
    check_keys(file, config)
    if file.format in ("parquet", "arrow", "excel"):
        return next(_open_file(file, config, None, (), 1.0).parts[0].read_records(), None)
    return next(_text_reader(file, config).read_records(), None)


def _add_partitions(
    opened: tuple[Opened, ...], values: Sequence[dict[str, str | None]], config: Files
) -> tuple[tuple[Opened, ...], list[str]]:
    """Return files with the columns that their folders' names are; say which these replace."""
    types = partition_types(values, config)
    found: list[Opened] = []
    twice: dict[str, str] = {}
    for file, constants in zip(opened, values, strict=True):
        for name in constants.keys() & file.types.types.keys():
            twice.setdefault(name, file.types.file)
        stated = file.types._replace(types=file.types.types | types)
        all_of_them = {**file.added.constants, **dict.fromkeys(types), **constants}
        added = file.added._replace(constants=all_of_them)
        found.append(file._replace(types=stated, added=added))
    return tuple(found), [
        f"{file}: column '{name}' is in the file and in its folder's name, which is read"
        for name, file in sorted(twice.items())
    ]


def _check_encoding(
    files: Sequence[InputFile], opened: Sequence[Opened], unreadable: float
) -> None:
    """Refuse files that are in another encoding than the source says, before they are read."""
    records = sum(part.rows for one in opened for part in one.parts)
    if sum(one.undecodable for one in opened) > unreadable * records:
        shares = [one.undecodable / max(1, sum(p.rows for p in one.parts)) for one in opened]
        raise undecodable_error(files[shares.index(max(shares))])


def _file_size(file: InputFile) -> int:
    if isinstance(file.path, Object):
        return file.path.size
    try:
        return file.path.stat().st_size
    except OSError as error:
        raise SourceError(f"{file.path}: cannot be opened: {error.strerror}") from None


def _open_file(
    file: InputFile,
    config: Files,
    scans: ScanMemory | None,
    paths: tuple[str, ...],
    unreadable: float,
) -> Opened:
    types: Types
    extracted: Types = {}
    parts: tuple[FilePart, ...]
    ends: tuple[int, ...] = ()
    undecodable = 0
    stamp = FileStamp.take(file.path) if isinstance(file.path, Path) else None
    if file.format == "parquet":
        from siftset.pipeline.sources.formats.columnar import open_parquet

        types, found = open_parquet(file, longest=config.max_record_bytes)
        parts, ends = found, tuple(part.end for part in found) if len(found) > 1 else ()
    digest, marks = _digest_file(file, ends, scans)
    if file.format == "arrow":
        from siftset.pipeline.sources.formats.columnar import open_arrow

        types, parts = open_arrow(file, longest=config.max_record_bytes)
    elif file.format == "excel":
        from siftset.pipeline.sources.formats.excel import open_excel

        types, parts = open_excel(file, config)
    elif file.format != "parquet":
        scanned = _scan_text(file, config, digest, scans, paths, unreadable)
        types, extracted, parts, undecodable = scanned
    added = _find_added(file, config) if file.is_saved else AddedColumns()
    declared = file.format in ("parquet", "arrow")
    stated = FileTypes(str(file.path), added.change_types(types), declared)
    if stamp is not None:
        stamp = stamp._replace(digest=digest)
        stamp.check()
    size = _file_size(file)
    return Opened(
        file.name,
        file.stem,
        stated,
        parts,
        digest,
        size,
        marks,
        stamp,
        extracted,
        undecodable,
        added,
    )


def _find_added(file: InputFile, config: Files) -> AddedColumns:
    """Return the name of a saved dataset's split, and the names that its labels stand for."""
    from siftset.pipeline.sources.formats.columnar import read_label_names

    constants = {} if file.split is None else {"dataset_split": file.split}
    return AddedColumns(constants, read_label_names(file) if config.label_names else {})


def _digest_file(
    file: InputFile, ends: tuple[int, ...], scans: ScanMemory | None
) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a file, and marks by which a file that grew keeps its first parts."""
    path = file.path

    def read() -> tuple[str, tuple[str, ...]]:
        if ends and isinstance(path, Path) and file.compression is None:
            return prefix_digests(path, ends)
        return file_identity(path), ()

    if scans is None or isinstance(path, Object):
        return read()
    try:
        found = scans.digest(path, read)
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened: {error.strerror}") from None
    return found if len(found[1]) in (0, len(ends)) else read()


def _text_reader(file: InputFile, config: Files) -> TextReader:
    longest = config.max_record_bytes
    match file.format:
        case "csv" | "tsv":
            from siftset.pipeline.sources.formats.delimited import Delimited

            return Delimited(file, config, longest)
        case "jsonl" | "json":
            from siftset.pipeline.sources.formats.structured import JsonRecords

            return JsonRecords(file, longest)
    from siftset.pipeline.sources.formats.plain import TextLines, WholeText

    return TextLines(file, longest) if file.format == "lines" else WholeText(file, longest)


def _scan_text(
    file: InputFile,
    config: Files,
    digest: str,
    scans: ScanMemory | None,
    paths: tuple[str, ...],
    unreadable: float,
) -> tuple[Types, Types, tuple[FilePart, ...], int]:
    """Read a text file once for its types and the number of its records, unless they are known."""
    reader, how = _text_reader(file, config), repr((MEANING, file, config))
    with_paths = f"{how} {paths}"
    known = None if scans is None else scans.find(digest, how)
    inside = scans.find(digest, with_paths) if scans is not None and paths else ({}, 0)
    if known is not None and inside is not None:
        return known[0], inside[0], (TextPart(reader, known[1]),), 0
    types: Types = {}
    extracted: Types = {}
    rows = undecodable = 0
    reason = undecodable_reason(file.encoding)
    for at, block in enumerate(reader.read_records()):
        rows += block.frame.height + len(block.bad)
        undecodable += sum(record.reason == reason for record in block.bad)
        if at == 0 and undecodable > unreadable * rows:
            raise undecodable_error(file)
        for column in block.frame.get_columns():
            before = types.get(column.name, pl.Null())
            types[column.name] = reader.narrow_type(column, before)
        for column in extract_paths(block.frame, paths).get_columns()[block.frame.width :]:
            extracted[column.name] = lexeme_type(column, extracted.get(column.name, pl.Null()))
    extracted = {name: dtype for name, dtype in extracted.items() if dtype != pl.Null}
    if scans is not None:
        scans.add(digest, how, types, rows)
        if paths:
            scans.add(digest, with_paths, extracted, rows)
    return types, extracted, (TextPart(reader, rows),), undecodable
