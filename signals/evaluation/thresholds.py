"""How a score becomes an answer: by its bounds, or by a comparison in the formula."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siftset.signals.evaluation.bodies import UNKNOWN, Codes, Scores
from siftset.signals.evaluation.spec import SignalSpec
from siftset.signals.formula.tree import Test

COMPARE: Mapping[str, Callable[[Scores, float], NDArray[np.bool_]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SignalUse:
    """A signal as a formula uses it: how its score becomes the answer that is recorded."""

    signal: SignalSpec
    test: Test | None
    """The comparison that is recorded for a score without bounds: the first in the formula."""


def decide_scores(question: SignalUse, scores: Scores) -> Codes:
    """Make the recorded answer of scores."""
    bounds = question.signal.bounds
    if bounds is None:
        if question.test:
            return compare_scores(scores, question.test)
        return _with_unknown(np.ones(scores.shape, bool), scores)
    passed = np.ones(scores.shape, bool)
    if bounds.minimum is not None:
        passed &= scores >= bounds.minimum
    if bounds.maximum is not None:
        passed &= scores <= bounds.maximum
    return _with_unknown(passed, scores)


def compare_scores(scores: Scores, test: Test) -> Codes:
    """Compare scores with a number; NaN is unknown."""
    return _with_unknown(COMPARE[test.symbol](scores, test.value), scores)


def _with_unknown(passed: NDArray[np.bool_], scores: Scores) -> Codes:
    codes = passed.astype(np.uint8)
    codes[np.isnan(scores)] = UNKNOWN
    return codes
