"""Intervals of differences: what they must be on cases that are known."""

from __future__ import annotations

import numpy as np
import pytest

from siftset.pipeline.proof.statistics import (
    estimate_blocks,
    estimate_draws,
    find_saving,
    question_variance,
    sum_groups,
    t_quantile,
)

RNG = np.random.default_rng(5)
ALONE = np.arange(400)


@pytest.mark.parametrize("freedom", [1, 4, 9, 30])
def test_the_quantile_of_t_is_that_of_scipy(freedom):
    from scipy.stats import t

    assert t_quantile(0.95, freedom) == pytest.approx(t.ppf(0.975, freedom), rel=1e-5)


def test_sums_of_groups_do_not_depend_on_the_order_of_questions():
    values = RNG.normal(size=(3, 8))
    groups = np.array([5, 1, 5, 1, 9, 5, 2, 2])
    sums, sizes = sum_groups(values, groups)
    expected = [values[:, groups == one].sum(axis=1) for one in np.unique(groups)]
    assert sums == pytest.approx(np.stack(expected, axis=1))
    assert sizes.tolist() == [2, 2, 3, 1]
    order = RNG.permutation(8)
    assert sum_groups(values[:, order], groups[order])[0] == pytest.approx(sums)


def test_the_variance_of_single_questions_is_that_of_their_mean():
    differences = RNG.normal(size=(10, 400))
    mean = differences.mean(axis=0)
    expected = mean.var(ddof=1) / 400
    assert question_variance(differences, ALONE) == pytest.approx(expected, rel=1e-9)


def test_copies_of_questions_add_no_evidence():
    differences = RNG.normal(0.02, 0.3, size=(10, 400))
    alone = estimate_blocks(differences, ALONE)
    twice = estimate_blocks(np.hstack([differences, differences]), np.hstack([ALONE, ALONE]))
    assert twice == pytest.approx(alone)
    naive = estimate_blocks(np.hstack([differences, differences]), np.arange(800))
    assert naive.width < alone.width


def test_gains_change_sides_with_the_sign_and_scale_with_the_differences():
    differences = RNG.normal(0.03, 0.4, size=(10, 400))
    gain = estimate_blocks(differences, ALONE)
    turned = estimate_blocks(-differences, ALONE)
    assert (turned.low, turned.high) == pytest.approx((-gain.high, -gain.low))
    assert estimate_blocks(2 * differences, ALONE).width == pytest.approx(2 * gain.width)
    assert gain.low < gain.value < gain.high


def test_blocks_that_differ_widen_the_interval():
    same = np.tile(RNG.normal(0.03, 0.2, size=400), (10, 1))
    apart = same + np.linspace(-0.1, 0.1, 10)[:, None]
    assert estimate_blocks(apart, ALONE).value == pytest.approx(estimate_blocks(same, ALONE).value)
    assert estimate_blocks(apart, ALONE).width > 1.5 * estimate_blocks(same, ALONE).width


def test_the_bootstrap_of_draws_agrees_with_the_normal_interval():
    differences = RNG.normal(0.02, 0.5, size=(5, 400))
    found = estimate_draws(differences, ALONE, seed=3)
    variance = differences.mean(axis=1).var() / 5 + question_variance(differences, ALONE)
    assert found.width == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.2)
    assert found == estimate_draws(differences, ALONE, seed=3)


def test_five_blocks_of_nothing_seldom_show_something():
    shown = 0
    for _ in range(200):
        answers = RNG.random((10, 300)) < 0.7
        differences = answers[:5].astype(float) - answers[5:]
        gain = estimate_blocks(differences, np.arange(300))
        shown += gain.low > 0 or gain.high < 0
    assert shown <= 16, "about 5 % at most, of 200"


def test_a_saving_is_read_off_the_curve_of_random_rows():
    sizes = np.array([250.0, 500, 1000, 2000, 4000])
    random = np.array([0.6, 0.65, 0.7, 0.75, 0.8])[:, None] + RNG.normal(0, 0.001, (5, 5))
    found = find_saving(500, np.full(5, 0.75), sizes, random, seed=1)
    assert found.equals == pytest.approx(2000, rel=0.05)
    assert found.low <= found.equals <= found.high
    assert not found.at_least
    beyond = find_saving(500, np.full(5, 0.9), sizes, random, seed=1)
    assert (beyond.equals, beyond.at_least) == (pytest.approx(4000), True)
