"""Whether what answers to our names is ours: packages, and what lies in an output folder."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from pipeline.files import writable_folder
from pipeline.lock import LOCK_NAME
from schemas.errors import OutputError, SiftsetError

ROOMS: Final = ("data", "pipeline", "schemas", "signals", "trainer")


def refuse_strangers() -> None:
    """Raise SiftsetError where another module on the path takes the name of one of our packages."""
    home = Path(__file__).resolve().parents[1]
    for name in ROOMS:
        spec = importlib.util.find_spec(name)
        where = (
            spec.origin or next(iter(spec.submodule_search_locations or ()), None) if spec else None
        )
        if where is None or not Path(where).resolve().is_relative_to(home / name):
            raise SiftsetError(
                f"package '{name}' is {where or 'missing'}, expected it in {home / name}: "
                "another module of that name comes first on sys.path; rename it, leave its folder "
                "out of PYTHONPATH, or set PYTHONSAFEPATH=1"
            )


_NAMES: Final = ("set", "runs", "versions", "models", "preview", ".work", ".shards", "index.html")
"""What is written, and replaced, in an output folder."""


def output_of_ours(folder: Path) -> Path:
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
    return writable_folder(folder)
