"""What is expensive to make of the rows, kept by the hash of what it was made of."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.run_folder import json_digest

FOLDER: Final = "review"
"""Below the output: what can be made again, unlike decisions, which lie beside the recipe."""
KEPT_FILES: Final = 6


def content_hash(frame: pl.DataFrame, kind: str) -> str:
    """Return a hash of the rows of a frame in order, and of what is made of them."""
    texts = frame.select(
        pl.concat_str(pl.all().cast(pl.String).fill_null("\0"), separator="\x1f").alias("row")
    )
    hashes = texts.select(plh.col("row").nchash.xxh3_64()).to_series().to_numpy()
    # the place counts too, and wraps around on purpose
    placed = hashes * (2 * np.arange(len(hashes), dtype=np.uint64) + 1)
    return json_digest([kind, len(hashes), int(placed.sum(dtype=np.uint64))])


def read_arrays(path: Path) -> Mapping[str, NDArray[np.generic]] | None:
    """Return what `write_arrays` wrote; None where there is nothing that can be read."""
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write arrays whole or not at all, and remove the oldest of many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    aged = sorted(path.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime)
    for old in aged[:-KEPT_FILES]:
        old.unlink(missing_ok=True)
