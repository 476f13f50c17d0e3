"""Columns that another file holds, by id: ground truth that comes late, an annotator's answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources.extraction import add_extracted
from siftset.pipeline.sources.files import Opened, open_files
from siftset.pipeline.sources.row_ids import key_text
from siftset.pipeline.sources.types import FileTypes, Types, agree_types, fit_columns
from siftset.schemas.errors import SourceError, name_some
from siftset.schemas.paths import extract_paths, may_be_path
from siftset.schemas.recipe.source import Columns, Files

_KEY: Final = "_join_key"
_THEIRS: Final = "_joined"


@dataclass(frozen=True, slots=True)
class JoinedColumns:
    """The columns of a file by id; its values go before those of the records."""

    file: str
    id: str
    """The source's column that identifies a record."""
    types: Types
    digest: str
    inputs: tuple[dict[str, JsonValue], ...]
    rows: pl.DataFrame = field(repr=False, compare=False)
    """The columns, with the key of each row, in the types of the file."""

    @property
    def stated(self) -> FileTypes:
        """What the file says of its columns."""
        return FileTypes(self.file, self.types, declared=False)

    def as_types(self, types: Types) -> JoinedColumns:
        """Return the same with its columns in the types that all files agreed on."""
        fits = {name: types[name] for name in self.types}
        rows = fit_columns(self.rows.drop(_KEY), fits).with_columns(self.rows[_KEY])
        return replace(self, types=fits, rows=rows)

    def add_to(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a frame with the file's values where it has the record's id and a value."""
        keyed = frame.with_columns(key_text(frame[self.id]).alias(_KEY))
        met = keyed.join(self.rows, on=_KEY, how="left", suffix=_THEIRS, maintain_order="left")
        better = [pl.coalesce(f"{name}{_THEIRS}", name).alias(name) for name in self.types]
        return met.with_columns(better).select(frame.columns)


def open_join(config: Columns, folder: Path, source: str) -> JoinedColumns | None:
    """Read the file that a source joins, None where it joins none; raise SourceError."""
    join = config.join
    if join is None or config.id is None:
        return None
    key = join.id or config.id
    named = (key,) if may_be_path(key) else ()
    opened = open_files(Files(paths=(join.path,)), folder, paths=named).files
    opened = add_extracted(opened, named)
    types = agree_types([file.stated for file in opened])
    taken = join.columns or tuple(name for name in types if name != key)
    for name in (key, *taken):
        if name not in types:
            raise SourceError(
                f"{opened[0].types.file}: no column '{name}' (join); it has {name_some(types)}: "
                "name its id as 'id' and what to take as 'columns' in the source's join"
            )
    chosen = {name: types[name] if types[name] != pl.Null else pl.String() for name in taken}
    return JoinedColumns(
        file=opened[0].types.file,
        id=config.id,
        types=chosen,
        digest=" ".join(file.digest for file in opened),
        inputs=tuple(file.describe(source, "join") for file in opened),
        rows=_rows_by_key(opened, types, key, join.path).select(_KEY, *chosen),
    )


def _rows_by_key(opened: tuple[Opened, ...], types: Types, key: str, path: str) -> pl.DataFrame:
    """Return all rows that have an id, by its text; raise SourceError where one comes twice."""
    blocks = [b.frame for file in opened for part in file.parts for b in part.read_records()]
    for file in opened:
        if file.stamp is not None:
            file.stamp.check()
    # keys as they stand in the file, before a type of the column changes how they are written
    rows = [
        fit_columns(block, types).with_columns(key_text(block[key]).alias(_KEY))
        for block in (extract_paths(block, (key,)) for block in blocks)
        if key in block.columns
    ]
    keyed = pl.concat(rows).filter(pl.col(_KEY).is_not_null())
    twice = keyed.filter(pl.col(_KEY).is_duplicated())
    if twice.height:
        raise SourceError(
            f"{path}: the id {twice[_KEY][0]} comes twice in '{key}'; expected one row an id: "
            "leave one of them"
        )
    return keyed
