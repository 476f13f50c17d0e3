"""The language model of py3langid, unpacked once into the cache, where later processes map it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from siftset.schemas.cache import cache_folder
from siftset.schemas.errors import MissingExtraError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_ARRAYS: Final = ("nb_ptc", "nb_pc", "nb_classes", "tk_nextmove", "tk_row", "tk_output")


@cache
def load_identifier() -> LanguageIdentifier:
    """Load the language model, once a process; raises MissingExtraError without the extra."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ModuleNotFoundError:
        raise MissingExtraError("the signal kind 'language'", "language") from None
    # Unpacking takes 0.4 s, most of what the report of a small run costs; mapping takes 0.02 s.
    # Where no cache can be written, or what lies there is broken, the model is unpacked again.
    with suppress(OSError, ValueError):
        folder = cache_folder("language") / version("py3langid")
        if folder.is_dir():
            return _map_arrays(folder)
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    with suppress(OSError):
        _save_arrays(model, cache_folder("language") / version("py3langid"))
    return model


def _map_arrays(folder: Path) -> LanguageIdentifier:
    from py3langid.langid import LanguageIdentifier

    ptc, pc, classes, moves, row, output = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS
    )
    # a view of memory gives plain numbers, and faster than an array of numpy does
    return LanguageIdentifier(
        ptc,
        np.asarray(pc),
        classes.tolist(),
        memoryview(moves),
        output.tolist(),
        norm_probs=True,
        tk_row=memoryview(row),
    )


def _save_arrays(model: LanguageIdentifier, folder: Path) -> None:
    """Lay the arrays into a folder that appears with all of them, or not at all."""
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix="draft-"))
    try:
        for name in _ARRAYS:
            np.save(draft / f"{name}.npy", np.asarray(getattr(model, name)))
        if folder.is_dir():  # a broken one, or that of a process that was faster
            shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
