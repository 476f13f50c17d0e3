"""Sources: files, hub names, Delta tables and synthesis to batches of rows with stable ids."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siftset.pipeline.sources.batch import Batch, Shard, Sources
    from siftset.pipeline.sources.frame import frame_source
    from siftset.pipeline.sources.open import open_sources

_HOMES = {
    "Batch": "batch",
    "Shard": "batch",
    "Sources": "batch",
    "frame_source": "frame",
    "open_sources": "open",
}

__all__ = ["Batch", "Shard", "Sources", "frame_source", "open_sources"]


def __getattr__(name: str) -> object:
    """Load a module when it is first used: a run reads one kind of source or two."""
    if name not in _HOMES:
        raise AttributeError(f"module 'siftset.pipeline.sources' has no attribute '{name}'")
    return getattr(import_module(f"siftset.pipeline.sources.{_HOMES[name]}"), name)
