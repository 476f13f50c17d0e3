"""Data of Python as the source, for `curate(recipe, data)`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from siftset.pipeline.sources.batch import Sources
from siftset.pipeline.sources.files import Opened, OpenedFiles
from siftset.pipeline.sources.join import open_join
from siftset.pipeline.sources.mapped_files import map_files
from siftset.pipeline.sources.open import combine_sources
from siftset.pipeline.sources.python_data import DataTable, read_tables
from siftset.pipeline.sources.row_ids import content_hashes
from siftset.pipeline.sources.types import FileTypes
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.source import Columns, Frame

NAME = "frame"


def frame_source(
    data: object, recipe: Recipe, *, limit: int | None = None, folder: Path | None = None
) -> Sources:
    """Return rows in memory as the one source; the columns are mapped as the recipe's first source.

    A file that this source joins is sought in `folder`, by default the current one. Raises
    SourceError where the data has no rows, lacks a mapped column or is no table.
    """
    given = recipe.source[0].config if recipe.source else None
    config = Frame()
    if isinstance(given, Columns):
        # what is given alone: text that is not named may be made of something else
        named = given.model_fields_set & set(Columns.model_fields)
        columns: dict[str, Any] = {key: getattr(given, key) for key in named}
        config = Frame(**columns)
    tables = [table for table in read_tables(data) if table.parts]
    if not tables:
        raise SourceError("data: the frame has no rows; expected at least one")
    opened = OpenedFiles(tuple(map(_open_table, tables)), ())
    joined = open_join(config, folder or Path.cwd(), NAME)
    found = map_files(config, opened, recipe.prepare, kind=NAME, joined=joined)
    return combine_sources([found], recipe, limit)


def _open_table(table: DataTable) -> Opened:
    digest = hashlib.sha256()
    for part in table.parts:
        for block in part.read_records():
            digest.update(content_hashes(block.frame).tobytes())
    name = f"{NAME}/{table.name}" if table.name else NAME
    stated = FileTypes(name, table.types, declared=True)
    opened = Opened(name, name, stated, table.parts, digest.hexdigest(), table.bytes)
    return opened._replace(added=table.added)
