"""What a path or an address of a recipe leads to."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import NamedTuple

from siftset.pipeline.storage.object_store import Object


class Match(NamedTuple):
    """What a path of the recipe leads to."""

    path: Path | Object
    name: str
    """Relative to the root."""
    asked: bool
    """By name or by pattern, rather than by folder."""


def is_hidden(name: PurePath) -> bool:
    """Tell whether a part of a relative name begins with . or _; `_year=2024` is a partition."""
    return any(
        part.startswith(".") or (part.startswith("_") and "=" not in part) for part in name.parts
    )
