"""Which rows stand or fall together: equal texts, near duplicates, and the groups of the recipe."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from siftset.pipeline.proof.statistics import Integers
from siftset.signals.near_duplicates.finder import NearDuplicates
from siftset.signals.warm_up import NEAR, is_compiled
from siftset.signals.words.text_normalisation import bare_text

_PLAIN_ROWS: Final = 20_000
"""Rows up to which plain Python takes less time than compiling the kernel."""


def group_rows(texts: pl.Series, named: pl.Series | None, threshold: float) -> Integers:
    """Return for each row the first row of its group; rows that have no other are their own.

    Rows share a group where their letters and digits are equal, where one of them is a near
    duplicate of the other by `threshold`, where `named` has the same value in both, or through rows
    between them.
    """
    rows = len(texts)
    bare = texts.to_frame("text").select(bare_text(pl.col("text"))).to_series()
    keys = [_number_values(bare.replace("", None))]
    if named is not None:
        keys.append(_number_values(named))
    plain = rows <= _PLAIN_ROWS and not is_compiled(NEAR)
    first = NearDuplicates(threshold, use_numba=False if plain else None).add(texts)
    keys.append(first.fill_null(pl.int_range(rows, eager=True)).to_numpy().astype(np.int64))
    group = np.arange(rows)
    while True:
        before = group
        for key in keys:
            least = np.full(int(key.max(initial=0)) + 1, rows)
            np.minimum.at(least, key, group)
            group = least[key]
        if (group == before).all():
            return group


def _number_values(values: pl.Series) -> Integers:
    """Number equal values alike, and each null by itself."""
    ranked = values.rank("dense").to_numpy()
    alone = np.isnan(ranked) if ranked.dtype.kind == "f" else np.zeros(len(values), np.bool_)
    numbers = np.where(alone, 0, ranked).astype(np.int64)
    numbers[alone] = numbers.max(initial=0) + 1 + np.arange(int(alone.sum()))
    return numbers
