from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from siftset.signals.label_doubt import fold_models
from siftset.signals.label_doubt.confident_learning import score_doubt
from siftset.signals.label_doubt.fold_models import FOLDS, MANY_CLASSES, fit_fold_models, fold_of
from siftset.signals.label_doubt.many_classes import PENALTY, SHARPNESS, RidgeSums

linear_model = pytest.importorskip("sklearn.linear_model")


def test_a_fold_is_ridge_regression_on_the_rows_of_the_others():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(3)
    rows, classes, columns = 300, 7, 12
    features = rng.normal(size=(rows, columns)).astype(np.float32)
    labels, folds = rng.integers(0, classes, rows), rng.integers(0, FOLDS, rows)
    for stored in (features, sparse.csr_matrix(features)):
        sums = RidgeSums(FOLDS, classes, columns)
        for some in np.array_split(np.arange(rows), 3):
            sums.add(stored[some], labels[some], folds[some])
        found = sums.solve()
        for fold in range(FOLDS):
            there = folds != fold
            theirs = linear_model.Ridge(alpha=PENALTY)
            theirs.fit(features[there].astype(np.float64), np.eye(classes)[labels[there]])
            assert found[fold, :, :-1] / SHARPNESS == pytest.approx(theirs.coef_, abs=1e-5)
            assert found[fold, :, -1] / SHARPNESS + 1 == pytest.approx(theirs.intercept_, abs=1e-5)


def test_planted_errors_among_many_classes_come_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fold_models, "COLUMNS_OF_MANY", 1 << 9)
    monkeypatch.setattr("sklearn.linear_model.SGDClassifier", None)  # its cost is by class
    rng = np.random.default_rng(5)
    classes, each = MANY_CLASSES + 20, 12
    true = np.repeat(np.arange(classes), each)
    words = rng.permutation(4 * classes).reshape(classes, 4)
    texts = [
        " ".join(f"term{word}" for word in rng.choice(words[at], 3)) + f" row {row}"
        for row, at in enumerate(true)
    ]
    planted = rng.random(len(true)) < 0.05
    given = np.where(planted, (true + rng.integers(1, classes, len(true))) % classes, true)
    frame = pl.DataFrame({"text": texts, "label": [f"{at:04}" for at in given], "group": texts})
    models = fit_fold_models(lambda: iter([frame]))
    assert set(fold_of(frame["group"])) == set(range(FOLDS))
    chances = models.ask(frame)
    assert chances.sum(axis=1) == pytest.approx(np.ones(len(true)), abs=1e-5)
    doubt = score_doubt(chances, given)
    first = np.argsort(-doubt)[: planted.sum()]
    assert planted[first].mean() > 0.9
    assert (chances.argmax(axis=1) == true).mean() > 0.95
