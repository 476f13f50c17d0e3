"""Lengths, exact up to 16,383 and in fine bins beyond; those of two parts add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

import polars as pl
from pydantic import Field, model_validator

from siftset.schemas.results.metrics_part import Metrics
from siftset.schemas.results.profile_metrics import Histogram

EXACT: Final = 16384
"""Lengths below it have a bin each."""
PER_OCTAVE: Final = 32
"""Bins per doubling above: a quantile there is off by at most half of one, 1.1 %."""

_QUANTILES: Final = {
    "p1": Fraction(1, 100),
    "p5": Fraction(1, 20),
    "p50": Fraction(1, 2),
    "p95": Fraction(19, 20),
    "p99": Fraction(99, 100),
}
_MOST_BARS: Final = 40
_BAR_EXACT: Final = 16
_BARS_PER_OCTAVE: Final = 8


class Lengths(Metrics):
    """Counts by bin; a bin is named by the least length that falls into it."""

    bins: dict[int, int] = Field(default_factory=dict)
    total: int = 0
    min: int | None = None
    max: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, given: object) -> object:
        """Read what siftset 0.1 wrote: 16 lengths, then eighths of an octave by number."""
        if not isinstance(given, dict) or "counts" not in given:
            return given
        bins: dict[int, int] = {}
        for index, rows in given["counts"].items():
            low, high = bar_edge(int(index)), bar_edge(int(index) + 1)
            least = bin_edge(_bin_index((low + high - 1) / 2))
            bins[least] = bins.get(least, 0) + rows
        return {**{k: v for k, v in given.items() if k != "counts"}, "bins": bins}

    @property
    def rows(self) -> int:
        """How many lengths were counted."""
        return sum(self.bins.values())

    def __add__(self, other: Lengths) -> Lengths:
        lows = [one.min for one in (self, other) if one.min is not None]
        highs = [one.max for one in (self, other) if one.max is not None]
        return Lengths(
            bins=add_counts(self.bins, other.bins),
            total=self.total + other.total,
            min=min(lows, default=None),
            max=max(highs, default=None),
        )

    def quantile(self, q: Fraction) -> float | None:
        """Return the least length that a share `q` of the rows does not exceed.

        It is exact below 16,384, and within 1.1 % from there on.
        """
        goal, seen = q * self.rows, 0
        for least in sorted(self.bins):
            seen += self.bins[least]
            if seen >= goal and self.min is not None and self.max is not None:
                return float(min(max(bin_middle(least), self.min), self.max))
        return None

    def histogram(self) -> Histogram:
        """Return at most 40 bars: 16 of one length each, then of an eighth of an octave or more."""
        if not self.bins:
            return Histogram()
        bars: dict[int, int] = {}
        for least, rows in self.bins.items():
            bar = _index(least, _BAR_EXACT, _BARS_PER_OCTAVE)
            bars[bar] = bars.get(bar, 0) + rows
        first, last = min(bars), max(bars)
        step = max(1, math.ceil((last - first + 1) / _MOST_BARS))
        starts = list(range(first, last + 1, step))
        quantiles = {name: self.quantile(q) for name, q in _QUANTILES.items()}
        return Histogram(
            edges=tuple(bar_edge(i) for i in [*starts, starts[-1] + step]),
            counts=tuple(sum(bars.get(i, 0) for i in range(s, s + step)) for s in starts),
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
    bins: dict[int, int] = {}
    for length, rows in known.value_counts(name="n").iter_rows():
        least = bin_edge(_bin_index(length))
        bins[least] = bins.get(least, 0) + rows
    return Lengths(
        bins=dict(sorted(bins.items())),
        total=int(known.sum()),
        min=int(known.min()),  # type: ignore[arg-type]
        max=int(known.max()),  # type: ignore[arg-type]
    )


def bin_middle(least: int) -> float:
    """Return the middle of the bin that begins with a length: the length itself below 16,384."""
    return (least + bin_edge(_bin_index(least) + 1) - 1) / 2


def bin_edge(index: int) -> int:
    """Return the least length of a bin."""
    return _edge(index, EXACT, PER_OCTAVE)


def bar_edge(index: int) -> int:
    """Return the least length of a bar of a histogram."""
    return _edge(index, _BAR_EXACT, _BARS_PER_OCTAVE)


def _bin_index(length: float) -> int:
    return _index(length, EXACT, PER_OCTAVE)


def _edge(index: int, exact: int, per_octave: int) -> int:
    if index <= exact:
        return index
    return math.ceil(exact * 2 ** ((index - exact) / per_octave) - 1e-6)


def _index(length: float, exact: int, per_octave: int) -> int:
    if length < exact:
        return int(length)
    return exact + math.floor(math.log2(length / exact) * per_octave + 1e-9)


def add_counts(left: Mapping[int, int], right: Mapping[int, int]) -> dict[int, int]:
    """Return the sums of two mappings of counts."""
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


def add_tallies(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    """Return the sums of two mappings of counts by name."""
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}
