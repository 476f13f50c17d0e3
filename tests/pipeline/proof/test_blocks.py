"""Which rows are trained on: nothing twice, both sides alike where they should be."""

from __future__ import annotations

import numpy as np
import pytest

from siftset.pipeline.proof.blocks import (
    DRAWS,
    choose_sizes,
    count_blocks,
    count_side,
    cut_blocks,
    cut_matched_blocks,
    draw_halves,
    draw_rows,
)

RNG = np.random.default_rng(2)
POOL = np.arange(5000)
LENGTHS = RNG.integers(5, 300, 5000)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_no_row_is_in_two_blocks_and_both_sides_are_as_large(share):
    curated = np.sort(RNG.choice(POOL, int(share * len(POOL)), replace=False))
    blocks = cut_blocks(curated, POOL, 10, seed=4)
    assert len(blocks) == 10
    assert {len(side) for pair in blocks for side in pair} == {len(blocks[0].curated)}
    every = np.concatenate([side for pair in blocks for side in pair])
    assert len(np.unique(every)) == len(every)
    assert np.isin(np.concatenate([pair.curated for pair in blocks]), curated).all()
    other = np.concatenate([pair.other for pair in blocks])
    # the other side is a random sample of everything: as much of it is curated as of everything
    assert np.isin(other, curated).mean() == pytest.approx(share, abs=0.05)
    assert len(other) > 0.9 * len(curated) / (1 + share)


def test_curated_rows_beyond_the_sample_are_used_too():
    curated = np.arange(4900, 6000)
    blocks = cut_blocks(curated, POOL, 10, seed=4)
    used = np.concatenate([pair.curated for pair in blocks])
    assert len(used) > 1000
    assert used.max() > 5000


def test_matched_rows_have_the_lengths_of_the_curated_ones():
    curated = np.flatnonzero(150 + 80 * RNG.normal(size=5000) < LENGTHS)
    pairs = cut_matched_blocks(curated, POOL, LENGTHS, 10, seed=4)
    mine = LENGTHS[np.concatenate([pair.curated for pair in pairs])]
    theirs = LENGTHS[np.concatenate([pair.other for pair in pairs])]
    shares = np.linspace(0.1, 0.9, 9)
    assert np.quantile(mine, shares) == pytest.approx(np.quantile(theirs, shares), rel=0.08)
    plain = cut_blocks(curated, POOL, 10, seed=4)
    others = LENGTHS[np.concatenate([pair.other for pair in plain])]
    assert np.median(others) < 0.9 * np.median(mine)
    every = np.concatenate([side for pair in pairs for side in pair])
    assert len(np.unique(every)) == len(every)


def test_rows_without_a_match_of_their_length_leave_few_pairs():
    lengths = np.where(np.arange(5000) < 1000, 500, 10)
    pairs = cut_matched_blocks(np.arange(1000), POOL, lengths, 10, seed=4)
    # every long row is curated: half of them stand against the other half
    assert len(pairs[0].curated) == pytest.approx(50, abs=1)


def test_draws_are_a_function_of_the_seed():
    curated = np.arange(0, 5000, 3)
    halves = draw_halves(curated, POOL, seed=4)
    assert len(halves) == DRAWS
    for one, again in zip(halves, draw_halves(curated, POOL, seed=4), strict=True):
        assert (one.curated == again.curated).all()
        assert len(one.curated) == len(one.other) == len(curated) // 2
    assert (draw_rows(POOL, 50, 4, 0) != draw_rows(POOL, 50, 4, 1)).any()
    assert (draw_rows(POOL, 50, 4, 0) != draw_rows(POOL, 50, 5, 0)).any()


def test_a_block_is_not_small_because_the_other_side_takes_its_share():
    curated = np.arange(1500)
    assert count_blocks(count_side(curated, POOL)) == 10  # 30 % of everything is curated
    nearly_all = np.arange(1550)
    side = count_side(curated, nearly_all)
    assert count_blocks(side) == 5, "ten blocks would have 76 rows each"
    assert len(cut_blocks(curated, nearly_all, 5, seed=4)[0].curated) == side // 5


def test_small_sets_have_fewer_blocks():
    assert [count_blocks(n) for n in (2000, 1000, 999, 60)] == [10, 10, 5, 5]


def test_the_curve_goes_on_to_everything():
    own, more = choose_sizes(800, 5000)
    assert own == [100, 200, 400, 800]
    assert more == [100, 200, 400, 800, 1600, 3200, 5000]
    assert choose_sizes(800, 900)[1] == [100, 200, 400, 800, 900]
