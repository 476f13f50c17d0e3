"""Parquet and Arrow IPC: files that state their types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from siftset.pipeline.sources.batch import BATCH_ROWS, EXCERPT, PART_ROWS, BadRecord, RawBlock
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.arrow import to_frame
from siftset.pipeline.sources.formats.streams import broken_errors, broken_file_error, open_bytes
from siftset.pipeline.sources.row_ids import nested_text
from siftset.pipeline.sources.types import Types
from siftset.pipeline.storage.delta_types import delta_type
from siftset.pipeline.storage.object_store import Object
from siftset.schemas.errors import SourceError
from siftset.schemas.plurals import format_count

BATCH_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """Some row groups of a Parquet file that follow each other."""

    file: InputFile
    groups: tuple[int, ...]
    first: int
    """The number of the part's first record."""
    rows: int
    end: int = 0
    """Where its bytes end in the file."""
    longest: int | None = None
    """Bytes of a record above which it is unreadable."""

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the records in batches of bounded size."""
        number = self.first
        if not self.groups:
            return
        try:
            with _parquet_file(self.file) as parquet:
                chosen = [parquet.metadata.row_group(group) for group in self.groups]
                each = sum(group.total_byte_size for group in chosen) // max(1, self.rows)
                size = max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, each)))
                for batch in parquet.iter_batches(size, self.groups, use_threads=False):
                    yield raw_block(batch, number, longest=self.longest)
                    number += batch.num_rows
        except broken_errors() as error:
            raise broken_file_error(self.file, error, f"after record {number:,}") from None


@dataclass(frozen=True, slots=True)
class ArrowPart:
    """An Arrow IPC file or stream."""

    file: InputFile
    rows: int
    longest: int | None = None

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the records in batches of bounded size."""
        number = 0
        try:
            for whole in _arrow_batches(self.file):
                for start in range(0, whole.num_rows, BATCH_ROWS):
                    batch = whole.slice(start, BATCH_ROWS)
                    yield raw_block(batch, number + start, longest=self.longest)
                number += whole.num_rows
        except broken_errors() as error:
            raise broken_file_error(self.file, error, f"after record {number:,}") from None


def open_parquet(
    file: InputFile, *, longest: int | None = None
) -> tuple[Types, tuple[ParquetPart, ...]]:
    """Read the footer of a Parquet file: its columns, and parts of whole row groups."""
    try:
        with _parquet_file(file) as parquet:
            schema, metadata = parquet.schema_arrow, parquet.metadata
            sizes = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
    except broken_errors() as error:
        raise broken_file_error(file, error, "at its footer") from None
    types = _types_of_file(file, schema)
    parts: list[ParquetPart] = []
    groups: list[int] = []
    first = rows = 0
    for group, size in enumerate(sizes):
        groups.append(group)
        rows += size
        if rows >= PART_ROWS or group == len(sizes) - 1:
            whole = metadata.row_group(group)
            chunks = [whole.column(at) for at in range(whole.num_columns)]
            end = max(
                (
                    min(c.dictionary_page_offset or c.data_page_offset, c.data_page_offset)
                    + c.total_compressed_size
                    for c in chunks
                ),
                default=0,
            )
            parts.append(ParquetPart(file, tuple(groups), first, rows, end, longest))
            groups, first, rows = [], first + rows, 0
    return types, tuple(parts) or (ParquetPart(file, (), 0, 0),)


def open_arrow(
    file: InputFile, *, longest: int | None = None
) -> tuple[Types, tuple[ArrowPart, ...]]:
    """Read an Arrow file through once: its columns and the number of its records."""
    rows, schema = 0, None
    try:
        for batch in _arrow_batches(file):
            rows += batch.num_rows
            schema = batch.schema
    except broken_errors() as error:
        raise broken_file_error(file, error, f"after record {rows:,}") from None
    types = _types_of_file(file, schema) if schema is not None else {}
    return types, (ArrowPart(file, rows, longest),)


def read_label_names(file: InputFile) -> dict[str, tuple[str, ...]]:
    """Return the names that the integers of columns stand for, as datasets writes them."""
    schema = next(_arrow_batches(file)).schema
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    labels = {name: one for name, one in told.items() if isinstance(one, dict)}
    return {
        name: tuple(map(str, one["names"]))
        for name, one in labels.items()
        if one.get("_type") == "ClassLabel" and isinstance(one.get("names"), list)
    }


def _types_of_file(file: InputFile, schema: pa.Schema) -> Types:
    try:
        return declared_types(schema)
    except SourceError as error:
        raise SourceError(f"{file.path}: {error}") from None


def declared_types(schema: pa.Schema) -> Types:
    """Return the columns of an Arrow schema as they will be stored; raise SourceError."""
    types: Types = {}
    for field in schema:
        if field.name in types:
            raise SourceError(f"column '{field.name}' is there twice; rename one of them")
        try:
            [dtype] = pl.Schema(pa.schema([field.with_type(_plain_type(field.type))])).dtypes()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            dtype = pl.Unknown()
        if dtype == pl.Unknown or isinstance(dtype, pl.BaseExtension):
            raise SourceError(
                f"column '{field.name}' holds {field.type}, which cannot be stored: convert it, or "
                "leave it out"
            )
        types[field.name] = delta_type(dtype, null=pl.Null())
    return types


def _plain_type(dtype: pa.DataType) -> pa.DataType:
    """Return the type as which polars reads a column: moments in UTC, decimals of 38 digits."""
    if pa.types.is_timestamp(dtype):
        return pa.timestamp(dtype.unit, None if dtype.tz is None else "UTC")
    if pa.types.is_decimal256(dtype):
        fits = dtype.precision <= 38
        return pa.decimal128(dtype.precision, dtype.scale) if fits else pa.string()
    if pa.types.is_list(dtype):
        return pa.list_(_plain_type(dtype.value_type))
    if pa.types.is_large_list(dtype):
        return pa.large_list(_plain_type(dtype.value_type))
    if pa.types.is_struct(dtype):
        return pa.struct([f.with_type(_plain_type(f.type)) for f in dtype])
    return dtype


def raw_block(batch: pa.RecordBatch, number: int, *, longest: int | None = None) -> RawBlock:
    """Return a batch as a block; too long records and those that are not UTF-8 apart."""
    bad: dict[int, str] = {}
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        batch, bad = _only_utf8(batch)
    for at, field in enumerate(batch.schema):
        if (plain := _plain_type(field.type)) != field.type:
            batch = batch.set_column(at, field.name, batch.column(at).cast(plain))
    frame = to_frame(batch)
    if longest is not None and frame.estimated_size() > longest:
        for at in np.flatnonzero(_record_bytes(frame) > longest).tolist():
            bad.setdefault(at, f"longer than {format_count(longest, 'byte')} (max_record_bytes)")
    records = pl.int_range(number, number + frame.height, eager=True).alias("record")
    if not bad:
        return RawBlock(frame, records)
    keep = np.ones(frame.height, dtype=np.bool_)
    keep[list(bad)] = False
    short = frame.with_columns(pl.col(pl.String).str.slice(0, EXCERPT)).select(
        pl.exclude(pl.Binary)
    )
    unreadable = tuple(
        BadRecord(number + at, None, reason, repr(short.row(at)).encode()[:EXCERPT])
        for at, reason in sorted(bad.items())
    )
    return RawBlock(frame.filter(keep), records.filter(pl.Series(keep)), unreadable)


def _record_bytes(frame: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return about how many bytes the texts, bytes, lists and structs of every record take."""
    total = np.zeros(frame.height, dtype=np.int64)
    for column in frame.get_columns():
        if column.dtype == pl.Binary:
            sizes = column.bin.size()
        elif column.dtype == pl.String or column.dtype.is_nested():
            texts = column if column.dtype == pl.String else nested_text(column)
            sizes = texts.str.len_bytes()
        else:
            continue
        total += sizes.fill_null(0).cast(pl.Int64).to_numpy()
    return total


def _only_utf8(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, dict[int, str]]:
    bad: dict[int, str] = {}
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts: list[str | None] = []
            for at, value in enumerate(column.cast(pa.large_binary()).to_pylist()):
                try:
                    texts.append(None if value is None else value.decode())
                except UnicodeDecodeError:
                    texts.append(None)
                    bad[at] = f"column '{name}' is not valid UTF-8"
            column = pa.array(texts, pa.string())
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, batch.schema.names), bad


def _parquet_file(file: InputFile) -> pq.ParquetFile:
    if file.compression is None:
        if isinstance(file.path, Object):
            return pq.ParquetFile(file.path.open(), pre_buffer=True)
        # not mapped into memory: a file that is cut while it is read would kill the process
        return pq.ParquetFile(file.path)
    with open_bytes(file) as stream:
        return pq.ParquetFile(pa.BufferReader(stream.read()))


def _arrow_batches(file: InputFile) -> Iterator[pa.RecordBatch]:
    if file.compression is None and isinstance(file.path, Object):
        source = pa.PythonFile(file.path.open())
    elif file.compression is None:
        source = pa.OSFile(str(file.path))
    else:
        with open_bytes(file) as stream:
            source = pa.BufferReader(stream.read())
    with source:
        if source.read(6) == b"ARROW1":
            with pa.ipc.open_file(source) as reader:
                yield from (reader.get_batch(at) for at in range(reader.num_record_batches))
                if not reader.num_record_batches:
                    yield pa.RecordBatch.from_pylist([], reader.schema)
        else:
            source.seek(0)
            with pa.ipc.open_stream(source) as stream_reader:
                yield pa.RecordBatch.from_pylist([], stream_reader.schema)
                yield from stream_reader
