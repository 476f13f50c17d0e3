"""Limits of a run's metrics, in three levels."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Final

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.integrity import Threshold
from siftset.schemas.results.metrics import Check, Severity, Verdict

_LEVELS: Final[tuple[Severity, ...]] = ("critical", "warning", "info")


def apply_thresholds(
    metrics: Mapping[str, float | int], thresholds: Mapping[str, Threshold]
) -> list[Check]:
    """Return one check a threshold: it fails at the worst level whose limit is exceeded.

    A limit trips strictly above. Raises RecipeError for a metric that is not measured.
    """
    checks = []
    for name, limits in thresholds.items():
        check_name(name, metrics)
        set_levels = [(one, getattr(limits, one)) for one in _LEVELS]
        given = [(level, limit) for level, limit in set_levels if limit is not None]
        tripped = [(level, limit) for level, limit in given if metrics[name] > limit]
        level, limit = (tripped or given)[0] if given else (_LEVELS[-1], None)
        checks.append(_threshold_check(name, metrics[name], level, limit, passed=not tripped))
    return checks


def verdict_of(checks: list[Check] | tuple[Check, ...]) -> Verdict:
    """Return fail for a failed critical check, warn for a failed warning, else pass."""
    failed = {check.severity for check in checks if not check.passed}
    if "critical" in failed:
        return "fail"
    return "warn" if "warning" in failed else "pass"


def check_name(name: str, metrics: Collection[str]) -> None:
    """Raise RecipeError where no metric has this name."""
    if name not in metrics:
        close = difflib.get_close_matches(name, list(metrics), n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"metrics are {', '.join(metrics)}"
        raise RecipeError(f"integrity.thresholds.{name}: no such metric ({hint})")


def unmeasured_check(name: str) -> Check:
    """Return the check of a metric that this run could not measure: it holds, and says so."""
    said = "(not measured: this run had nothing to measure it on)"
    return Check(name=name, stage="threshold", passed=True, severity="info", message=said)


def _threshold_check(
    name: str, value: float | int, level: Severity, limit: float | None, *, passed: bool
) -> Check:
    allowed = "" if limit is None else f"at most {limit:g}"
    return Check(
        name=name,
        stage="threshold",
        passed=passed,
        severity=level,
        observed=float(value),
        threshold=allowed,
        message="" if passed else f"{name} is {value:g}, {level} above {limit:g}",
    )
