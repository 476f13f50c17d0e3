from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from siftset.trainer.metrics.classification import (
    areas,
    brier,
    calibration_bins,
    calibration_error,
    class_scores,
    confusion,
    curves,
    from_confusion,
    log_loss,
    ranking,
    threshold_sweep,
)


def test_the_book_chapters_table():
    table = np.array([[72, 3], [5, 20]])
    found = {name: round(float(value), 2) for name, value in from_confusion(table).items()}
    assert found["accuracy"] == 0.92
    assert found["precision"] == 0.87
    assert found["recall"] == 0.80
    assert found["specificity"] == 0.96
    assert found["f1"] == 0.83


@st.composite
def answered(draw):
    k, n = draw(st.integers(2, 4)), draw(st.integers(1, 60))
    seed = draw(st.integers(0, 2**32))
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(k), n).round(2) + 1e-3
    return generator.integers(0, k, n), probabilities / probabilities.sum(1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(answered())
@pytest.mark.filterwarnings("ignore:.*")
def test_counts_give_scikit_learns_metrics(case):
    truth, probabilities = case
    predicted = probabilities.argmax(1)
    k = probabilities.shape[1]
    found = from_confusion(confusion(truth, predicted, k))
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert found["mcc"] == pytest.approx(reference.matthews_corrcoef(truth, predicted), abs=1e-9)
    balanced = reference.balanced_accuracy_score(truth, predicted)
    assert found["balanced_accuracy"] == pytest.approx(balanced)
    for average in ("macro", "weighted"):
        expected = reference.precision_recall_fscore_support(
            truth, predicted, average=average, zero_division=0
        )
        names = [f"{average}_{name}" for name in ("precision", "recall", "f1")]
        assert [float(found[name]) for name in names] == pytest.approx(expected[:3])
    if k == 2:
        assert found["f1"] == pytest.approx(
            reference.f1_score(truth, predicted, labels=[1], average="macro", zero_division=0)
        )


@settings(max_examples=60, deadline=None)
@given(answered(), st.integers(0, 2**32))
def test_areas_under_weights_are_scikit_learns(case, seed: int):
    truth, probabilities = case
    yes, scores = (truth == 1).astype(float), probabilities[:, 1]
    weights = np.random.default_rng(seed).integers(0, 3, (2, len(yes))).astype(float)
    roc, precise = areas(yes, scores, weights)
    for i, weight in enumerate(weights):
        drawn = yes[weight > 0]
        if drawn.size == 0 or drawn.all() or not drawn.any():
            assert np.isnan(roc[i])
            continue
        expected = reference.roc_auc_score(yes, scores, sample_weight=weight)
        assert roc[i] == pytest.approx(expected)
        expected = reference.average_precision_score(yes, scores, sample_weight=weight)
        assert precise[i] == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(answered())
def test_scores_of_rows_are_scikit_learns(case):
    truth, probabilities = case
    k = probabilities.shape[1]
    labels = list(range(k))
    assert log_loss(truth, probabilities).mean() == pytest.approx(
        reference.log_loss(truth, probabilities, labels=labels)
    )
    expected = reference.brier_score_loss(
        truth, probabilities if k > 2 else probabilities[:, 1], labels=labels
    )
    assert brier(truth, probabilities).mean() == pytest.approx(expected)


def test_many_classes_are_ranked_one_against_the_rest():
    generator = np.random.default_rng(3)
    truth, probabilities = generator.integers(0, 3, 200), generator.dirichlet(np.ones(3), 200)
    roc = ranking(truth, probabilities, np.ones((1, 200)))[0, 0]
    expected = reference.roc_auc_score(truth, probabilities, multi_class="ovr")
    assert roc == pytest.approx(expected)


def test_calibration_by_hand():
    sure, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([1.0, 1.0, 1.0, 0.0])
    error = calibration_error(sure, right, np.ones((1, 4)))
    assert error == pytest.approx([(2 * 0.05 + 2 * 0.05) / 4])
    bins = calibration_bins(sure, right)
    assert [b.n for b in bins] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert bins[5].accuracy == 0.5
    assert bins[0].accuracy is None
    assert calibration_error(np.array([1.0]), np.array([1.0]), np.ones((1, 1))) == [0]


def test_one_class_only_has_no_curve_and_no_area():
    truth, probabilities = np.zeros(5, dtype=int), np.full((5, 2), 0.5)
    assert curves(truth, probabilities, ("no", "yes")) == ((), ())
    assert np.isnan(ranking(truth, probabilities, np.ones((1, 5)))).all()


def test_thresholds_trade_recall_for_precision():
    truth = np.array([0, 0, 0, 1, 1, 1])
    sweep = threshold_sweep(truth, np.array([0.1, 0.2, 0.6, 0.4, 0.7, 0.9]))
    by = {row.threshold: row for row in sweep}
    assert (by[0.5].recall, by[0.5].precision) == pytest.approx((2 / 3, 2 / 3))
    assert (by[0.3].recall, by[0.8].precision) == (1, 1)


def test_classes_are_named_and_counted():
    found = class_scores(np.array([[3, 1], [0, 4]]), ("no", "yes"))
    assert [(c.label, c.n, c.recall) for c in found] == [("no", 4, 0.75), ("yes", 4, 1.0)]
    assert found[1].precision == 0.8
