"""Shares: never a false 0 or 100, exact against limits, bounded where they are sampled."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.profile.shares import (
    describe_sample,
    format_percent,
    is_above,
    is_below,
    share_interval,
)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_share_is_compared_as_the_decimal_that_was_written(hundredths: int, times: int) -> None:
    limit, share = hundredths / 1000, Fraction(hundredths * times, 1000 * times)
    assert not is_above(share, limit)
    assert not is_below(share, limit)
    assert is_above(share + Fraction(1, 10**18), limit)
    assert is_below(share - Fraction(1, 10**18), limit)


@given(st.integers(0, 10**7), st.integers(1, 10**7))
def test_only_nothing_is_zero_and_only_all_is_a_hundred(part: int, whole: int) -> None:
    part = min(part, whole)
    assert (format_percent(part, whole) == "0%") == (part == 0)
    assert (format_percent(part, whole) == "100%") == (part == whole)


@pytest.mark.parametrize(("part", "rows"), [(0, 400), (8, 400), (200, 400), (400, 400)])
def test_the_interval_of_a_sample_is_wilsons(part: int, rows: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(part, rows).proportion_ci(method="wilson")
    assert share_interval(part, rows, 10**12) == pytest.approx((expected.low, expected.high), 1e-4)
    low, high = share_interval(part, rows, 500)
    assert expected.low - 1e-9 <= low <= part / rows <= high <= expected.high + 1e-9
    assert share_interval(part, rows, rows) == (part / rows, part / rows)


def test_the_interval_covers_as_often_as_it_says() -> None:
    numpy = pytest.importorskip("numpy")
    draws = numpy.random.default_rng(3).hypergeometric(300, 1_700, 250, size=4_000)
    covered = [
        low <= 0.15 <= high for low, high in (share_interval(int(d), 250, 2_000) for d in draws)
    ]
    assert 0.93 <= sum(covered) / len(covered) <= 0.98


def test_a_sample_names_its_size_its_share_and_its_bound() -> None:
    assert describe_sample(500, 500) == "all 500 rows"
    said = describe_sample(500, 9_744, "texts")
    assert said == "a sample of 500 of 9,744 texts (5.1%; shares within 4.3 points, 95 %)"
