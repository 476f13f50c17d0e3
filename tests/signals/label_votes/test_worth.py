from __future__ import annotations

import numpy as np
import pytest

from siftset.schemas.results.label_metrics import WorthPoint
from siftset.signals.label_votes.worth import FIRST, LabelledVectors, find_worth, measure_worth

pytest.importorskip("sklearn")


def draw(rows: int, wrong: float, seed: int) -> LabelledVectors:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    vectors = (rng.normal(size=(rows, 24)) + 0.5 * (2 * truth[:, None] - 1)).astype(np.float32)
    return LabelledVectors(vectors, np.where(rng.random(rows) < wrong, 1 - truth, truth))


def test_as_many_right_labels_are_worth_what_they_are():
    known, questions = draw(800, 0, 1), draw(1000, 0, 2)
    worth = {}
    for wrong in (0.0, 0.3):
        found = [measure_worth(draw(100, wrong, seed), known, questions) for seed in range(3, 10)]
        sizes = [point.labels for one in found if one is not None for point in one.curve]
        assert sizes == 7 * [25, 50, 100, 200, 400, 800]
        worth[wrong] = np.median([800 if one.worth is None else one.worth for one in found])
    # 100 labels without an error are about 100 known ones
    assert 50 < worth[0.0] < 200
    assert worth[0.3] < worth[0.0] / 2


def test_better_than_all_known_labels_is_no_number():
    found = measure_worth(draw(2000, 0, 3), draw(FIRST + 5, 0.4, 1), draw(500, 0, 2))
    assert found is not None
    assert found.worth is None
    assert found.curve[-1].labels == FIRST + 5


def test_one_class_teaches_nothing():
    one = LabelledVectors(np.zeros((30, 4), np.float32), np.zeros(30, np.int64))
    assert measure_worth(one, draw(30, 0, 1), draw(30, 0, 2)) is None


@pytest.mark.parametrize(
    ("accuracy", "worth"), [(0.5, 25), (0.6, 25), (0.7, 50), (0.75, 71), (0.8, 100), (0.81, None)]
)
def test_between_two_points_their_number_grows_by_its_logarithm(accuracy: float, worth: int):
    curve = [(25, 60), (50, 70), (100, 80), (200, 78)]
    points = tuple(WorthPoint(labels=n, right=right, asked=100) for n, right in curve)
    assert find_worth(accuracy, points) == worth
