"""Near duplicates of a set that grows: published rows stay, later ones are held against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from siftset.pipeline.stages.dedupe import no_repeats
from siftset.pipeline.storage.part_files import Mask, Part, rows_at


@dataclass(frozen=True, slots=True)
class NearPublished:
    """Finds near duplicates, the published rows first whatever their place."""

    published: Mask
    """For each candidate in order whether the current version holds it."""

    def __call__(
        self, parts: Sequence[Part], threshold: float, *, without: pl.Series, seed: int
    ) -> pl.DataFrame:
        """Return place, keeper and kind; the rows at the places `without` take no part."""
        from siftset.signals.near_duplicates.finder import NearDuplicates

        finder = NearDuplicates(threshold, seed=seed)
        allowed = np.ones(len(self.published), dtype=np.bool_)
        allowed[without.to_numpy()] = False
        places, found = [pl.Series("place", dtype=pl.Int64)], [no_repeats()]
        for wanted in (allowed & self.published, allowed & ~self.published):
            for rows in rows_at(parts, wanted, ["text"]):
                places.append(rows["place"])
                number = finder.add(rows["text"])
                found.append(rows.select("place", keeper=number, kind=pl.lit("near")).drop_nulls())
        met = pl.concat(found)
        return met.with_columns(keeper=pl.concat(places).gather(met["keeper"]))
