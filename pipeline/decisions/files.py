"""Which decision files a recipe names, and which one a reviewer appends to."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

from siftset.pipeline.decisions.log import DecisionLog
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.review import Review

if TYPE_CHECKING:
    from siftset.schemas.recipe.loading import LoadedRecipe


def open_log(loaded: LoadedRecipe) -> DecisionLog:
    """Return the decisions beside a recipe, read up to now.

    A recipe without the section `review` has them where that would look by default. Raises
    SourceError for a line that is no decision.
    """
    folder = glob.escape(str(loaded.folder.absolute()))
    log = DecisionLog(str(Path(folder) / Path(_pattern_of(loaded)).expanduser()))
    log.update()
    return log


def reviewer_file(loaded: LoadedRecipe, by: str) -> Path:
    """Return the file that a reviewer appends to: one of those that the recipe names.

    Raises RecipeError where the pattern leaves no room for a name.
    """
    pattern = _pattern_of(loaded)
    if not glob.has_magic(pattern):
        return loaded.resolve(pattern).absolute()
    before, star, after = pattern.rpartition("*")
    if not star or glob.has_magic(before + after) or "/" in after:
        raise RecipeError(
            f"review.decisions: {pattern} names no file for a reviewer: expected one * in the name "
            "of the file, as in review/*.jsonl"
        )
    name = re.sub(r"[^\w.-]+", "-", by).strip("-.") or "reviewer"
    return loaded.resolve(f"{before}{name}{after}").absolute()


def _pattern_of(loaded: LoadedRecipe) -> str:
    return (loaded.recipe.review or Review()).decisions
