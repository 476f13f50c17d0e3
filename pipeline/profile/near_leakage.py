"""Near leakage: rows that are similar to rows of another population."""

from __future__ import annotations

from typing import Final

import polars as pl

MOST_ROWS: Final = 200_000
_PLAIN_ROWS: Final = 20_000
"""Rows up to which plain Python takes less time than compiling the kernel."""
_LOADED_ROWS: Final = 500
"""Rows from which loading a kernel that is compiled takes less."""
_CUT: Final = 160


def near_rows(left: pl.LazyFrame, right: pl.LazyFrame, threshold: float) -> pl.DataFrame:
    """Return row_id and why of the rows of `left` whose text is near that of a row of `right`.

    Two texts are near when the Jaccard similarity of their word 3-grams reaches the threshold;
    texts under ten words are skipped.
    """
    from siftset.signals.near_duplicates.similar_rows import first_similar
    from siftset.signals.warm_up import SIMILAR, is_compiled

    asked = left.select("row_id", "text").collect(engine="streaming")
    seen = right.select("text").collect(engine="streaming")["text"]
    rows = len(seen) + asked.height
    plain = rows < _LOADED_ROWS or (rows <= _PLAIN_ROWS and not is_compiled(SIMILAR))
    like = first_similar(asked["text"], seen, threshold, use_numba=False if plain else None)
    found = asked.select("row_id", like=like).drop_nulls("like")
    return found.select(
        "row_id", why="near: " + seen.gather(found["like"]).str.slice(0, _CUT).rename("why")
    )
