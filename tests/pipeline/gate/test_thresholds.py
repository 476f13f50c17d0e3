from __future__ import annotations

from fractions import Fraction

import pytest

from siftset.pipeline.gate import apply_thresholds, verdict_of
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.integrity import Limits, Threshold

LEVELS = Threshold(info=0.01, warning=0.05, critical=0.2)


@pytest.mark.parametrize(
    ("value", "passed", "severity", "verdict"),
    [
        (0.0, True, "critical", "pass"),
        (0.01, True, "critical", "pass"),
        (0.02, False, "info", "pass"),
        (0.05, False, "info", "pass"),
        (0.051, False, "warning", "warn"),
        (0.2, False, "warning", "warn"),
        (0.21, False, "critical", "fail"),
    ],
)
def test_a_limit_trips_strictly_above(value, passed, severity, verdict):
    checks = apply_thresholds({"quarantined_share": value}, {"quarantined_share": LEVELS})
    assert (checks[0].passed, checks[0].severity) == (passed, severity)
    assert verdict_of(checks) == verdict


def test_counts_are_limited_like_shares():
    metrics = {"unreadable": 5}
    assert not apply_thresholds(metrics, {"unreadable": Threshold(warning=4)})[0].passed
    assert apply_thresholds(metrics, {"unreadable": Threshold(warning=5)})[0].passed
    assert apply_thresholds(metrics, {"unreadable": Threshold()})[0].passed


def test_an_unknown_metric_is_named():
    with pytest.raises(RecipeError) as caught:
        apply_thresholds({"quarantined_share": 0.1}, {"quarantine_share": LEVELS})
    assert str(caught.value) == (
        "integrity.thresholds.quarantine_share: no such metric (did you mean 'quarantined_share'?)"
    )


@pytest.mark.parametrize("limit", [0.07, 0.1, 0.29, 0.3, 0.57, 0.7])
def test_a_share_at_its_limit_does_not_trip(limit: float) -> None:
    part = round(limit * 100)
    for share in (Fraction(part, 100), part / 100, 1 - (100 - part) / 100):
        at = apply_thresholds({"s": Fraction(part, 100)}, {"s": Threshold(warning=limit)})
        assert at[0].passed, share
    above = apply_thresholds({"s": Fraction(part * 10**6 + 1, 10**8)}, {"s": Threshold(info=limit)})
    assert not above[0].passed


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (Fraction(3, 10), None),
        (Fraction(2, 10), None),
        (Fraction(19, 100), "warning"),
        (Fraction(1, 10), "warning"),
        (Fraction(9, 100), "critical"),
        (Fraction(6, 10), "info"),
    ],
)
def test_a_lower_limit_trips_strictly_below(value: Fraction, level: str | None) -> None:
    limits = Threshold(info=0.5, below=Limits(warning=0.2, critical=0.1))
    (check,) = apply_thresholds({"smallest_label_share": value}, {"smallest_label_share": limits})
    assert (None if check.passed else check.severity) == level
    if level in ("warning", "critical"):
        assert f"{level} below " in check.message
        assert check.threshold.startswith("at least")
