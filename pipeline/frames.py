"""A data frame in the place of a recipe's source."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from schemas.recipe import Recipe
from schemas.source import Files, Source, Synthesize

if TYPE_CHECKING:
    from pipeline.sources import Sources

_FILE: Final = "data.parquet"


@contextmanager
def frame_sources(
    data: pl.DataFrame, recipe: Recipe, *, limit: int | None = None
) -> Iterator[Sources]:
    """Open a frame as the one source, with the columns that the recipe's first source names.

    It lies in a temporary file meanwhile, so that rows get the ids that a file would give them.
    """
    from pipeline.sources import open_sources

    with tempfile.TemporaryDirectory(prefix="siftset-") as folder:
        data.write_parquet(Path(folder) / _FILE)
        source = Source(files=_columns_of(recipe))
        yield open_sources(
            recipe.model_copy(update={"source": (source,)}), Path(folder), limit=limit
        )


def _columns_of(recipe: Recipe) -> Files:
    first = recipe.source[0].config
    if isinstance(first, Synthesize):
        return Files(name="data", paths=(_FILE,))
    return Files(
        name="data", paths=(_FILE,), text=first.text, label=first.label, id=first.id, root="."
    )
