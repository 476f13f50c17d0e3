"""What distances two samples of one population give by chance: rows regrouped at random.

A permutation test (Fisher 1935): the rows of both samples are thrown together and parted at random,
200 times. What is larger than all of these is chance in fewer than one case of 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from siftset.pipeline.profile.row_sketch import RowArrays, RowSketch, to_arrays

ROUNDS: Final = 200
FEWEST: Final = 100
_MARGIN: Final = 1.1
_TENTHS: Final = np.arange(1, 10) / 10
_GAINED: Final = 10
"""Words that make the measure of a topic."""
_CENTRED: Final = ("new words", "topic")
"""Figures that are not near 0 by chance: what is beyond their mean counts."""
_SEED: Final = 20_240_601
Codes = NDArray[np.int64]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Chance:
    """A distance of two samples of equal size, and what random regrouping gives."""

    observed: float
    most: float
    """The largest that a regrouping gave, as the distance is shown."""
    mean: float
    spread: float
    """Standard deviation over the regroupings."""
    exceeded: bool
    """Whether what was observed is farther out than every regrouping, by a tenth."""
    before: float | None = None
    after: float | None = None
    words: tuple[int, ...] = ()
    """The 32-bit hashes of the words that gained most."""


def measure_chance(now: RowSketch, before: RowSketch) -> Mapping[str, Chance]:
    """Return each distance that the sketches allow; nothing where one has fewer than 100 rows."""
    size = min(len(now.rows), len(before.rows))
    if size < FEWEST:
        return {}
    pooled = _Pooled(to_arrays((*before.rows[:size], *now.rows[:size])), size)
    random = np.random.default_rng(_SEED)
    order = np.arange(2 * size)
    gained = pooled.names[np.argsort(-pooled.gains(order >= size), kind="stable")[:_GAINED]]
    observed = pooled.measure(order, random)
    rounds = [pooled.measure(random.permutation(order), random) for _ in range(ROUNDS)]
    found: dict[str, Chance] = {}
    for name, value in observed.items():
        if name.startswith("gini"):
            continue
        spread = np.array([one[name] for one in rounds])
        mean = float(spread.mean())
        centred = mean if name in _CENTRED else 0.0
        most = float(np.abs(spread - centred).max())
        out = value - centred if name in _CENTRED else abs(value)
        ends = (observed["gini before"], observed["gini now"]) if name == "popularity" else ()
        found[name] = Chance(value, most, mean, float(spread.std()), out > _MARGIN * most, *ends)
    if "topic" in found:
        found["topic"] = replace(found["topic"], words=tuple(int(word) for word in gained))
    return found


def even_gini(left: RowSketch, right: RowSketch) -> tuple[float, float] | None:
    """Return the Gini index of the words of two samples, at the same number of texts and words."""
    size = min(len(left.rows), len(right.rows))
    if not size:
        return None
    pooled = _Pooled(to_arrays((*left.rows[:size], *right.rows[:size])), size)
    found = pooled.measure(np.arange(2 * size), np.random.default_rng(_SEED))
    return (found["gini before"], found["gini now"]) if "gini now" in found else None


class _Pooled:
    """Two samples of `size` rows thrown together, coded so that a regrouping is measured fast."""

    def __init__(self, rows: RowArrays, size: int) -> None:
        self.size = size
        self.labels = np.unique(rows.labels, return_inverse=True)[1]
        self.sources = np.unique(rows.sources, return_inverse=True)[1]
        self.words = rows.words
        self.bins = {
            # bins that hold equal tenths of the first `size` lengths, those with ties joined
            f"psi {unit}": np.searchsorted(
                np.unique(np.quantile(lengths[:size], _TENTHS, method="inverted_cdf")),
                lengths,
                side="left",
            ).astype(np.int64)
            for unit, lengths in (("characters", rows.chars), ("words", rows.words))
        }
        self.names, self.tokens = np.unique(rows.tokens, return_inverse=True)
        self.row_of = rows.row_of
        self.once = np.unique(self.row_of * self.names.size + self.tokens)
        """Each word of a row once, as one number."""
        self.median = max(1.0, float(np.median(rows.words[:size])))

    def measure(self, order: Codes, random: np.random.Generator) -> Figures:
        """Return all distances between the first `size` rows in `order` and the others."""
        before, now = order[: self.size], order[self.size :]
        moved = np.abs(np.sort(self.words[before]) - np.sort(self.words[now])).mean()
        found = {
            **{name: _psi(codes, before, now) for name, codes in self.bins.items()},
            "emd": float(moved) / self.median,
            "labels": _jensen_shannon(self.labels, before, now),
            "sources": _jensen_shannon(self.sources, before, now),
        }
        is_now = np.zeros(order.size, bool)
        is_now[now] = True
        side = is_now[self.row_of]
        old, new = self.tokens[~side], self.tokens[side]
        if old.size and new.size:
            seen = np.zeros(self.names.size, bool)
            seen[old] = True
            ginis = [self._gini(side, min(old.size, new.size), random) for side in (old, new)]
            found["new words"] = float(1 - seen[new].mean())
            found["popularity"] = ginis[1] - ginis[0]
            gains = self.gains(is_now)
            found["topic"] = float(np.sort(gains)[-_GAINED:].sum()) / self.size
            found |= {"gini before": ginis[0], "gini now": ginis[1]}
        return found

    def gains(self, is_now: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return how much each word gained: the signed log-likelihood ratio of its texts.

        Twice the sum of n ln(n / expected) over both sides (Dunning 1993).
        """
        row, word = np.divmod(self.once, max(1, self.names.size))
        now = np.bincount(word[is_now[row]], minlength=self.names.size).astype(float)
        old = np.bincount(word[~is_now[row]], minlength=self.names.size).astype(float)
        half = (now + old) / 2
        ratio = sum(one * np.log(np.maximum(one, 1) / np.maximum(half, 0.5)) for one in (now, old))
        return np.asarray(np.sign(now - old) * 2 * ratio)

    def _gini(self, tokens: Codes, words: int, random: np.random.Generator) -> float:
        """Return the Gini index of the counts, thinned at random to about so many words."""
        if tokens.size > words:
            tokens = tokens[random.random(tokens.size) < words / tokens.size]
        counts = np.sort(np.bincount(tokens))
        counts = counts[counts > 0]
        ranks = np.arange(1, counts.size + 1)
        size = max(1, counts.size)
        return float(2 * (ranks * counts).sum() / (size * max(1, counts.sum())) - (size + 1) / size)


def _psi(codes: Codes, before: Codes, now: Codes) -> float:
    size = int(codes.max()) + 1
    p, q = (np.bincount(codes[side], minlength=size) + 0.5 for side in (before, now))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def _jensen_shannon(codes: Codes, before: Codes, now: Codes) -> float:
    size = int(codes.max()) + 1
    p, q = (np.bincount(codes[side], minlength=size) / side.size for side in (before, now))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(one > 0, one * np.log2(one / middle), 0.0).sum() for one in (p, q)]
    return float(np.sqrt(max(0.0, sum(terms) / 2)))
