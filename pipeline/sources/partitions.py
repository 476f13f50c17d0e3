"""Folders that are named `key=value`, as engines that write partitions name them, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from siftset.pipeline.sources.types import DTYPES, WIDE_INTEGER, Types, lexeme_type, parse_texts
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.source import Files


def partition_types(values: Sequence[dict[str, str | None]], config: Files) -> Types:
    """Return the types of partition columns: the narrowest of all values, unless dtypes says."""
    types: Types = {}
    for name in dict.fromkeys(name for one in values for name in one):
        texts = pl.Series(name, [one.get(name) for one in values], dtype=pl.String)
        if name in config.dtypes:
            types[name] = DTYPES[config.dtypes[name]]
            odd = texts.filter(parse_texts(texts, types[name]).is_null() & texts.is_not_null())
            if len(odd):
                raise SourceError(
                    f"source.files.dtypes: {name}: {config.dtypes[name]}, but a folder is named "
                    f"{name}={odd[0]}: give another type, or rename the folder"
                )
            continue
        narrow = lexeme_type(texts, pl.Null())
        types[name] = pl.Int64() if narrow == WIDE_INTEGER else narrow
    return types


def warn_of_partitions(places: Iterable[str], values: Sequence[dict[str, str | None]]) -> str:
    """Say that folders look like partitions and are not read as columns."""
    names = dict.fromkeys(name for one in values for name in one)
    return (
        f"{', '.join(places)}: folders are named {', '.join(f'{name}=...' for name in names)}: set "
        "source.files.partitions: hive to read them as columns"
    )
