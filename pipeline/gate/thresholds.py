"""Limits of a run's metrics, in three levels."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Final

from siftset.pipeline.profile.scalars import Figure
from siftset.pipeline.profile.shares import is_above, is_below
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.integrity import Limits, Threshold
from siftset.schemas.results.metrics import Check, Severity, Verdict

_LEVELS: Final[tuple[Severity, ...]] = ("critical", "warning", "info")


def apply_thresholds(
    metrics: Mapping[str, Figure], thresholds: Mapping[str, Threshold]
) -> list[Check]:
    """Return one check a threshold: it fails at the worst level whose limit is exceeded.

    A limit trips strictly above, or strictly below where it is a lower one; shares are compared
    as fractions of counts. Raises RecipeError for a metric that is not measured.
    """
    return [_check_threshold(name, limits, metrics) for name, limits in thresholds.items()]


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


def _check_threshold(name: str, limits: Threshold, metrics: Mapping[str, Figure]) -> Check:
    check_name(name, metrics)
    value, lower = metrics[name], limits.below or Limits()
    level: Severity = "info"
    broken = allowed = ""
    for one in _LEVELS:
        most, least = getattr(limits, one), getattr(lower, one)
        bounds = [] if most is None else [f"at most {most:g}"]
        bounds += [] if least is None else [f"at least {least:g}"]
        if not bounds or broken:
            continue
        level, allowed = (level, allowed) if allowed else (one, ", ".join(bounds))
        if most is not None and is_above(value, most):
            level, allowed, broken = one, f"at most {most:g}", f"{one} above {_say(name, most)}"
        elif least is not None and is_below(value, least):
            level, allowed, broken = one, f"at least {least:g}", f"{one} below {_say(name, least)}"
    return Check(
        name=name,
        stage="threshold",
        passed=not broken,
        severity=level,
        observed=float(value),
        threshold=allowed,
        message=f"{name} is {_say(name, float(value))}, {broken}" if broken else "",
    )


def _say(name: str, value: float) -> str:
    """Return a figure as people read it: a share in percent."""
    is_share = name.endswith("_share") or name.startswith("missing_share_")
    return f"{100 * value:.4g}%" if is_share else f"{value:g}"
