"""Static vectors of all texts, small enough for a million rows, and the rows most alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.static_vectors.model import load_static

Vectors = NDArray[np.float32]

SIZE: Final = 64
"""Dimensions that are held of each row: 256 bytes, a quarter of a whole vector."""
_SAMPLE: Final = 20_000
"""Rows that say which directions the texts vary most in."""
_BLOCK: Final = 100_000
_CANDIDATES: Final = 200
"""Rows found by the held dimensions whose whole vectors are then compared."""


@dataclass(frozen=True, slots=True)
class TextVectors:
    """What is held of each row's vector, and the texts to make the whole ones of again."""

    texts: pl.Series
    held: Vectors
    """Rows x SIZE: the vectors along the directions in which they vary most."""

    def find_alike(self, row: int, count: int) -> list[tuple[int, float]]:
        """Return the rows most like one, by the cosine of their whole vectors, best first."""
        near = self.held @ self.held[row]
        some = min(len(near) - 1, _CANDIDATES)
        places = np.argpartition(-near, some)[: some + 1]
        whole = load_static().embed(self.texts.gather(places))
        cosines = whole @ load_static().embed(self.texts.gather([row]))[0]
        order = np.argsort(-cosines, kind="stable")
        found = [(int(places[at]), float(cosines[at])) for at in order if places[at] != row]
        return found[:count]

    def embed(self, rows: NDArray[np.int64]) -> Vectors:
        """Return the whole vectors of some rows."""
        return load_static().embed(self.texts.gather(rows))


def make_vectors(texts: pl.Series) -> TextVectors:
    """Embed every text and hold it along the principal directions of a sample."""
    model = load_static()
    step = max(1, len(texts) // _SAMPLE)
    sample = model.embed(texts.gather_every(step))
    # not centred: cosines are to be kept, not variances
    _, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    turn = np.ascontiguousarray(directions[:, ::-1][:, :SIZE], np.float32)
    held = np.empty((len(texts), turn.shape[1]), np.float32)
    for start in range(0, len(texts), _BLOCK):
        held[start : start + _BLOCK] = model.embed(texts[start : start + _BLOCK]) @ turn
    return TextVectors(texts, held)
