from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.signals.label_votes.cut_statistic import (
    NEIGHBOURS,
    Reference,
    keep_best,
    measure_cut,
)
from siftset.signals.selection.turns import STEPS, round_vectors


def draw(seed: int, rows: int, classes: int = 2):
    """Return vectors near the centre of their true class, and labels of which a fifth is wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    vectors = rng.normal(size=(rows, 16)) * 0.4 + np.eye(16)[truth]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.where(rng.random(rows) < 0.2, (truth + 1) % classes, truth)
    return round_vectors(vectors), labels.astype(np.int64), truth


def refer(vectors, labels) -> Reference:
    places = np.arange(len(labels))
    shares = np.bincount(labels) / max(1, len(labels))
    return Reference(vectors, labels, places, shares)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(2, 60), st.integers(2, 4))
def test_the_statistic_is_that_of_the_definition(seed: int, rows: int, classes: int):
    vectors, labels, _ = draw(seed, rows, classes)
    found = measure_cut(vectors, labels, np.arange(rows), refer(vectors, labels))
    for row in range(rows):
        others = [other for other in range(rows) if other != row]
        scores = {other: float(vectors[row] @ vectors[other]) for other in others}
        nearest = sorted(others, key=lambda other: (-scores[other], other))[:NEIGHBOURS]
        weights = [1 / (1 + math.sqrt(max(0, 2 - 2 * scores[o] / STEPS**2))) for o in nearest]
        chance = 1 - float((labels == labels[row]).mean())
        cut = sum(w for w, o in zip(weights, nearest, strict=True) if labels[o] != labels[row])
        spread = math.sqrt(chance * (1 - chance) * sum(w * w for w in weights))
        expected = (cut - chance * sum(weights)) / spread if spread else 0.0
        assert found[row] == pytest.approx(expected)


def test_the_order_of_rows_and_the_size_of_blocks_change_no_bit():
    vectors, labels, _ = draw(3, 400)
    reference = refer(vectors, labels)
    whole = measure_cut(vectors, labels, np.arange(400), reference)
    order = np.random.default_rng(1).permutation(400)
    assert np.array_equal(
        measure_cut(vectors[order], labels[order], order, reference), whole[order]
    )
    single = [
        measure_cut(vectors[n : n + 1], labels[n : n + 1], np.array([n]), reference) for n in (0, 7)
    ]
    assert np.array_equal(np.concatenate(single), whole[[0, 7]])


def test_labels_that_neighbours_agree_with_are_more_often_right():
    vectors, labels, truth = draw(5, 1000)
    cut = measure_cut(vectors, labels, np.arange(1000), refer(vectors, labels))
    kept = keep_best(cut, labels, np.arange(1000), 0.5)
    assert (labels == truth)[kept].mean() > (labels == truth).mean() + 0.1
    for label in (0, 1):
        assert kept[labels == label].sum() == math.ceil((labels == label).sum() / 2)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_row_is_no_neighbour_of_its_own(rows: int):
    vectors, labels, _ = draw(1, 3)
    vectors, labels = vectors[:rows], labels[:rows]
    found = measure_cut(vectors, labels, np.arange(rows), refer(vectors, labels))
    assert found.tolist() == [0.0] * rows
    assert keep_best(found, labels, np.arange(rows), 0.5).tolist() == [True] * rows


def test_equal_statistics_are_told_apart_by_id():
    cut, labels = np.zeros(6), np.array([0, 0, 0, 0, 1, 1])
    kept = keep_best(cut, labels, np.array([9, 2, 5, 1, 4, 3]), 0.5)
    assert kept.tolist() == [False, True, False, True, False, True]
