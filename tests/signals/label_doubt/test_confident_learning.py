from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.signals.label_doubt.confident_learning import (
    find_label_issues,
    mean_confidence,
    score_doubt,
)


def draw(seed: int, rows: int, classes: int, *, sharpness: float = 2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes))
    logits[np.arange(rows), labels] += sharpness * (rng.random(rows) < 0.9)
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True), labels


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 6))
def test_issues_are_those_of_the_definition(seed: int, rows: int, classes: int) -> None:
    p, labels = draw(seed, rows, classes)
    wrong, guess = find_label_issues(p, labels, mean_confidence(p, labels))
    for row in range(rows):
        limit = [
            np.mean([p[r, k] for r in range(rows) if labels[r] == k] or [1.0])
            for k in range(classes)
        ]
        reached = [k for k in range(classes) if p[row, k] >= limit[k] - 1e-6]
        best = int(p[row].argmax())
        meant = reached[0] if len(reached) == 1 else best
        assert wrong[row] == (bool(reached) and meant != labels[row] and best != labels[row])
        if wrong[row]:
            assert guess[row] == meant


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_issues_are_cleanlabs(classes: int) -> None:
    cleanlab = pytest.importorskip("cleanlab.filter")
    for seed in range(20):
        p, labels = draw(seed, 500, classes)
        theirs = cleanlab.find_label_issues(labels, p, filter_by="confident_learning", n_jobs=1)
        ours, _ = find_label_issues(p, labels, mean_confidence(p, labels))
        assert np.array_equal(ours, theirs)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 5))
def test_doubt_is_the_margin_to_the_likeliest_other_class(seed, rows, classes) -> None:
    p, labels = draw(seed, rows, classes)
    doubt = score_doubt(p, labels)
    assert ((doubt >= 0) & (doubt <= 1)).all()
    for row in range(rows):
        other = max(p[row, k] for k in range(classes) if k != labels[row])
        assert doubt[row] == pytest.approx((1 + other - p[row, labels[row]]) / 2)
        assert (doubt[row] > 0.5) == (other > p[row, labels[row]])


def test_a_class_without_rows_is_never_guessed() -> None:
    p, labels = np.array([[0.4, 0.6], [0.1, 0.9]]), np.array([0, 0])
    wrong, _ = find_label_issues(p, labels, mean_confidence(p, labels))
    assert not wrong.any()
