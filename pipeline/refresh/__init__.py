"""Refresh: the set brought up to date at the cost of what is new, and the model after it."""

from pipeline.refresh.run import refresh_set

__all__ = ["refresh_set"]
