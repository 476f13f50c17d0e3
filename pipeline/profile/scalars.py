"""The metrics of a run as plain numbers by name, for thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final, get_args

from siftset.pipeline.profile.state import OTHER, UNLABELLED
from siftset.schemas.conversations import COLUMN
from siftset.schemas.recipe.integrity import MessageReason
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.profile_metrics import Profile

PREFIX_SHARE: Final = "prefix_share"
"""Conversations of the set that are the beginning of a longer one, as a share of its rows."""

Figure = Fraction | float | int

_COUNTS: Final = ("kept", "rejected", "quarantined", "duplicate", "unreadable", "unknown")
_LEAKS: Final = (
    "leaked_rows",
    "leaked_share",
    "leaked_prompts",
    "leaked_answers",
    "leaked_groups",
    "ungrouped_share",
)
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
        "relabelled_rows",
        "relabelled_share",
        *((PREFIX_SHARE,) if COLUMN in columns else ()),
        *(f"{where}drift_{key}" for where in ("", "reference_") for key in DEFAULTS),
    )


def list_scalars(metrics: RunMetrics) -> dict[str, Figure]:
    """Return every number that a threshold can limit; one that was not measured is left out.

    Shares are exact fractions of counts.
    """
    own = {
        name: value
        for name, value in metrics.custom.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    found: dict[str, Figure] = {}
    for name in _COUNTS:
        number = getattr(metrics.rows, name)
        found[f"{name}_rows"] = number
        found[f"{name}_share"] = Fraction(number, max(1, metrics.rows.read))
    for measured in (_message_scalars, _content_scalars, _split_scalars):
        found |= dict(measured(metrics))
    return found | own


def message_names() -> tuple[str, ...]:
    """Return the names of what rules for conversations count."""
    return tuple(f"{COLUMN}_{reason}_share" for reason in get_args(MessageReason))


def _message_scalars(metrics: RunMetrics) -> Iterator[tuple[str, Figure]]:
    for check in metrics.checks:
        if check.stage == "row rules" and check.column == COLUMN and check.failed is not None:
            share = Fraction(check.failed, max(1, check.rows or 0))
            yield f"{COLUMN}_{check.name}_share", share


def _split_scalars(metrics: RunMetrics) -> Iterator[tuple[str, Figure]]:
    rows = [leak for leak in metrics.leakage if leak.kind != "answer"]
    if rows:
        yield "leaked_rows", max(leak.rows for leak in rows)
        yield "leaked_share", max(Fraction(one.rows, max(1, one.of)) for one in rows)
    for kind in ("prompt", "answer"):
        if found := [leak.rows for leak in metrics.leakage if leak.kind == kind]:
            yield f"leaked_{kind}s", max(found)
    if metrics.split is not None:
        yield "ungrouped_share", Fraction(metrics.split.ungrouped, max(1, metrics.split.rows))
        yield "leaked_groups", max((leak.rows for leak in metrics.split.leaks), default=0)


def _content_scalars(metrics: RunMetrics) -> Iterator[tuple[str, Figure]]:
    kept = metrics.profiles.get("kept")
    if kept is not None:
        for name in _ENCODING:
            yield f"{name}_share", Fraction(kept.encoding.get(name, 0), max(1, kept.texts))
        for column in kept.columns:
            missing = column.null + column.empty + column.blank
            yield f"missing_share_{column.name}", Fraction(missing, max(1, kept.rows))
        if kept.over_max is not None and kept.tokens is not None:
            yield "over_max_share", Fraction(kept.over_max, max(1, kept.tokens.rows))
        labelled = known_labels(kept)
        if labelled:
            yield "smallest_label_share", Fraction(min(labelled.values()), sum(labelled.values()))
    precision = metrics.label_precision
    if precision is not None and precision.labelled:
        wrong = precision.labelled - precision.right
        yield "label_error_share", Fraction(wrong, precision.labelled)
    repeats = metrics.duplicates
    if repeats is not None and repeats.relabelled is not None:
        yield "relabelled_rows", repeats.relabelled
        yield "relabelled_share", Fraction(repeats.relabelled, max(1, repeats.rows))
    worst: dict[str, float] = {}
    for one in metrics.drift:
        where = "reference_" if one.against.startswith("the reference") else ""
        name = f"{where}drift_{one.key}"
        worst[name] = max(worst.get(name, 0.0), abs(one.value))
    yield from worst.items()


def known_labels(profile: Profile) -> dict[str, int]:
    """Return the rows of each label, those without one left out; empty where some are unknown."""
    totals = dict(profile.label_totals)
    if not totals:  # written by an earlier siftset
        for counts in profile.labels.values():
            for label, number in counts.items():
                totals[label] = totals.get(label, 0) + number
    totals.pop(UNLABELLED, None)
    return {} if OTHER in totals else totals
