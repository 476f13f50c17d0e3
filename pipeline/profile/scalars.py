"""The metrics of a run as plain numbers by name, for thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from siftset.schemas.results.metrics import Profile, RunMetrics

_COUNTS: Final = ("kept", "rejected", "quarantined", "duplicate", "unreadable", "unknown")
_LEAKS: Final = ("leaked_rows", "leaked_share")
_ENCODING: Final = (
    "replacement", "mojibake", "control", "not_nfc", "zero_width", "html", "url", "email", "phone",
)  # fmt: skip


def row_names() -> tuple[str, ...]:
    """Return the names of what every run measures."""
    return tuple(f"{name}_{unit}" for name in _COUNTS for unit in ("rows", "share"))


def profile_names(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the names of what only a run with a profile can measure; `columns` are the source's.

    Not every run measures each of them: drift needs an earlier version, leaks need two splits.
    """
    from siftset.pipeline.profile.drift import DEFAULTS

    return (
        *(f"{name}_share" for name in (*_ENCODING, "over_max", "smallest_label", "label_error")),
        *(f"missing_share_{column}" for column in columns),
        *_LEAKS,
        *(f"{where}drift_{key}" for where in ("", "reference_") for key in DEFAULTS),
    )


def list_scalars(metrics: RunMetrics) -> dict[str, float | int]:
    """Return every number that a threshold can limit; one that was not measured is left out."""
    found: dict[str, float | int] = {}
    for source in (_balance_scalars, _kept_scalars, _set_scalars, _drift_scalars):
        found.update(source(metrics))
    own = {
        name: value
        for name, value in metrics.custom.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {**found, **own}


Named = Iterator[tuple[str, float | int]]


def _balance_scalars(metrics: RunMetrics) -> Named:
    rows = metrics.rows
    for name in _COUNTS:
        number = getattr(rows, name)
        yield f"{name}_rows", number
        yield f"{name}_share", number / rows.read if rows.read else 0.0


def _kept_scalars(metrics: RunMetrics) -> Named:
    kept = metrics.profiles.get("kept")
    if kept is None:
        return
    texts = max(1, kept.texts)
    for name in _ENCODING:
        yield f"{name}_share", kept.encoding.get(name, 0) / texts
    for column in kept.columns:
        missing = column.null + column.empty + column.blank
        yield f"missing_share_{column.name}", missing / max(1, kept.rows)
    if kept.over_max is not None and kept.tokens is not None:
        yield "over_max_share", kept.over_max / max(1, kept.tokens.rows)
    if kept.labels:
        yield "smallest_label_share", _smallest_label_share(kept)


def _smallest_label_share(kept: Profile) -> float:
    totals: dict[str, int] = {}
    for counts in kept.labels.values():
        for label, number in counts.items():
            totals[label] = totals.get(label, 0) + number
    return min(totals.values()) / max(1, sum(totals.values()))


def _set_scalars(metrics: RunMetrics) -> Named:
    precision = metrics.label_precision
    if precision is not None and precision.labelled:
        yield "label_error_share", 1 - precision.right / precision.labelled
    if metrics.leakage:
        yield "leaked_rows", max(leak.rows for leak in metrics.leakage)
        yield "leaked_share", max(leak.rows / max(1, leak.of) for leak in metrics.leakage)


def _drift_scalars(metrics: RunMetrics) -> Named:
    worst: dict[str, float] = {}
    for one in metrics.drift:
        where = "reference_" if one.against.startswith("the reference") else ""
        name = f"{where}drift_{one.key}"
        worst[name] = max(worst.get(name, 0.0), abs(one.value))
    yield from worst.items()
