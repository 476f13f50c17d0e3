"""Distances between two distributions of counts, by their published formulas."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from itertools import pairwise
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def stability_index(before: Mapping[Key, int], now: Mapping[Key, int]) -> float | None:
    """Return the population stability index, sum((q - p) ln(q / p)) (Siddiqi 2006).

    Counts are smoothed by half a row a bin, so that an empty bin does not make it infinite. Below
    0.1 is read as steady, above 0.25 as shifted. None where either side has no rows.
    """
    shares = _paired_shares(before, now, smooth=0.5)
    return None if shares is None else sum((q - p) * math.log(q / p) for p, q in shares)


def jensen_shannon(before: Mapping[Key, int], now: Mapping[Key, int]) -> float | None:
    """Return the Jensen-Shannon distance, the root of the divergence in bits (Lin 1991): 0 to 1."""
    shares = _paired_shares(before, now)
    if shares is None:
        return None
    divergence = sum(
        (_divergence_term(p, (p + q) / 2) + _divergence_term(q, (p + q) / 2)) / 2 for p, q in shares
    )
    return math.sqrt(max(0.0, divergence))


def earth_mover(before: Mapping[float, int], now: Mapping[float, int]) -> float | None:
    """Return the first Wasserstein distance, the area between two cumulative distributions.

    It is in the unit of the keys: how far the average row has to move (Rubner et al. 2000).
    """
    total_before, total_now = sum(before.values()), sum(now.values())
    if not total_before or not total_now:
        return None
    places = sorted({*before, *now})
    apart = moved = 0.0
    for here, after in pairwise(places):
        apart += now.get(here, 0) / total_now - before.get(here, 0) / total_before
        moved += abs(apart) * (after - here)
    return moved


def total_variation(before: Mapping[Key, int], now: Mapping[Key, int]) -> float | None:
    """Return half the sum of |p - q|: the share of rows that would have to change name."""
    shares = _paired_shares(before, now)
    return None if shares is None else sum(abs(q - p) for p, q in shares) / 2


def _divergence_term(p: float, middle: float) -> float:
    return p * math.log2(p / middle) if p else 0.0


def _paired_shares(
    before: Mapping[Key, int], now: Mapping[Key, int], *, smooth: float = 0.0
) -> list[tuple[float, float]] | None:
    keys = dict.fromkeys([*before, *now])
    if not sum(before.values()) or not sum(now.values()):
        return None
    left = sum(before.values()) + smooth * len(keys)
    right = sum(now.values()) + smooth * len(keys)
    return [
        ((before.get(key, 0) + smooth) / left, (now.get(key, 0) + smooth) / right) for key in keys
    ]
