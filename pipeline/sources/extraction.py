"""Columns of a source that a recipe names by a path: which they are, their types, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from siftset.pipeline.sources.conversations import conversation_columns
from siftset.pipeline.sources.files import Opened
from siftset.pipeline.sources.types import Types
from siftset.schemas.errors import SourceError
from siftset.schemas.paths import (
    explain_missing,
    explain_nested,
    find_path,
    may_be_path,
    resolve_path,
)
from siftset.schemas.recipe.source import Columns, Prepare

LOOKED_AT: Final = 1_000
"""Records of a file from which a message tells what is there."""


def paths_named(config: Columns, prepare: Prepare) -> tuple[str, ...]:
    """Return what a source is asked for that could be a path into a column."""
    turns = () if config.messages is None else conversation_columns(config.messages)
    named = (config.text, config.label, config.id, *turns, *prepare.columns.values())
    return tuple(dict.fromkeys(n for n in named if n is not None and may_be_path(n)))


def add_extracted(files: Sequence[Opened], named: Sequence[str]) -> tuple[Opened, ...]:
    """Return files that know the types of what the paths lead to, those that are no column."""
    real = {name for file in files for name in file.types.types}
    paths = [name for name in named if name not in real]
    found: list[Opened] = []
    for file in files:
        parts = _declared_parts(file, paths) if file.types.declared else file.extracted
        known = {name: parts[name] for name in paths if name in parts}
        found.append(file._replace(extracted=known))
    return tuple(found)


def _declared_parts(file: Opened, paths: Sequence[str]) -> Types:
    """Return the types of what paths lead to in a file that states its types."""
    found: Types = {}
    for name in paths:
        path = find_path(name, file.types.types)
        part = None if path is None else resolve_path(path, file.types.types)
        # of JSON text the types say nothing: read on until a record has the part
        if part is not None and (not part.is_json or _holds_value(file, part.expr)):
            found[name] = part.dtype
    return found


def _holds_value(file: Opened, part: pl.Expr) -> bool:
    blocks = (block.frame for one in file.parts for block in one.read_records())
    return any(frame.select(part.is_not_null().any()).item() for frame in blocks)


def check_extracted(files: Sequence[Opened], types: Types, asked: Mapping[str, str]) -> None:
    """Raise SourceError where a path leads to nothing, or to an object where a text is expected.

    `asked` has the name under which each path is stored.
    """
    for stored, name in asked.items():
        if any(name in file.types.types for file in files) or not may_be_path(name):
            continue
        for file in files:
            path = find_path(name, file.types.types)
            block = next(file.parts[0].read_records(), None) if file.parts else None
            if path is None or block is None or path.column not in block.frame.columns:
                continue
            values = block.frame[path.column].drop_nulls().head(LOOKED_AT)
            if name not in types:
                told = explain_missing(f"{stored}: {name}", values, path)
                raise SourceError(f"{file.types.file}: {told}")
            nested = explain_nested(values, path) if stored in ("text", "label", "id") else None
            if nested is not None:
                raise SourceError(f"{file.types.file}: '{name}' ({stored}) holds {nested}")
