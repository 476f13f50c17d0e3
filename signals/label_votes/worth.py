"""How many labels that are known teach as much as the votes: a learning curve of a small model.

Logistic regression on static vectors, fitted on voted labels, is asked rows whose label is known;
the same fitted on so many known labels, drawn anew for each point of the curve, says what that many
are worth. What a larger model would learn from either is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.schemas.results.label_metrics import LabelWorth, WorthPoint

FIRST: Final = 25
"""Known labels of the first point; each other point has twice as many."""
DRAWS: Final = 5
_SEED: Final = 11


class LabelledVectors(NamedTuple):
    """Rows to learn from, or to ask."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]


def measure_worth(
    voted: LabelledVectors, known: LabelledVectors, questions: LabelledVectors
) -> LabelWorth | None:
    """Return what voted labels are worth; None where either side has a single class.

    `questions` are rows that neither side holds. Raises ImportError without scikit-learn.
    """
    if any(len(np.unique(side.labels)) < 2 for side in (voted, known)):
        return None
    right = _count_right(voted, questions)
    curve = tuple(_draw_curve(known, questions))
    return LabelWorth(
        voted=len(voted.labels),
        known=len(known.labels),
        questions=len(questions.labels),
        right=right,
        curve=curve,
        worth=find_worth(right / max(1, len(questions.labels)), curve),
    )


def find_worth(accuracy: float, curve: tuple[WorthPoint, ...]) -> int | None:
    """Return how many known labels reach an accuracy; None where all that there are do not.

    Between two points by the logarithm of their number. A point is no worse than the one before.
    """
    before: tuple[int, float] | None = None
    best = 0.0
    for point in curve:
        best = max(best, point.right / max(1, point.asked))
        if best >= accuracy:
            if before is None or best == before[1]:
                return point.labels
            part = (accuracy - before[1]) / (best - before[1])
            between: float = before[0] * (point.labels / before[0]) ** part
            return round(between)
        before = (point.labels, best)
    return None


def _draw_curve(known: LabelledVectors, questions: LabelledVectors) -> Iterator[WorthPoint]:
    total = len(known.labels)
    sizes = [FIRST << at for at in range(total.bit_length()) if FIRST << at < total]
    for size in [*sizes, total]:
        right = 0
        draws = 1 if size == total else DRAWS
        for draw in range(draws):
            order = np.random.default_rng([_SEED, size, draw]).permutation(total)[:size]
            some = LabelledVectors(known.vectors[order], known.labels[order])
            right += _count_right(some, questions)
        yield WorthPoint(labels=size, right=right, asked=draws * len(questions.labels))


def _count_right(some: LabelledVectors, questions: LabelledVectors) -> int:
    """Fit on some rows and return how many questions are answered rightly."""
    classes = np.unique(some.labels)
    if len(classes) == 1:
        return int((questions.labels == classes[0]).sum())
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, max_iter=200, tol=1e-3).fit(some.vectors, some.labels)
    return int((model.predict(questions.vectors) == questions.labels).sum())
