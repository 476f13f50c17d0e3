"""Refresh: the set brought up to date at the cost of what is new, and the model after it."""

from siftset.pipeline.refresh.incremental import refresh_set
from siftset.pipeline.refresh.set_and_model import refresh

__all__ = ["refresh", "refresh_set"]
