"""Masks that depend on (seed, epoch, row, position) alone, never on batches, order or workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVALUATION: Final = 2**32 - 1
"""The epoch of masks that stay the same in every evaluation."""

Tokens = NDArray[np.int64]
Flags = NDArray[np.bool_]

_CHOOSE, _KIND, _WORD = 1, 2, 3


def mix_bits(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        value = value + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def keyed_bits(
    keys: tuple[int, ...], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return 64 random bits for every (row, column) under `keys`; rows and columns broadcast."""
    state = np.zeros(1, dtype=np.uint64)
    for key in keys:
        state = mix_bits(state ^ np.uint64(key % 2**64))
    state = mix_bits(state ^ rows.astype(np.uint64))
    return mix_bits(state ^ columns.astype(np.uint64))


def keyed_uniform(
    keys: tuple[int, ...], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1) keyed like `keyed_bits`."""
    return (keyed_bits(keys, rows, columns) >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Masking:
    """How tokens are masked: 80 % become the mask, 10 % a random token, 10 % stay (Devlin 2019)."""

    mask_id: int
    vocabulary: int
    probability: float
    seed: int

    def mask_rows(
        self,
        ids: Tokens,
        maskable: Flags,
        rows: NDArray[np.int64],
        epoch: int,
        words: NDArray[np.int64] | None = None,
    ) -> tuple[Tokens, Flags]:
        """Return the masked ids (rows, length) and which positions are to be predicted.

        `words` numbers the word of every position: then whole words are chosen. A row that has
        anything to mask has at least one masked token (or word).
        """
        at = np.arange(ids.shape[1], dtype=np.int64)[None]
        units = at if words is None else words
        draw = keyed_uniform((self.seed, epoch, _CHOOSE), rows[:, None], units)
        draw = np.where(maskable, draw, 2.0)
        lowest = draw.min(axis=1, keepdims=True)
        chosen: Flags = maskable & ((draw < self.probability) | (draw == lowest))
        kind = keyed_uniform((self.seed, epoch, _KIND), rows[:, None], at)
        random = keyed_bits((self.seed, epoch, _WORD), rows[:, None], at) % np.uint64(
            self.vocabulary
        )
        masked = np.where(chosen & (kind < 0.8), self.mask_id, ids)
        masked = np.where(chosen & (kind >= 0.9), random.astype(np.int64), masked)
        return masked, chosen
