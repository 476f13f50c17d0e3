"""Shares as counts of rows: compared exactly, shown without a false 0 or 100, and bounded."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

_Z: Final = 1.959964
"""The normal quantile of a two-sided interval of 95 %."""


def is_above(value: Fraction | float, limit: float) -> bool:
    """Say whether a figure exceeds a limit, which stands for the decimal that was written.

    3 of 10 rows do not exceed 0.3, whatever the rounding of the two.
    """
    return _as_written(value) > _as_written(limit)


def is_below(value: Fraction | float, limit: float) -> bool:
    """Say whether a figure falls short of a limit, which stands for the decimal written."""
    return _as_written(value) < _as_written(limit)


def _as_written(value: Fraction | float) -> Fraction | float:
    return Fraction(repr(value)) if isinstance(value, float) and math.isfinite(value) else value


def format_percent(part: float, whole: float) -> str:
    """Return part of whole as a percentage that is 0% or 100% only when it is exactly that."""
    if not whole:
        return "no rows"
    value = 100 * part / whole
    if 0 < value < 0.01:
        return "< 0.01%"
    if 99.99 < value < 100:
        return "> 99.99%"
    digits = 0 if value in (0, 100) else 2 if value < 1 or value > 99 else 1
    return f"{value:.{digits}f}%"


def format_figure(value: float) -> str:
    """Return a number as people read it: thousands separated, four significant digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 or value == int(value) else f"{value:,.4g}"


def share_interval(part: int, rows: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was counted on `rows` rows drawn from `of`.

    Wilson's score interval (Wilson 1927) with the correction for a finite population; the share
    itself, twice, where all rows were counted.
    """
    if not rows or rows >= of:
        exact = part / rows if rows else 0.0
        return exact, exact
    z2 = _Z**2 * (of - rows) / max(1, of - 1)
    p = part / rows
    middle = (p + z2 / (2 * rows)) / (1 + z2 / rows)
    half = math.sqrt(z2 * (p * (1 - p) / rows + z2 / (4 * rows**2))) / (1 + z2 / rows)
    return max(0.0, middle - half), min(1.0, middle + half)


def describe_sample(rows: int, of: int, unit: str = "rows") -> str:
    """Return how many of a population were looked at, and how far a share of them may be off."""
    if rows >= of:
        return f"all {of:,} {unit}"
    half = 0.5 * _Z * math.sqrt((of - rows) / max(1, of - 1) / max(1, rows))
    return (
        f"a sample of {rows:,} of {of:,} {unit} ({format_percent(rows, of)}; shares within "
        f"{100 * min(1.0, half):.2g} points, 95 %)"
    )
