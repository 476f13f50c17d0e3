"""A data frame or Arrow table as the source, for `curate(recipe, data=frame)`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from siftset.pipeline.sources.batch import BATCH_ROWS, PART_ROWS, RawBlock, Sources
from siftset.pipeline.sources.files import Opened, OpenedFiles
from siftset.pipeline.sources.formats.columnar import raw_block
from siftset.pipeline.sources.join import open_join
from siftset.pipeline.sources.open import combine_sources, map_files
from siftset.pipeline.sources.row_ids import content_hashes
from siftset.pipeline.sources.types import FileTypes
from siftset.pipeline.storage.delta_types import delta_type
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.source import Columns, Delta, Files, Hub

NAME = "frame"


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


def frame_source(
    data: pl.DataFrame | pa.Table,
    recipe: Recipe,
    *,
    limit: int | None = None,
    folder: Path | None = None,
) -> Sources:
    """Return rows in memory as the one source; the columns are mapped as the recipe's first source.

    A file that this source joins is sought in `folder`, by default the current one. Raises
    SourceError where the frame has no rows or lacks a mapped column.
    """
    if isinstance(data, pl.DataFrame):
        frame = data
    else:
        blocks = [raw_block(batch, 0) for batch in data.to_batches()]
        if any(block.bad for block in blocks):
            raise SourceError("data: the table holds text that is not UTF-8; mend it first")
        frame = pl.concat([block.frame for block in blocks]) if blocks else pl.DataFrame()
    if frame.is_empty():
        raise SourceError("data: the frame has no rows; expected at least one")
    first = recipe.source[0].config
    mapped = first if isinstance(first, Files | Hub | Delta) else None
    chosen: dict[str, Any] = {}
    if mapped is not None:
        # only what is given: text that is not named may be made of the conversation
        chosen = {
            key: getattr(mapped, key)
            for key in Columns.model_fields
            if key in mapped.model_fields_set
        }
    config = Files(name=NAME, paths=(NAME,), **chosen)
    opened = OpenedFiles((_open_frame(frame),), ())
    joined = open_join(config, folder or Path.cwd(), NAME)
    found = map_files(config, opened, recipe.prepare, kind=NAME, joined=joined)
    return combine_sources([found], recipe, limit)


def _open_frame(frame: pl.DataFrame) -> Opened:
    types = {name: delta_type(dtype, null=pl.Null()) for name, dtype in frame.schema.items()}
    parts = tuple(
        FramePart(frame.slice(start, PART_ROWS), start)
        for start in range(0, frame.height, PART_ROWS)
    )
    digest = hashlib.sha256()
    for part in parts:
        for block in part.read_records():
            digest.update(content_hashes(block.frame).tobytes())
    stated = FileTypes(NAME, types, declared=True)
    size = int(frame.estimated_size())
    return Opened(NAME, NAME, stated, parts, digest.hexdigest(), size)
