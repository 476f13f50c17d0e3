"""What a path or an address of a recipe leads to."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path, PurePath
from typing import Final, NamedTuple
from urllib.parse import unquote

from siftset.pipeline.storage.object_store import Object

NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
"""What stands in a folder's name for a value that is null."""


class Match(NamedTuple):
    """What a path of the recipe leads to."""

    path: Path | Object
    name: str
    """Relative to the root."""
    asked: bool
    """By name or by pattern, rather than by folder."""
    is_saved: bool = False
    """Part of a dataset that datasets.save_to_disk wrote."""
    split: str | None = None
    """The name of its split there."""

    def partition_values(self, folder: Path) -> dict[str, str | None]:
        """Return what folders named key=value say; of two with the same key the inner one.

        Of a path on this machine, what it shares with the recipe's `folder` does not count.
        """
        parts = PurePath(str(self.path)).parts
        shared = 0
        if isinstance(self.path, Path):
            parts = self.path.absolute().parts
            pairs = zip(parts, folder.absolute().parts, strict=False)
            shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        found: dict[str, str | None] = {}
        for name in parts[shared:-1]:
            key, equals, value = name.partition("=")
            if key and equals:
                found[unquote(key)] = None if value == NULL_PARTITION else unquote(value)
        return found


def is_hidden(name: PurePath) -> bool:
    """Tell whether a part of a relative name begins with . or _; `_year=2024` is a partition."""
    return any(
        part.startswith(".") or (part.startswith("_") and "=" not in part) for part in name.parts
    )
