"""Histograms of lengths in fixed bins, so that those of any two parts add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import polars as pl
from pydantic import Field

from siftset.schemas.results.metrics import Histogram, Metrics

PER_OCTAVE: Final = 8
"""Bins per doubling: a quantile is off by at most 2 ** (1 / 8) - 1, or 9 %."""

_EXACT: Final = 16
_QUANTILES: Final = {"p1": 0.01, "p5": 0.05, "p50": 0.5, "p95": 0.95, "p99": 0.99}
_MOST_BARS: Final = 40


class Lengths(Metrics):
    """Counts by bin; bins 0 to 15 hold one length each, the others an eighth of an octave."""

    counts: dict[int, int] = Field(default_factory=dict)
    total: int = 0
    min: int | None = None
    max: int | None = None

    @property
    def rows(self) -> int:
        """How many lengths were counted."""
        return sum(self.counts.values())

    def __add__(self, other: Lengths) -> Lengths:
        lows = [one.min for one in (self, other) if one.min is not None]
        highs = [one.max for one in (self, other) if one.max is not None]
        return Lengths(
            counts=add_counts(self.counts, other.counts),
            total=self.total + other.total,
            min=min(lows, default=None),
            max=max(highs, default=None),
        )

    def quantile(self, q: float) -> float | None:
        """Return the length below which a share `q` of the rows lies."""
        goal, seen = q * self.rows, 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= goal and self.min is not None and self.max is not None:
                low, high = bin_edge(index), bin_edge(index + 1)
                middle = low if high - low <= 1 else (low + high) / 2
                return float(min(max(middle, self.min), self.max))
        return None

    def histogram(self) -> Histogram:
        """Return at most 40 bars of equal width on the scale of the bins."""
        if not self.counts:
            return Histogram()
        first, last = min(self.counts), max(self.counts)
        step = max(1, math.ceil((last - first + 1) / _MOST_BARS))
        starts = list(range(first, last + 1, step))
        counts = [sum(self.counts.get(i, 0) for i in range(s, s + step)) for s in starts]
        quantiles = {name: self.quantile(q) for name, q in _QUANTILES.items()}
        return Histogram(
            edges=tuple(bin_edge(i) for i in [*starts, starts[-1] + step]),
            counts=tuple(counts),
            rows=self.rows,
            min=self.min,
            max=self.max,
            mean=self.total / self.rows,
            quantiles={name: value for name, value in quantiles.items() if value is not None},
        )


def measure_lengths(lengths: pl.Series) -> Lengths:
    """Count the lengths of one part; nulls are left out."""
    known = lengths.drop_nulls().cast(pl.Int64).alias("length")
    if known.is_empty():
        return Lengths()
    binned = known.to_frame().select(bin_of(pl.col("length"))).to_series().value_counts(name="n")
    return Lengths(
        counts=dict(sorted(zip(binned["length"].to_list(), binned["n"].to_list(), strict=True))),
        total=int(known.sum()),
        min=int(known.min()),  # type: ignore[arg-type]
        max=int(known.max()),  # type: ignore[arg-type]
    )


def bin_of(length: pl.Expr) -> pl.Expr:
    """Return the number of the bin that a length falls into."""
    octaves = (length.clip(lower_bound=_EXACT) / _EXACT).log(2)
    upper = _EXACT + (octaves * PER_OCTAVE + 1e-9).floor().cast(pl.Int64)
    return pl.when(length < _EXACT).then(length).otherwise(upper)


def bin_edge(index: int) -> float:
    """Return the least length of a bin."""
    if index <= _EXACT:
        return float(index)
    return float(math.ceil(_EXACT * 2 ** ((index - _EXACT) / PER_OCTAVE) - 1e-6))


def add_counts(left: Mapping[int, int], right: Mapping[int, int]) -> dict[int, int]:
    """Return the sums of two mappings of counts."""
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


def add_tallies(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    """Return the sums of two mappings of counts by name."""
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}
