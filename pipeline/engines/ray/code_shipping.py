"""The files of a recipe's folder that its signals read, made ready to travel to other machines.

They travel in Ray's runtime environment, in a folder of their own below the worker's, so that
nothing of the user's takes the name of a module of ours.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from siftset.pipeline.engines.ray.worker import SHIPPED
from siftset.schemas.errors import RecipeError

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job

LARGEST: Final = 100 * 2**20
"""Bytes that travel: Ray keeps them in the memory of its head."""
_MODULE: Final = ".py"
_READ_BESIDE: Final = (_MODULE, ".txt", ".json", ".yaml", ".toml")
"""Kinds of files beside a module, or in a package beside it, that it may read."""


def stage_files(job: Job, folder: Path) -> Path:
    """Copy what the signals name below `folder` and return it; raises RecipeError for too much."""
    root = job.loaded.folder.resolve()
    target = folder / SHIPPED
    target.mkdir(parents=True)
    travelled = 0
    specs: dict[str, JsonValue] = {name: dict(spec) for name, spec in job.recipe.signals.items()}
    formulas = [job.decider.formula]
    if job.voters is not None:
        formulas.append(job.voters.decider.formula)
    calls: dict[str, JsonValue] = {
        name: dict(call.spec) for formula in formulas for name, call in formula.calls.items()
    }
    found: set[Path] = set()
    for text in _walk_texts({**specs, **calls}):
        found |= _resolve_name(root, text, job.output)
    for path in sorted(found):
        travelled += path.stat().st_size
        if travelled > LARGEST:
            raise RecipeError(
                f"signals: what they name in {root} holds more than {LARGEST >> 20} MB, too much "
                "to travel to every node: name it by an absolute path on shared storage"
            )
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return folder


def _walk_texts(value: JsonValue | Mapping[str, JsonValue]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _walk_texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _walk_texts(inner)


def _resolve_name(root: Path, text: str, output: Path) -> set[Path]:
    """Return what a name leads to: a file, all of a folder, a module with what lies beside it."""
    name = text.partition(f"{_MODULE}:")[0] + _MODULE if f"{_MODULE}:" in text else text
    if not name or len(name) > 1_000 or "\n" in name or "\0" in name or Path(name).is_absolute():
        return set()
    path = (root / name).resolve()
    if path == root or not path.is_relative_to(root):
        return set()
    if path.is_dir():
        return {one for one in path.rglob("*") if one.is_file()}
    if not path.is_file():
        return set()
    if path.suffix != _MODULE:
        return {path}
    packages = (one.parent for one in path.parent.glob("*/__init__.py"))
    beside = {*path.parent.iterdir(), *(file for folder in packages for file in folder.rglob("*"))}
    return {
        path,
        *(
            file
            for file in beside
            if file.suffix in _READ_BESIDE
            and file.is_file()
            and not file.name.startswith(".")
            and not file.is_relative_to(output)
        ),
    }
