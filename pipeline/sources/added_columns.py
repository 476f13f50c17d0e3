"""Columns of a file's records that do not lie in the records: from its folder, or names of labels.

They are added after the content was hashed, so that ids of rows are the same without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from siftset.pipeline.sources.types import Types


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
