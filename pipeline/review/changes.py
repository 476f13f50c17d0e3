"""What of a row a person can change: only what a run could apply."""

from __future__ import annotations

import polars as pl

from siftset.pipeline.review.requests import Ask
from siftset.pipeline.review.rows import ReviewRows
from siftset.schemas.conversations import COLUMN, MESSAGES


def can_edit(rows: ReviewRows) -> bool:
    """Tell whether texts can be edited: not where they are made of conversations."""
    return rows.job.sources.schema.get(COLUMN) != MESSAGES


def list_labels(rows: ReviewRows) -> list[str]:
    """Return the labels that a row can be given; of rows with several, each by itself."""
    column = rows.facets.get("label")
    if column is None:
        return []
    if isinstance(rows.job.sources.schema["label"], pl.List | pl.Array):
        return sorted({one for value in column.values for one in value.split(", ")})
    return sorted(column.values)


def check_change(rows: ReviewRows, ask: Ask) -> None:
    """Raise ValueError, or what polars raises, for a text or a label that no row can have."""
    if ask.text is not None and not can_edit(rows):
        raise ValueError("the text is made of a conversation, which cannot be edited here")
    if ask.label is None:
        return
    held = rows.job.sources.schema.get("label")
    if held is None:
        raise ValueError("the source has no labels: name their column with  label: COLUMN")
    single = held.inner if isinstance(held, pl.List | pl.Array) else held
    if single not in (pl.Null, pl.String):
        pl.Series([ask.label]).cast(single)
