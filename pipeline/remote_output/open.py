"""The set that a recipe publishes to, opened as it is now."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from siftset.pipeline.storage.address import output_folder
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.table import Store
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe


def open_store(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    uses: Collection[str] = (),
    progress: Progress | None = None,
) -> tuple[LoadedRecipe, Store]:
    """Return a recipe and the set it publishes to, as it is now where that lies in a store.

    `uses` names the sections of the recipe that the command needs besides those of its output.
    """
    loaded = load_recipe(recipe, overrides=overrides, uses={"output", "mirror", *uses})
    if is_address(loaded.recipe.output):
        from siftset.pipeline.remote_output.pull import follow_store

        follow_store(loaded, progress)
    return loaded, Store(output_folder(loaded))
