from __future__ import annotations

import pytest

from siftset.pipeline.gate import apply_thresholds, verdict_of
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.integrity import Threshold

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
