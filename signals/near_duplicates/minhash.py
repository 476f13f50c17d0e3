"""The hashes of near duplicates, which both ways of finding them share."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PRIME: Final = np.uint64(0x100000001B3)
"""A word is the polynomial of its letters at this number, modulo 2**64."""
FIRST: Final = np.uint64(0x9E3779B97F4A7C15)
SECOND: Final = np.uint64(0xC2B2AE3D27D4EB4F)
THIRD: Final = np.uint64(0x165667B19E3779F9)

_FACTOR: Final = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT: Final = np.uint64(33)

PERMUTATIONS: Final = 128
RECALL: Final = 0.995
"""Least chance that two texts just at the threshold share a band."""


class MinHash(NamedTuple):
    """Hash functions, value * factor + term, whose least values over a text make its bands."""

    bands: int
    factors: NDArray[np.uint64]
    terms: NDArray[np.uint64]


def mix_hash(value: np.uint64) -> np.uint64:
    """Spread a hash over its 64 bits (a round of MurmurHash3's finaliser); arrays too."""
    value = (value ^ (value >> _SHIFT)) * _FACTOR
    return value ^ (value >> _SHIFT)


def band_shape(threshold: float) -> tuple[int, int]:
    """Choose bands and rows of a band: the most rows that keep the recall (0.05 and more).

    Two texts of similarity s share a band with the chance 1 - (1 - s**rows)**bands.
    """
    # More rows a band mean fewer false candidates to verify, fewer bands less memory.
    for rows in range(PERMUTATIONS // 4, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= RECALL:
            return bands, rows
    return PERMUTATIONS, 1


def min_hash(threshold: float, seed: int) -> MinHash:
    """Draw the hash functions for a threshold; the factors are odd."""
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold of similarity is above 0 and at most 1, not {threshold}")
    bands, rows = band_shape(threshold)
    draw = np.random.default_rng(seed)
    factors, terms = draw.integers(0, 2**64, (2, bands * rows), np.uint64)
    # An even factor would map two values to one: odd factors have an inverse modulo 2**64.
    return MinHash(bands, factors | np.uint64(1), terms)


def find_chance(similarity: float, threshold: float) -> float:
    """Return the chance that a pair of texts is found, by the bands of a threshold."""
    bands, rows = band_shape(threshold)
    return 1 - math.pow(1 - similarity**rows, bands)
