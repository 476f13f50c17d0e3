from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from siftset.pipeline.sources import Sources, open_sources
from siftset.schemas.recipe.model import Recipe

Open = Callable[..., Sources]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Open files of the test's folder: opened("a.csv", id="n", prepare={...}).

    Any share of records may be unreadable, unless `unreadable` says less.
    """

    def open_them(
        *paths: str, prepare: dict[str, Any] | None = None, unreadable: float = 1.0, **files: Any
    ) -> Sources:
        recipe = Recipe.model_validate(
            {
                "name": "test",
                "output": "out",
                "source": {"files": {"paths": paths, **files}},
                "prepare": prepare or {},
                "keep": "a",
                "max_unreadable_share": unreadable,
            }
        )
        return open_sources(recipe, tmp_path)

    return open_them
