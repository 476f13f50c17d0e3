"""Which rows are not independent of each other: equal texts, and the groups that a recipe names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from siftset.schemas.conversations import find_column
from siftset.trainer.data.tokens import Integers


def find_groups(
    frame: pl.DataFrame, column: str | None = None, split_group: Sequence[str] = ()
) -> Integers | None:
    """Number the groups of rows that a resample draws together; None where no two rows share one.

    Rows share a group where their texts are equal but for case, punctuation and white space, where
    they have the same value in `column` or the same ones in all of `split_group`, columns or paths
    into them, or through rows between them.
    """
    n = frame.height
    text = pl.col("text").cast(pl.String).fill_null("").str.normalize("NFC").str.to_lowercase()
    plain = text.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    keys = [frame.select(pl.when(plain == "").then(text).otherwise(plain)).to_series()]
    if column is not None and column in frame.columns:
        keys.append(frame[column].cast(pl.String))
    made = {name: find_column(name, frame.schema) for name in split_group}
    parts = [expr.alias(name) for name, expr in made.items() if expr is not None]
    if parts:
        some = pl.any_horizontal([part.is_not_null() for part in parts])
        together = pl.when(some).then(pl.struct(parts).struct.json_encode())
        keys.append(frame.select(together.alias("key")).to_series())
    rows, places, start = [], [], n
    for key in keys:
        known = key.is_not_null().to_numpy()
        number = key.rank("dense").fill_null(0).to_numpy().astype(np.int64)
        rows.append(np.flatnonzero(known))
        places.append(start + number[known])
        start += int(number.max(initial=0)) + 1
    if all(len(np.unique(place)) == len(place) for place in places):
        return None
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate(rows), np.concatenate(places)
    links = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(start, start))
    _, labels = connected_components(links, directed=False)
    return np.unique(labels[:n], return_inverse=True)[1].astype(np.int64)
