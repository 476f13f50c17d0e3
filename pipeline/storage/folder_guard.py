"""Whether what lies in an output folder is ours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from siftset.pipeline.storage.atomic_files import make_writable_folder
from siftset.pipeline.storage.lock import LOCK_NAME
from siftset.schemas.errors import OutputError

_NAMES: Final = (
    "set",
    "runs",
    "versions",
    "models",
    "preview",
    "plans",
    ".work",
    ".shards",
    "index.html",
)
"""What is written, and replaced, in an output folder."""


def check_output_folder(folder: Path) -> Path:
    """Return a folder that takes files and in which our names are free or ours.

    Raises OutputError where something of the user's has one of them.
    """
    if not (folder / LOCK_NAME).exists() and not (folder / "set" / "_delta_log").is_dir():
        for name in _NAMES:
            there = folder / name
            if there.is_file() or (there.is_dir() and any(there.iterdir())):
                raise OutputError(
                    f"output folder {folder} holds '{name}' that siftset did not write, and would "
                    "be replaced: name another 'output' in the recipe, or rename it"
                )
    return make_writable_folder(folder)
