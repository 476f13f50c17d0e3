"""Near leakage: rows of one split that are similar to rows of another one."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import polars as pl

from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import Example, Leak

THRESHOLD: Final = 0.8
MOST_ROWS: Final = 200_000
_PLAIN_ROWS: Final = 20_000
"""Rows up to which plain Python takes less time than compiling the kernel."""
_LOADED_ROWS: Final = 500
"""Rows from which loading a kernel that is compiled takes less."""
_SHOWN: Final = 5
_CUT: Final = 160


def near_leaks(rows: pl.LazyFrame, *, threshold: float = THRESHOLD) -> tuple[Leak, ...]:
    """Return the near leaks between the splits of a set with columns row_id, split and text.

    Two texts are near when the Jaccard similarity of their word 3-grams reaches the threshold;
    texts under ten words are skipped. A set of more than 200,000 rows is not looked at.
    """
    total = int(rows.select(pl.len()).collect(engine="streaming").item())
    if total > MOST_ROWS:
        return ()
    texts = rows.select("row_id", "text", split=pl.col("split").cast(pl.String)).collect()
    sides = {split: texts.filter(split=split) for split in SPLITS}
    filled = [split for split in SPLITS if sides[split].height]
    return tuple(_pair(sides, left, right, threshold) for right, left in combinations(filled, 2))


def _pair(sides: dict[str, pl.DataFrame], left: str, right: str, threshold: float) -> Leak:
    from siftset.signals.near_duplicates.finder import NearDuplicates
    from siftset.signals.warm_up import NEAR, is_compiled

    seen, asked = sides[right], sides[left]
    rows = seen.height + asked.height
    plain = rows < _LOADED_ROWS or (rows <= _PLAIN_ROWS and not is_compiled(NEAR))
    finder = NearDuplicates(threshold, use_numba=False if plain else None)
    finder.seed_with(seen["text"])
    repeats = finder.add(asked["text"])
    found = asked.with_columns(_repeats=repeats).filter(pl.col("_repeats") < seen.height)
    return Leak(
        kind="near",
        left=left,
        right=right,
        rows=found.height,
        of=asked.height,
        note=f"Jaccard similarity of word 3-grams at least {threshold:g}, ten words or more",
        examples=tuple(
            Example(row_id=row_id, value=text[:_CUT], reason=f"near: {seen['text'][at][:_CUT]}")
            for row_id, text, at in found.select("row_id", "text", "_repeats")
            .head(_SHOWN)
            .iter_rows()
        ),
    )
