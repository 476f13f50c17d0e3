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
    assert win_rate("none", np.array([])).value is None


def test_ties_are_half_a_win():
    rate = win_rate("loss", np.array([1.0, 0.0, -1.0, 2.0]))
    assert (rate.wins, rate.ties, rate.n, rate.value) == (2, 1, 4, 0.625)


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
    assert found.interval == Interval(low=0, high=0)
    assert found.verdict == "no difference shown"
