"""Sources: files, hub names, Delta tables and synthesis to batches of rows with stable ids."""

from pipeline.sources.batch import Batch, Shard, Sources
from pipeline.sources.frame import frame_source
from pipeline.sources.opening import open_sources

__all__ = ["Batch", "Shard", "Sources", "frame_source", "open_sources"]
