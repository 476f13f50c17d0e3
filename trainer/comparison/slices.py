"""Parts of the rows: by length, source, signal or any column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from siftset.schemas.conversations import find_column
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import SliceChange
from siftset.trainer.metrics.bootstrap import Array, Bootstrap, Figure, Flags, change, mean_draws

MAX_VALUES = 20
"""Values of one column that become slices: the most frequent ones."""

MIN_ROWS = 10
"""Rows below which a slice says nothing and is left out."""

_LENGTHS = (0, 50, 100, 200, 500, 1000)
"""Characters from which a band of lengths begins."""


def slice_values(frame: pl.DataFrame, name: str) -> pl.Series | None:
    """Return each row's value of a slice; None where the rows have no such column.

    `length` is in characters; `source` is the file; a signal is found inside `signals`; a view of
    conversations and a path into a column are computed.
    """
    if name == "length" and "length" not in frame.columns:
        length = pl.col("text").str.len_chars()
        band = pl.lit(f"{_LENGTHS[-1]:,} characters and more")
        for low, high in reversed(list(pairwise(_LENGTHS))):
            named = pl.lit(f"{low} to {high - 1} characters")
            band = pl.when(length < high).then(named).otherwise(band)
        return frame.select(band).to_series()
    if name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pl.Struct):
            fields = [field.name for field in column.dtype.fields]
            return column.struct.field("file" if "file" in fields else fields[0]).cast(pl.String)
        return column.cast(pl.String)
    made = find_column(name, frame.schema)
    if made is not None:
        return frame.select(made.cast(pl.String)).to_series()
    signals = frame.schema.get("signals")
    if isinstance(signals, pl.Struct) and name in {field.name for field in signals.fields}:
        return frame["signals"].struct.field(name).cast(pl.String)
    return None


def check_slices(frame: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise RecipeError for a slice that the rows do not have; those asked by default may lack."""
    optional = Compare.model_fields["slices"].default
    for name in names:
        if name not in optional and slice_values(frame.head(1), name) is None:
            signals = frame.schema.get("signals")
            inside = signals.fields if isinstance(signals, pl.Struct) else []
            known = dict.fromkeys(("length", *frame.columns, *(field.name for field in inside)))
            raise RecipeError(
                f"compare.slices: the rows have no '{name}': expected some of {', '.join(known)}"
            )


def compare_slices(
    frame: pl.DataFrame,
    scores: tuple[Array | Flags, ...],
    names: Sequence[str],
    bootstrap: Bootstrap,
    metric: str = "accuracy",
) -> tuple[SliceChange, ...]:
    """Return the mean of each row's score before and after, by slice of at least 10 rows."""
    found = []
    for name, value, chosen in iter_slices(frame, names):
        parts = np.stack([score[chosen].astype(np.float64) for score in scores], 1)
        some = bootstrap.take_rows(chosen)
        draws = mean_draws(parts, some)
        before, after = (Figure(parts[:, i].mean(), draws[:, i]) for i in (0, 1))
        n = len(parts)
        one = change(metric, before, after, n=n, bootstrap=some, higher_is_better=True)
        found.append(SliceChange(column=name, value=value, change=one))
    return tuple(found)


def iter_slices(frame: pl.DataFrame, names: Sequence[str]) -> Iterator[tuple[str, str, Flags]]:
    """Yield the slices of at least 10 rows: their column, its value, and which rows they are."""
    for name in names:
        values = slice_values(frame, name)
        if values is None:
            continue
        filled = values.fill_null("null").alias("value")
        counts = filled.value_counts(name="rows").filter(pl.col("rows") >= MIN_ROWS)
        counts = counts.sort(["rows", "value"], descending=[True, False]).head(MAX_VALUES)
        for value in sorted(counts["value"].to_list(), key=_band_order):
            yield name, str(value), (filled == value).to_numpy()


def note_small_slices(frame: pl.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """Say which slices have too few rows, or are too many, to be measured."""
    notes = []
    for name in names:
        values = slice_values(frame, name)
        if values is None:
            continue
        counts = values.fill_null("null").alias("value").value_counts(name="rows")
        counts = counts.sort("rows", "value")
        few = counts.filter(pl.col("rows") < MIN_ROWS)
        if few.height:
            shown = [f"{value} ({rows:,})" for value, rows in few.head(5).iter_rows()]
            more = f" and {few.height - 5:,} more" if few.height > 5 else ""
            said = f"{name}: fewer than {MIN_ROWS} rows, not measured: {', '.join(shown)}{more}"
            notes.append(said)
        beyond = counts.height - few.height - MAX_VALUES
        if beyond > 0:
            notes.append(f"{name}: the {MAX_VALUES} most frequent values; {beyond:,} are left out")
    return tuple(notes)


def _band_order(value: str) -> tuple[float, str]:
    """Return a key that sorts bands by the number that they begin with, and words after them."""
    number = re.match(r"[\d,]+", value)
    return (float(number[0].replace(",", "") or "inf") if number else math.inf, value)
