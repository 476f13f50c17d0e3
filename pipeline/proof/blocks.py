"""Which rows the models of a proof are trained on: pure functions of a seed.

Rows are given as their places; `pool` is a random sample of everything that was read, `curated` are
rows of the set. None of them is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from siftset.pipeline.proof.statistics import Integers

BLOCKS, FEW_BLOCKS = 10, 5
LEAST_BLOCK = 100
"""Rows of a block below which there are FEW_BLOCKS."""
DRAWS = 5
"""Draws of half the set, and of each size of the curve."""
BINS = 10
"""Bins of length by which rows are matched; each holds as many curated rows."""

Opponent = Literal["random", "length-matched"]


class Pair(NamedTuple):
    """The rows of two models that are compared: as many curated ones as others."""

    curated: Integers
    other: Integers


def count_side(curated: Integers, pool: Integers) -> int:
    """Return how many rows either side can have where no row is on both.

    The other side takes from the curated rows their share of everything.
    """
    share = float(np.isin(pool, curated).mean()) if len(pool) else 0.0
    return int(len(curated) / (1 + share))


def count_blocks(side: int, *, most: int = BLOCKS) -> int:
    """Return into how many blocks so many rows of either side are cut."""
    return most if side // most >= LEAST_BLOCK else FEW_BLOCKS


def cut_blocks(curated: Integers, pool: Integers, blocks: int, seed: int) -> list[Pair]:
    """Cut curated rows into blocks, each against as many rows drawn of everything.

    No row is in two blocks, on whichever side: what is drawn for the other side is taken out of the
    curated rows first. So the other side stays a random sample of everything that was read,
    curated rows among it, even where most of what was read is curated.
    """
    generator = np.random.default_rng([seed, 1])
    drawn = generator.permutation(pool)[: count_side(curated, pool)]
    left = generator.permutation(np.setdiff1d(curated, drawn))
    return _pair_up(left, drawn, blocks)


def cut_matched_blocks(
    curated: Integers, pool: Integers, lengths: Integers, blocks: int, seed: int
) -> list[Pair]:
    """Cut blocks likewise, with rows of everything that are as long as the curated ones.

    `lengths` are of all rows. Both sides hold as many rows of each of BINS bins.
    """
    generator = np.random.default_rng([seed, 2])
    starts = np.quantile(lengths[curated], np.arange(BINS) / BINS)
    # what is shorter or longer than all curated rows lies before the first or beyond the last bin
    edges = np.unique([*starts, lengths[curated].max() + 1])
    mine, theirs = (np.searchsorted(edges, lengths[rows], "right") for rows in (curated, pool))
    bins = len(edges) + 1
    wanted = np.bincount(mine, minlength=bins) / max(1, len(curated))
    there = np.bincount(theirs, minlength=bins)
    both = np.bincount(theirs[np.isin(pool, curated)], minlength=bins)
    asked = wanted > 0
    share = np.divide(both, there, out=np.zeros(bins), where=there > 0)
    size = min(
        len(curated) / (1 + share[asked].max(initial=0)),
        (there[asked] / wanted[asked]).min(initial=np.inf),
    )
    drawn, left = [], []
    for at in np.flatnonzero(asked):
        count = int(size * wanted[at])
        taken = generator.permutation(pool[theirs == at])[:count]
        rest = generator.permutation(np.setdiff1d(curated[mine == at], taken))[:count]
        drawn.append(taken[: len(rest)])
        left.append(rest)
    sides = [generator.permutation(np.concatenate(one)) for one in (left, drawn)]
    return _pair_up(sides[0], sides[1], blocks)


def draw_halves(curated: Integers, pool: Integers, seed: int) -> list[Pair]:
    """Draw half of the curated rows, DRAWS times, each against as many rows of everything."""
    size = min(len(curated) // 2, len(pool))
    return [
        Pair(draw_rows(curated, size, seed, at), draw_rows(pool, size, seed, DRAWS + at))
        for at in range(DRAWS)
    ]


def draw_rows(rows: Integers, size: int, seed: int, turn: int) -> Integers:
    """Return `size` of the rows, drawn without replacement; another turn draws others."""
    generator = np.random.default_rng([seed, 3, size, turn])
    return np.sort(generator.choice(rows, size, replace=False))


def choose_sizes(curated: int, pool: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the sizes of the curve: of curated rows, and of rows of everything.

    The second goes on beyond the set, up to all of the pool.
    """
    own = sorted({curated // part for part in (8, 4, 2, 1)} - {0})
    more = {min(size, pool) for size in (*own, 2 * curated, 4 * curated, pool)}
    return own, sorted(more)


def _pair_up(curated: Integers, other: Integers, blocks: int) -> list[Pair]:
    size = min(len(curated), len(other)) // blocks
    return [
        Pair(np.sort(curated[at : at + size]), np.sort(other[at : at + size]))
        for at in range(0, size * blocks, max(1, size))
    ]
