"""Columns of a file's records that do not lie in the records: from its folder, or names of labels.

They are added after the content was hashed, so that ids of rows are the same without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from siftset.pipeline.sources.types import DTYPES, WIDE_INTEGER, Types, lexeme_type, parse_texts
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.source import Files


class AddedColumns(NamedTuple):
    """What is known of every record of a file beside what it holds."""

    constants: Mapping[str, str | None] = {}
    """Columns with one value in the whole file."""
    labels: Mapping[str, tuple[str, ...]] = {}
    """Columns of integers that stand for names, which replace them."""

    def change_types(self, types: Types) -> Types:
        """Return the columns of a file as they are with these."""
        named = dict.fromkeys([*self.labels, *self.constants], pl.String())
        return types | named

    def add_to(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return records with these columns, in place of those of the same names."""
        found = [
            pl.col(column)
            .replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)
            .alias(column)
            for column, names in self.labels.items()
            if column in frame.columns
        ]
        found += [pl.lit(value, pl.String).alias(name) for name, value in self.constants.items()]
        return frame.with_columns(found) if found else frame


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
