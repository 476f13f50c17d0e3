"""The folder for what can be made or fetched again: models, compiled code, copies."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """Return the cache folder, or one inside it, created for this user alone if need be.

    It is $SIFTSET_CACHE, else siftset under $XDG_CACHE_HOME or ~/.cache.
    """
    own = os.environ.get("SIFTSET_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = (Path(own) if own else Path(base) / "siftset").expanduser().joinpath(*parts)
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    return folder


def embedded_model() -> Path:
    """Return where the embedded encoder `minilm` lies once it is fetched."""
    return cache_folder("models") / "all-MiniLM-L6-v2"
