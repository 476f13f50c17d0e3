"""Where the work is done for an output that lies in a store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.pipeline.storage.object_store import file_system, is_address
from siftset.schemas.errors import RecipeError

if TYPE_CHECKING:
    from siftset.schemas.recipe.loading import LoadedRecipe

WORK: Final = "SIFTSET_WORK"
"""The environment variable that names the folder in which the folders of recipes lie."""
_BESIDE: Final = "out"


def output_address(loaded: LoadedRecipe) -> str | None:
    """Return the address of a recipe's output; None where it is a folder of this machine.

    Raises RecipeError where the recipe names a mirror too, SourceError for an unknown store.
    """
    output = loaded.recipe.output
    if not is_address(output):
        return None
    if loaded.recipe.mirror is not None:
        raise RecipeError(
            f"mirror: output is the address {output} already, and the set is {output}/set there: "
            "remove mirror, or name a folder of this machine as output"
        )
    file_system(output)
    return output.rstrip("/")


def working_folder(loaded: LoadedRecipe) -> Path:
    """Return the folder of this machine in which a recipe works whose output is an address."""
    named = os.environ.get(WORK)
    root = Path(named).expanduser() if named else loaded.resolve(_BESIDE)
    return root / loaded.recipe.name


def output_folder(loaded: LoadedRecipe) -> Path:
    """Return the folder of this machine that holds a recipe's output, or works for its address."""
    at = output_address(loaded)
    return (
        loaded.resolve(loaded.recipe.output) if at is None else working_folder(loaded)
    ).resolve()
