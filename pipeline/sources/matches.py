"""What a path or an address of a recipe leads to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from siftset.pipeline.storage.object_store import Object


class Match(NamedTuple):
    """What a path of the recipe leads to."""

    path: Path | Object
    name: str
    """Relative to the root."""
    asked: bool
    """By name or by pattern, rather than by folder."""
