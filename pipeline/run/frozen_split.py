"""A stratified split: where the splits of each stratum meet, fixed once and used for ever.

By its hash alone a class of few rows may miss a split. So the points of the rows decide where the
splits of a stratum meet, in the version in which it is first met; later rows fall on one side or
the other, and no row ever moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import numpy as np
import polars as pl
import polars_hash as plh
from pydantic import JsonValue

from siftset.schemas.results.columns import SPLITS

POINT: Final = "_point"
STRATUM: Final = "_stratum"
GROUPED: Final = "_grouped"
"""Columns of candidates: where a row lies between 0 and 1, its stratum, whether it has a group."""
OWN: Final = (POINT, STRATUM, GROUPED)


@dataclass(frozen=True, slots=True)
class FrozenSplit:
    """The edges between splits in each stratum."""

    signature: str
    """What they were made for: another seed, share, group or column has others."""
    names: tuple[str, ...]
    """The splits that get rows, in order."""
    edges: Mapping[str | None, tuple[float, ...]]
    published: pl.DataFrame = field(repr=False, compare=False)
    """key, the hash of a row_id, and split of the rows that are in the set already."""

    def assign(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return candidates in their splits; a row that is in the set keeps the one it has."""
        table = pl.DataFrame(
            {STRATUM: list(self.edges), "_edges": list(map(list, self.edges.values()))},
            schema={STRATUM: pl.String, "_edges": pl.List(pl.Float64)},
        )
        met = frame.select(STRATUM, POINT, key=row_key()).join(
            table, on=STRATUM, how="left", nulls_equal=True, maintain_order="left"
        )
        chosen = pl.lit(self.names[-1])
        for at in reversed(range(len(self.names) - 1)):
            inside = pl.col(POINT) < pl.col("_edges").list.get(at)
            chosen = pl.when(inside).then(pl.lit(self.names[at])).otherwise(chosen)
        known = met.join(self.published, on="key", how="left", maintain_order="left")
        split = known.select(pl.coalesce("split", chosen).alias("split"))["split"]
        return frame.with_columns(split.cast(frame.schema["split"]))

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the manifest of a version records."""
        edges: list[JsonValue] = [[stratum, list(cuts)] for stratum, cuts in self.edges.items()]
        return {"signature": self.signature, "splits": list(self.names), "edges": edges}


def row_key() -> pl.Expr:
    """Return the 128-bit hash of a row_id."""
    return plh.col("row_id").nchash.xxh3_128()


def find_edges(points: pl.Series, shares: Sequence[float]) -> tuple[float, ...]:
    """Return where the splits of one stratum meet, so that each gets the rows of its share.

    An edge lies in the middle between two points. Rows that share a point, such as those of a
    group, stay together; a split gets one point at least where there are enough.
    """
    counted = points.value_counts().sort(points.name)
    places = counted[points.name].to_numpy()
    held = np.cumsum(counted["count"].to_numpy())
    edges: list[float] = []
    least = 1
    for at, share in enumerate(list(accumulate(shares))[:-1]):
        wanted = int(len(points) * share + 0.5)
        most = len(places) - (len(shares) - 1 - at)
        if len(places) < len(shares):
            least, most = 0, len(places)
        ends = np.arange(least, max(least, most) + 1)
        rows = np.where(ends > 0, held[np.maximum(ends - 1, 0)], 0)
        end = int(ends[np.abs(rows - wanted).argmin()])
        least = end + 1
        inside = 0 < end < len(places)
        edges.append(float((places[end - 1] + places[end]) / 2) if inside else float(end > 0))
    return tuple(edges)


def given_splits(shares: Mapping[str, float]) -> tuple[str, ...]:
    """Return the splits that get rows, in order."""
    return tuple(name for name in SPLITS if shares[name] > 0)
