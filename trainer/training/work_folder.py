"""Where a training keeps its checkpoints until it is done, told without loading torch."""

from __future__ import annotations

from pathlib import Path
from typing import Final

COMPLETE: Final = "complete"
"""A file in every checkpoint that was written to its end."""


def work_folder(out: Path) -> Path:
    """Return the folder that belongs to the model folder `out`."""
    return out.parent / f".{out.name}.work"


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end."""
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
