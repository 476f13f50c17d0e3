"""What Python hands over as data: tables of any library, to parts of records."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl
import pyarrow as pa

from siftset.pipeline.sources.added_columns import AddedColumns
from siftset.pipeline.sources.batch import BATCH_ROWS, PART_ROWS, FilePart, RawBlock
from siftset.pipeline.sources.formats.columnar import declared_types, raw_block
from siftset.pipeline.sources.hub import dataset_parts, label_names
from siftset.pipeline.sources.types import Types
from siftset.pipeline.storage.delta_types import delta_type
from siftset.schemas.errors import SourceError

if TYPE_CHECKING:
    from datasets import Dataset

EXPECTED: Final = (
    "expected a pandas, polars or Arrow table, a DuckDB relation, a datasets.Dataset or a list of "
    "dicts"
)


@dataclass(frozen=True, slots=True)
class FramePart:
    """Some rows of a frame that follow each other."""

    frame: pl.DataFrame = field(repr=False)
    first: int

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return self.frame.height

    def read_records(self) -> Iterator[RawBlock]:
        """Yield the rows in batches."""
        for start in range(0, self.frame.height, BATCH_ROWS):
            rows = self.frame.slice(start, BATCH_ROWS)
            first = self.first + start
            numbers = pl.int_range(first, first + rows.height, eager=True).alias("record")
            yield RawBlock(rows, numbers)


class DataTable(NamedTuple):
    """A table of the data: its columns, its records, and what is added to them."""

    types: Types
    parts: tuple[FilePart, ...]
    bytes: int
    added: AddedColumns = AddedColumns()
    name: str = ""
    """Which of several; empty for the only one."""


def read_tables(data: object, *, names: bool = True) -> list[DataTable]:
    """Return the tables of what was handed over: one, or one a split of a DatasetDict.

    `names` reads labels of datasets as their names. Raises SourceError for anything else, and for
    columns that hold values of several kinds.
    """
    if "datasets" in sys.modules:
        from datasets import Dataset, DatasetDict, IterableDataset

        if isinstance(data, Dataset):
            return [_dataset_table(data, names=names)]
        if isinstance(data, DatasetDict):
            tables = []
            for split, dataset in data.items():
                table = _dataset_table(dataset, names=names)
                added = table.added._replace(constants={"dataset_split": str(split)})
                types = added.change_types(table.types)
                tables.append(table._replace(name=str(split), added=added, types=types))
            return tables
        if isinstance(data, IterableDataset):
            raise SourceError(
                "data: an IterableDataset, which can be read once only: make a datasets.Dataset "
                "of it, or write it to Parquet"
            )
    frame = _to_frame(data)
    types = {name: delta_type(dtype, null=pl.Null()) for name, dtype in frame.schema.items()}
    parts = tuple(
        FramePart(frame.slice(start, PART_ROWS), start)
        for start in range(0, frame.height, PART_ROWS)
    )
    return [DataTable(types, parts, int(frame.estimated_size()))]


def _dataset_table(dataset: Dataset, *, names: bool) -> DataTable:
    added = AddedColumns(labels=label_names(dataset.features) if names else {})
    types = added.change_types(declared_types(dataset.features.arrow_schema))
    return DataTable(types, dataset_parts(dataset), int(dataset.dataset_size or 0), added)


def _to_frame(data: object) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        return data.collect(engine="streaming")
    if isinstance(data, pa.RecordBatchReader):
        return _arrow_frame(data.read_all())
    if isinstance(data, pa.Table | pa.RecordBatch):
        return _arrow_frame(data)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _arrow_frame(_pandas_table(data))
    if hasattr(data, "__arrow_c_stream__"):
        return _arrow_frame(pa.table(data))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _frame_of_dicts(data)
    article = "an" if type(data).__name__[:1].lower() in "aeiou" else "a"
    raise SourceError(f"data: {article} {type(data).__name__}; {EXPECTED}")


def _arrow_frame(table: pa.Table | pa.RecordBatch) -> pl.DataFrame:
    batches = table.to_batches() if isinstance(table, pa.Table) else [table]
    blocks = [raw_block(batch, 0) for batch in batches]
    if any(block.bad for block in blocks):
        raise SourceError("data: the table holds text that is not UTF-8; fix it first")
    return pl.concat([block.frame for block in blocks]) if blocks else pl.DataFrame()


def _pandas_table(data: Any) -> pa.Table:  # noqa: ANN401  a pandas.DataFrame
    """Return a pandas frame as a table: a named index is a column, an unnamed one is none."""
    named = [level for level in data.index.names if level is not None]
    frame = data.reset_index(level=named) if named else data
    frame = frame.set_axis([str(column) for column in frame.columns], axis="columns")
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise SourceError(f"data: column '{twice[0]}' is there twice; rename one of them")
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        for column in frame.columns:
            kinds = sorted({type(value).__name__ for value in frame[column].dropna()})
            if frame[column].dtype == object and len(kinds) > 1:
                raise _mixed_error(str(column), kinds) from None
        raise SourceError(f"data: cannot be read: {' '.join(map(str, error.args))}") from None


def _frame_of_dicts(data: Sequence[object]) -> pl.DataFrame:
    odd = next((row for row in data if not isinstance(row, Mapping)), None)
    if odd is not None:
        raise SourceError(f"data: a list that holds {type(odd).__name__}; {EXPECTED}")
    columns: dict[str, list[object]] = {}
    for at, row in enumerate(data):
        assert isinstance(row, Mapping)
        for name, value in row.items():
            values = columns.setdefault(str(name), [])
            values += [None] * (at - len(values))
            values.append(value)
    found: list[pl.Series] = []
    for name, values in columns.items():
        values += [None] * (len(data) - len(values))
        try:
            found.append(pl.Series(name, values, strict=True))
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            kinds = sorted({type(value).__name__ for value in values if value is not None})
            if kinds == ["float", "int"]:
                found.append(pl.Series(name, values, dtype=pl.Float64, strict=False))
                continue
            raise _mixed_error(name, kinds) from None
    return pl.DataFrame(found)


def _mixed_error(column: str, kinds: Sequence[str]) -> SourceError:
    return SourceError(
        f"data: column '{column}' holds {' and '.join(kinds)}: "
        f"df['{column}'] = df['{column}'].astype(str)"
    )
