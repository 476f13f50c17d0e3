"""The metrics of earlier runs, and what changed faster than it usually does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Final

from pydantic import ValidationError

from siftset.schemas.plurals import format_count
from siftset.schemas.results.label_metrics import LabelPrecision
from siftset.schemas.results.metrics import RunMetrics

METRICS: Final = "metrics.json"
LAST: Final = 20
_LISTED: Final = ("verdict", "run", "rows", "label_precision", "set_label_precision", "review")

_WINDOW: Final = 10
_FEWEST: Final = 3
_SPREADS: Final = Fraction(35, 10) * Fraction(14826, 10000)
_FLOOR: Final = Fraction(2, 100)


def read_metrics(path: Path) -> RunMetrics | None:
    """Read one metrics.json; None where there is none that can be read."""
    try:
        return RunMetrics.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def read_overview(path: Path) -> RunMetrics | None:
    """Read of metrics.json what a list of runs shows; the other parts are as if not measured.

    A list is made anew with every version, so that a run in it must cost next to nothing.
    """
    try:
        found = json.loads(path.read_bytes())
        return RunMetrics.model_validate({key: found[key] for key in _LISTED if key in found})
    except (OSError, ValueError, TypeError):
        return None


def read_history(
    output: Path, *, before: str | None = None, last: int = LAST
) -> tuple[RunMetrics, ...]:
    """Return the metrics of the last runs under `output` that published, the oldest first.

    `before` is the run_id of the run that they are compared with: it and later ones are left out.
    """
    folder = output / "runs"
    names = sorted((p.name for p in folder.iterdir()), reverse=True) if folder.is_dir() else []
    found: list[RunMetrics] = []
    for name in names:
        if before is not None and name >= before:
            continue
        metrics = read_metrics(folder / name / METRICS)
        if metrics is not None and metrics.run.version is not None:
            found.append(metrics)
        if len(found) == last:
            break
    return tuple(reversed(found))


def like_runs(now: RunMetrics, history: Sequence[RunMetrics]) -> list[RunMetrics]:
    """Return the earlier runs whose figures are of the same rows: all, or what was new only."""
    return [one for one in history if _is_incremental(one) == _is_incremental(now)]


def set_precision(run: RunMetrics) -> LabelPrecision | None:
    """Return the label precision of the whole version that a run made; None if not measured."""
    found = run.set_label_precision
    return found if found is not None or _is_incremental(run) else run.label_precision


def _is_incremental(run: RunMetrics) -> bool:
    # An earlier siftset did not say so: a refresh that kept less than the set read what was new.
    return run.run.incremental or (run.run.command == "refresh" and run.rows.kept != run.rows.set)


def find_alerts(now: RunMetrics, history: Sequence[RunMetrics]) -> tuple[str, ...]:
    """Return a line for every share that moved out of the range of the last ten like runs.

    Runs that read everything and runs that read what was new are never held against each other.

    A share is out when its modified z-score, 0.6745 |x - median| / MAD, is above 3.5 (Iglewicz and
    Hoaglin 1993) and it moved by more than two points; fewer than three runs give no alert.
    """
    recent = like_runs(now, history)[-_WINDOW:]
    if len(recent) < _FEWEST:
        return ()
    lines = []
    for name, share in _SHARES.items():
        value = share(now)
        past = [one for one in map(share, recent) if one is not None]
        if value is None or len(past) < _FEWEST:
            continue
        middle = median(past)
        spread = _SPREADS * median(abs(one - middle) for one in past)
        if abs(value - middle) > max(_FLOOR, spread):
            moved = "rose" if value > middle else "fell"
            lines.append(
                f"The {name} {moved} by {float(100 * abs(value - middle)):.1f} points to "
                f"{float(value):.1%}; the median of the last {format_count(len(past), 'run')} is "
                f"{float(middle):.1%}."
            )
    return tuple(lines)


def _of_read(part: Callable[[RunMetrics], int]) -> Callable[[RunMetrics], Fraction | None]:
    return lambda one: Fraction(part(one), one.rows.read) if one.rows.read else None


def _label_precision(one: RunMetrics) -> Fraction | None:
    found = one.label_precision
    return Fraction(found.right, found.labelled) if found and found.labelled else None


def _null_texts(one: RunMetrics) -> Fraction | None:
    profile = one.profiles.get("input")
    if profile is None or not profile.rows:
        return None
    return Fraction(profile.rows - profile.texts, profile.rows)


_SHARES: Final[dict[str, Callable[[RunMetrics], Fraction | None]]] = {
    "kept share": _of_read(lambda one: one.rows.kept),
    "quarantined share": _of_read(lambda one: one.rows.quarantined),
    "duplicate share": _of_read(lambda one: one.rows.duplicate),
    "unreadable share": _of_read(lambda one: one.rows.unreadable),
    "unknown share": _of_read(lambda one: one.rows.unknown),
    "share of null texts that came in": _null_texts,
    "label precision": _label_precision,
}
