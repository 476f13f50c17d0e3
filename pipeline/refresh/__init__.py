"""Refresh: the set brought up to date at the cost of what is new, and the model after it."""

from pipeline.refresh.run import refresh_set
from pipeline.refresh.whole import refresh

__all__ = ["refresh", "refresh_set"]
