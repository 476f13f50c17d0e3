from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from siftset.schemas.results.comparison import Interval
from siftset.trainer.metrics.bootstrap import (
    Bootstrap,
    Figure,
    change,
    count_draws,
    judge,
    mcnemar,
    mean_draws,
    ratio_draws,
    wilson,
    win_rate,
)


def test_the_same_seed_draws_the_same_resamples_whatever_the_block():
    parts = np.random.default_rng(1).random((200, 3))
    draws = ratio_draws(parts, Bootstrap(50, seed=4))
    assert np.array_equal(draws, ratio_draws(parts, Bootstrap(50, seed=4)))
    assert not np.array_equal(draws, ratio_draws(parts, Bootstrap(50, seed=5)))


def test_an_interval_of_a_mean_is_close_to_the_normal_one():
    values = np.random.default_rng(2).normal(3, 2, 2000)
    draws = ratio_draws(values[:, None], Bootstrap(2000))[:, 0] / 2000
    found = Bootstrap(2000).interval(draws)
    assert found is not None
    half = 1.96 * values.std() / np.sqrt(2000)
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_counts_are_resampled_as_their_rows_would_be():
    counts = np.array([70, 0, 20, 10])
    draws = count_draws(np.repeat(np.arange(4), counts), 4, Bootstrap(4000))
    assert (draws.sum(1) == 100).all()
    assert draws.mean(0) == pytest.approx(counts, abs=0.5)
    assert draws.std(0) == pytest.approx(np.sqrt(100 * counts / 100 * (1 - counts / 100)), abs=0.3)


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_is_scipys(wins: int, n: int):
    wins = min(wins, n)
    expected = binomtest(wins, n).proportion_ci(method="wilson")
    found = wilson(wins, n)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_rows_no_interval():
    assert wilson(0, 0) is None
    assert Bootstrap().interval(np.array([np.nan])) is None
    assert win_rate("none", np.array([]), Bootstrap()).value is None


def test_ties_are_half_a_win():
    rate = win_rate("loss", np.array([1.0, 0.0, -1.0, 2.0]), Bootstrap())
    assert (rate.wins, rate.ties, rate.n, rate.value) == (2, 1, 4, 0.625)


def test_copies_of_a_row_are_one_piece_of_evidence():
    before, after = np.zeros(30, bool), np.ones(30, bool)
    groups = np.arange(30) // 10
    assert mcnemar(before, after, groups) == (30, 0, 0.25)
    mixed = np.arange(30) % 10 < 5
    assert mcnemar(mixed, ~mixed, groups) == (15, 15, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([0, 0, 0, 1], [1, 1, 1, 1], (3, 0, 0.25)),
        ([1, 1, 1, 1], [1, 1, 1, 1], (0, 0, 1.0)),
        ([1] * 10, [0] * 10, (0, 10, 2 / 1024)),
    ],
)
def test_mcnemar_is_exact(before, after, expected):
    found = mcnemar(np.array(before, bool), np.array(after, bool))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "better", "verdict"),
    [
        (0.1, 0.2, True, "better"),
        (0.1, 0.2, False, "worse"),
        (-0.2, -0.1, False, "better"),
        (-0.1, 0.1, True, "no difference shown"),
        (0.1, 0.2, None, "not judged"),
    ],
)
def test_an_interval_is_judged(low, high, better, verdict):
    assert judge(Interval(low=low, high=high), better) == verdict


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_model_compared_with_itself_shows_no_difference(seed: int):
    bootstrap = Bootstrap(20, seed=seed)
    rows = np.random.default_rng(seed).random((30, 1))
    figure = Figure(float(rows.mean()), ratio_draws(rows, bootstrap)[:, 0] / 30)
    found = change("loss", figure, figure, n=30, bootstrap=bootstrap, higher_is_better=False)
    assert found.interval is None
    assert found.verdict == "no difference shown"


def figures_of(before, after, bootstrap: Bootstrap):
    draws = mean_draws(np.column_stack([before, after]), bootstrap)
    return [Figure(float(v.mean()), draws[:, i]) for i, v in enumerate((before, after))]


@pytest.mark.parametrize("n", [1, 9])
def test_few_units_have_no_interval_and_no_verdict(n):
    bootstrap = Bootstrap(100).over_rows(n)
    values = np.random.default_rng(0).random(n)
    old, new = figures_of(values, values + 0.5, bootstrap)
    found = change("mass", old, new, n=n, bootstrap=bootstrap, higher_is_better=True)
    assert (found.interval, found.before_interval, found.verdict) == (None, None, "not judged")
    assert found.difference == pytest.approx(0.5)
    assert win_rate("wins", np.ones(n), bootstrap).interval is None


def test_no_interval_is_a_point():
    bootstrap = Bootstrap(100).over_rows(12)
    old, new = figures_of(np.zeros(12), np.ones(12), bootstrap)
    found = change("accuracy", old, new, n=12, bootstrap=bootstrap, higher_is_better=True)
    assert (found.interval, found.after_interval, found.verdict) == (None, None, "better")
    same = change("accuracy", new, new, n=12, bootstrap=bootstrap, higher_is_better=True)
    assert (same.interval, same.verdict) == (None, "no difference shown")


def test_copies_of_rows_do_not_make_an_interval_narrower():
    values = np.random.default_rng(3).random(40)
    copied, groups = np.repeat(values, 5), np.repeat(np.arange(40), 5)
    alone, together = (
        Bootstrap(4000)
        .over_rows(len(rows), found)
        .interval(mean_draws(rows[:, None], Bootstrap(4000).over_rows(len(rows), found))[:, 0])
        for rows, found in ((values, None), (copied, groups))
    )
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), abs=0.01)
    naive = Bootstrap(4000).interval(mean_draws(copied[:, None], Bootstrap(4000))[:, 0])
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)
    assert Bootstrap().over_rows(200, groups).units == 40


def test_groups_of_unlike_size_are_drawn_whole():
    groups = np.array([0, 0, 0, 1, 2])
    weights = np.concatenate(list(Bootstrap(200, seed=1).over_rows(5, groups).weights(5)))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 3, 4]].sum(1) == 3).all()
