from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.sources import Sources, open_sources
from schemas.recipe import Recipe

Open = Callable[..., Sources]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Open files of the test's folder: opened("a.csv", id="n", prepare={...})."""

    def open_them(*paths: str, prepare: dict[str, Any] | None = None, **files: Any) -> Sources:
        recipe = Recipe.model_validate(
            {
                "name": "test",
                "output": "out",
                "source": {"files": {"paths": paths, **files}},
                "prepare": prepare or {},
                "keep": "a",
            }
        )
        return open_sources(recipe, tmp_path)

    return open_them


def rows(sources: Sources) -> pl.DataFrame:
    """Return all rows, in order."""
    frames = [batch.frame for shard in sources.shards for batch in shard.batches()]
    empty = {"row_id": pl.String, **sources.schema}
    return pl.concat(frames) if frames else pl.DataFrame(schema=empty)


def unreadable(sources: Sources) -> pl.DataFrame:
    """Return all unreadable records, in order."""
    return pl.concat([b.unreadable for shard in sources.shards for b in shard.batches()])
