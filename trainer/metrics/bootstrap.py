"""Seeded intervals: paired bootstrap of ratios, of counts and of any weighted statistic; Wilson."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siftset.schemas.results.comparison import MIN_UNITS, Change, Interval, Verdict, WinRate

Array: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_CELLS = 2_000_000
"""Resampling weights held at once, so that memory does not grow with rows times resamples."""


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """How intervals are drawn: percentile bootstrap over independent units, seeded.

    A unit is a row, or with `groups` (the number of each row's group) all rows of a group. `units`
    is how many there are; None where nobody counted them.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    groups: Integers | None = None
    units: int | None = None

    @property
    def unit(self) -> Literal["row", "group of rows"]:
        """What is drawn: rows one by one, or all rows of a group together."""
        return "row" if self.groups is None else "group of rows"

    def over_rows(self, n: int, groups: Integers | None = None) -> Bootstrap:
        """Return the bootstrap of n rows, those of a group drawn together."""
        units = n if groups is None else len(np.unique(groups))
        return replace(self, groups=groups, units=units)

    def take_rows(self, chosen: Flags) -> Bootstrap:
        """Return the bootstrap of some of the rows."""
        if self.groups is None:
            return self.over_rows(int(chosen.sum()))
        return self.over_rows(int(chosen.sum()), self.groups[chosen])

    def bounds(self, draws: Array) -> Interval | None:
        """Return the percentile bounds of the finite draws, also where both are the same.

        None where there are none, or fewer than MIN_UNITS units.
        """
        finite = draws[np.isfinite(draws)]
        if finite.size == 0 or (self.units is not None and self.units < MIN_UNITS):
            return None
        tail = (1 - self.level) / 2
        low, high = np.quantile(finite, (tail, 1 - tail))
        return Interval(low=float(low), high=float(high), level=self.level)

    def interval(self, draws: Array) -> Interval | None:
        """Return the bounds, None where they have no width: resamples that agree show no spread."""
        found = self.bounds(draws)
        if found is None or found.high - found.low <= 1e-9 * max(abs(found.low), abs(found.high)):
            return None
        return found

    def weights(self, n: int) -> Iterator[Array]:
        """Yield blocks (resamples, n) of how often each row is drawn."""
        generator = np.random.default_rng(self.seed)  # fresh: every metric sees the same resamples
        places = None if self.groups is None else np.unique(self.groups, return_inverse=True)[1]
        units = n if places is None else int(places.max(initial=-1)) + 1
        left = self.resamples
        block = max(1, _CELLS // max(n, 1))
        while left > 0:
            size = min(block, left)
            drawn = generator.integers(0, units, size=(size, units))
            drawn += (np.arange(size) * units)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
            yield (counts if places is None else counts[:, places]).astype(np.float64)
            left -= size


def ratio_draws(parts: Array, bootstrap: Bootstrap) -> Array:
    """Return (resamples, columns) resampled sums of the rows of `parts` (rows, columns)."""
    if not len(parts):
        return np.empty((0, parts.shape[1]))
    return np.concatenate([block @ parts for block in bootstrap.weights(len(parts))])


def mean_draws(parts: Array, bootstrap: Bootstrap) -> Array:
    """Return (resamples, columns) means of the resampled rows of `parts` (rows, columns)."""
    sums = ratio_draws(np.hstack([parts, np.ones((len(parts), 1))]), bootstrap)
    return sums[:, :-1] / sums[:, -1:]


def count_draws(cells: Integers, size: int, bootstrap: Bootstrap) -> Array:
    """Return (resamples, size) counts of resampled rows by the cell that each row is in.

    Rows are drawn, not cells: one multinomial draw would do too, but would change with the cells,
    which depend on everyone who is compared, and so give the same answers other intervals.
    """
    if not len(cells):
        return np.empty((0, size))
    order = np.argsort(cells, kind="stable")
    found, starts = np.unique(cells[order], return_index=True)
    draws = np.zeros((bootstrap.resamples, size))
    done = 0
    for block in bootstrap.weights(len(cells)):
        draws[done : done + len(block), found] = np.add.reduceat(block[:, order], starts, axis=1)
        done += len(block)
    return draws


def statistic_draws(statistic: Callable[[Array], Array], n: int, bootstrap: Bootstrap) -> Array:
    """Return (resamples, figures) of a statistic of blocks of row weights (block, rows)."""
    return np.concatenate([statistic(weights) for weights in bootstrap.weights(n)])


def wilson(wins: float, n: int, level: float = 0.95) -> Interval | None:
    """Return Wilson's score interval of a share; `wins` may count halves.

    Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212.
    """
    if n == 0:
        return None
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + level) / 2)
    share = wins / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(low=max(0.0, centre - half), high=min(1.0, centre + half), level=level)


def win_rate(name: str, difference: Array, bootstrap: Bootstrap) -> WinRate:
    """Return how often a difference (positive: the model after is better) is above zero.

    The interval is Wilson's of as many trials as there are independent units, at least MIN_UNITS.
    """
    n = int(difference.size)
    wins, ties = int((difference > 0).sum()), int((difference == 0).sum())
    score, units = wins + ties / 2, n if bootstrap.units is None else min(n, bootstrap.units)
    return WinRate(
        name=name,
        wins=wins,
        ties=ties,
        n=n,
        value=score / n if n else None,
        interval=wilson(score / n * units, units, bootstrap.level) if units >= MIN_UNITS else None,
    )


def finite(value: float | np.floating) -> float | None:
    """Return a JSON-able figure, None when it is undefined."""
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one model: its value and its resampled values."""

    value: float
    draws: Array


def change(
    name: str,
    before: Figure | None,
    after: Figure,
    *,
    n: int,
    bootstrap: Bootstrap,
    higher_is_better: bool | None = None,
) -> Change:
    """Return one metric before and after with the interval of the paired difference.

    The draws of both must come from the same resamples of the same rows.
    """
    difference = bounds = interval = None
    if before is not None:
        with np.errstate(invalid="ignore"):
            difference = finite(after.value - before.value)
            bounds = bootstrap.bounds(after.draws - before.draws)
            interval = bootstrap.interval(after.draws - before.draws)
    return Change(
        name=name,
        before=None if before is None else finite(before.value),
        after=finite(after.value),
        difference=difference,
        before_interval=None if before is None else bootstrap.interval(before.draws),
        after_interval=bootstrap.interval(after.draws),
        interval=interval,
        higher_is_better=higher_is_better,
        n=n,
        verdict=judge(bounds, higher_is_better),
    )


def judge(bounds: Interval | None, higher_is_better: bool | None) -> Verdict:
    """Return what the bounds of a difference show."""
    if bounds is None or higher_is_better is None:
        return "not judged"
    if bounds.low > 0:
        return "better" if higher_is_better else "worse"
    if bounds.high < 0:
        return "worse" if higher_is_better else "better"
    return "no difference shown"


def mcnemar(
    before_right: Flags, after_right: Flags, groups: Integers | None = None
) -> tuple[int, int, float]:
    """Return rows fixed, rows newly broken and the exact two-sided p value.

    With `groups` the p value is of groups that got better or worse on the whole: their rows are
    not independent.
    """
    from scipy.stats import binomtest

    moved = after_right.astype(np.int64) - before_right
    fixed, broken = int((moved > 0).sum()), int((moved < 0).sum())
    if groups is not None:
        moved = np.bincount(np.unique(groups, return_inverse=True)[1], weights=moved)
    better, worse = int((moved > 0).sum()), int((moved < 0).sum())
    if better + worse == 0:
        return fixed, broken, 1.0
    return fixed, broken, float(binomtest(better, better + worse, 0.5).pvalue)
