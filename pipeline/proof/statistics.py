"""How sure a difference is, as pure functions of answers; a unit is a duplicate group, not a row.

`differences` holds (draws, questions): for each pair of models, one trained on curated rows and one
on others, what the first scored on each question less what the second did. `groups` numbers each
question's duplicate group.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

LEVEL = 0.95
"""The level of every interval."""
RESAMPLES = 2000


class Gain(NamedTuple):
    """A mean difference and its interval; positive where the curated rows taught more."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """How far apart the ends of the interval are."""
        return self.high - self.low


class Saving(NamedTuple):
    """How many random rows teach as much as some curated ones, with its interval."""

    rows: int
    """The curated rows."""
    equals: float
    low: float
    high: float
    at_least: bool
    """Whether even all rows drawn at random teach less."""


def sum_groups(values: Array, groups: Integers) -> tuple[Array, Array]:
    """Return sums of values (..., questions) by group (..., groups), and each group's size."""
    _, places = np.unique(groups, return_inverse=True)
    sizes = np.bincount(places).astype(np.float64)
    # in order of the groups, so that each group's values lie side by side
    order = np.argsort(places, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    return np.add.reduceat(values[..., order], starts, axis=-1), sizes


def question_variance(differences: Array, groups: Integers) -> float:
    """Return the variance that the mean difference has because other questions could be asked.

    Questions of one group would come, or not, together: the variance of a ratio of group sums to
    group sizes (Cochran 1977, Sampling Techniques, chapter 6).
    """
    sums, sizes = sum_groups(differences.mean(axis=0), groups)
    rest = sums - sums.sum() / sizes.sum() * sizes
    count = len(sizes)
    return float((rest**2).sum() / sizes.sum() ** 2 * count / max(1, count - 1))


def estimate_blocks(differences: Array, groups: Integers) -> Gain:
    """Return the mean difference over disjoint blocks and its t interval.

    Blocks share no training row, so that their means are independent given the questions; what
    other questions would change is added to the variance.
    """
    means = differences.mean(axis=1)
    blocks = len(means)
    variance = means.var(ddof=1) / blocks + question_variance(differences, groups)
    half = t_quantile(LEVEL, blocks - 1) * math.sqrt(variance)
    middle = float(means.mean())
    return Gain(middle, middle - half, middle + half)


def estimate_draws(differences: Array, groups: Integers, seed: int) -> Gain:
    """Return the mean difference over draws and its percentile bootstrap interval.

    Draws and groups of questions are drawn again together.
    """
    generator = np.random.default_rng([seed, 17])
    sums, sizes = sum_groups(differences, groups)
    drawn, count = [], len(sizes)
    for start in range(0, RESAMPLES, 100):
        some = min(100, RESAMPLES - start)
        places = generator.integers(0, count, (some, count)) + count * np.arange(some)[:, None]
        chosen = np.bincount(places.ravel(), minlength=some * count).reshape(some, count)
        draws = len(differences)
        weights = generator.multinomial(draws, np.full(draws, 1 / draws), some) / draws
        drawn.append(((weights @ sums) * chosen).sum(axis=1) / (chosen @ sizes))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(drawn), (tail, 1 - tail))
    return Gain(float(differences.mean()), float(low), float(high))


def find_saving(rows: int, curated: Array, sizes: Array, random: Array, seed: int) -> Saving:
    """Return how many random rows score as `rows` curated ones do, read off the size curve.

    `curated` holds the scores of draws of curated rows; `random` (sizes, draws) those of as many
    rows drawn of everything as `sizes` says, in ascending order. Between sizes the curve is read
    on a scale of doublings; scores that fall with more rows count as level. Draws are drawn again
    for the interval.
    """
    generator = np.random.default_rng([seed, 19])

    def read_curve(mine: Integers, theirs: Integers) -> float:
        level = np.maximum.accumulate(random[:, theirs].mean(axis=1))
        level = level + 1e-9 * np.arange(len(sizes))  # strictly rising, as interpolation needs
        return float(2 ** np.interp(curated[mine].mean(), level, np.log2(sizes)))

    every = np.arange(len(curated)), np.arange(random.shape[1])
    found = [
        read_curve(*(generator.integers(0, len(one), len(one)) for one in every))
        for _ in range(1000)
    ]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(found, (tail, 1 - tail))
    equals = read_curve(*every)
    return Saving(rows, equals, float(low), float(high), bool(equals >= 0.999 * sizes[-1]))


def t_quantile(level: float, freedom: int) -> float:
    """Return how many standard errors a two-sided t interval reaches; scipy is not needed.

    The distribution function is integrated, by Simpson's rule, and inverted by bisection.
    """
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    peak = math.exp(scale) / math.sqrt(freedom * math.pi)

    def reach(point: float) -> float:
        steps = np.linspace(0.0, point, 2001)
        weights = np.ones(2001)
        weights[1:-1:2], weights[2:-1:2] = 4, 2
        density = peak * (1 + steps**2 / freedom) ** (-(freedom + 1) / 2)
        return float(2 * (density * weights).sum() * point / 2000 / 3)

    low, high = 0.0, 1.0
    while reach(high) < level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if reach(middle) < level else (low, middle)
    return high
