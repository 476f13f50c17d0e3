"""Whose an output is: one recipe's, and nobody else's behind its back."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.pipeline.storage.table import Commit, Store
from siftset.schemas.errors import OutputError, RecipeError
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.recipe.loading import LoadedRecipe

OWNER: Final = "siftset_recipe_name"
"""The entry of a commit that names the recipe whose set it is."""
_WRITTEN: Final = (
    "set/R/train-00000.parquet",
    "versions/0/train-00000.parquet",
    "runs/R/rejected/part.parquet",
    "runs/R/manifest.json",
    "index.html",
)
"""What an output holds, by its kinds of files."""


def check_owner(store: Store, recipe: str, *, take_over: bool) -> None:
    """Raise OutputError where the set is another recipe's, or another program changed it.

    `take_over` says that going on from there is meant.
    """
    commit = store.current()
    if commit is None or take_over:
        return
    owner = _find_owner(store, commit)
    if owner not in ("", recipe, hide_values(recipe)):
        raise OutputError(
            f"{store.output} is the output of the recipe '{owner}', expected one of its own for "
            f"'{recipe}': name another 'output', or go on from that set with --take-over"
        )
    changed = store.find_foreign_change()
    if changed:
        raise OutputError(
            f"{store.path}: {changed}; a run would publish without that: bring rows in by the "
            "source, then run with --take-over"
        )


def _find_owner(store: Store, commit: Commit) -> str:
    folder = RunFolder(store.output, commit.run_id)
    if OWNER in commit.metadata or not (folder.path / MANIFEST).is_file():
        return commit.metadata.get(OWNER, "")
    recipe = folder.manifest().get("recipe")
    return str(recipe.get("name", "")) if isinstance(recipe, dict) else ""


def check_output_apart(loaded: LoadedRecipe, output: Path) -> None:
    """Raise RecipeError where a run would read what runs of the same recipe write."""
    address = loaded.recipe.output if is_address(loaded.recipe.output) else None
    where = str(output) if address is None else address
    for source in loaded.recipe.source:
        for path in source.files.paths if source.files is not None else ():
            if is_address(path):
                inside = address is not None and _is_inside(address.split("/"), path.split("/"))
            else:
                named = Path(os.path.normpath(loaded.folder.resolve() / Path(path).expanduser()))
                inside = _is_inside(output.parts, named.parts)
            if inside:
                raise RecipeError(
                    f"output: {where} lies inside the input {path}, and a second run would read "
                    "what the first one wrote: name an output elsewhere, or narrower paths"
                )
        table = "" if source.delta is None or is_address(source.delta.path) else source.delta.path
        if table and loaded.resolve(table).resolve().is_relative_to(output):
            raise RecipeError(
                f"source: the Delta table {table} is part of the recipe's own output {where}: "
                "name an output elsewhere"
            )


def _is_inside(output: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a folder, or a glob, covers files of an output."""
    parts = [part for part in pattern if part]
    if not any(character in part for part in parts for character in "*?["):
        return [part for part in output if part][: len(parts)] == parts
    return any(_matches([*output, *file.split("/")], list(pattern)) for file in _WRITTEN)


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_matches(path[at:], pattern[1:]) for at in range(len(path) + 1))
    first = bool(path) and fnmatch.fnmatchcase(path[0], pattern[0])
    return first and _matches(path[1:], pattern[1:])
