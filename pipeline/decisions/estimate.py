"""How right a set is, told from rows that were drawn at random and looked at one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from siftset.pipeline.decisions.record import RANDOM_KEPT, RANDOM_REJECTED, Decision
from siftset.pipeline.profile.shares import share_interval
from siftset.schemas.results.review import SetEstimate


def is_right(decision: Decision) -> bool:
    """Tell whether a reviewer found the outcome of a row drawn at random right.

    A kept row is right as it stands: neither dropped, relabelled nor edited. A rejected one is
    right where it is dropped.
    """
    if decision.queue == RANDOM_REJECTED:
        return decision.decision == "drop"
    return decision.decision == "keep" and (decision.label, decision.text) == (None, None)


def estimate_share(
    judged: Iterable[Decision],
    queue: str,
    *,
    among: int,
    is_current: Callable[[Decision], bool] = lambda _: True,
) -> SetEstimate | None:
    """Return the share of right rows among those that were drawn from `among` rows for a queue.

    Decisions about many rows at once do not count, nor rows that were found in another way: what
    draws the eye is no random sample. `is_current` says whether a row was drawn from what is
    estimated. None where nobody looked yet.
    """
    found = [
        one for one in judged if one.queue == queue and one.how == "row" and one.effect is not None
    ]
    seen = [one for one in found if is_current(one)]
    if not seen:
        return None
    right = sum(map(is_right, seen))
    low, high = share_interval(right, len(seen), max(among, len(seen) + 1))
    days = sorted(one.at.date().isoformat() for one in seen)
    return SetEstimate(
        right=right,
        judged=len(seen),
        low=low,
        high=high,
        reviewers=tuple(sorted({one.by for one in seen})),
        since=days[0],
        until=days[-1],
        left_out=len(found) - len(seen),
    )


__all__ = ["RANDOM_KEPT", "RANDOM_REJECTED", "estimate_share", "is_right"]
