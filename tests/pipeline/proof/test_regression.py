"""The probe's regression says what scikit-learn's says."""

from __future__ import annotations

import numpy as np
import pytest

from siftset.pipeline.proof.regression import fit_regression


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("strength", [0.3, 10.0])
def test_it_is_the_regression_of_scikit_learn(classes, strength):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, 600)
    vectors = rng.normal(size=(600, 12)) + 0.7 * rng.normal(size=(classes, 12))[labels]
    given = vectors.astype(np.float32)
    fitted = fit_regression(given, labels, classes, strength)
    theirs = LogisticRegression(C=strength, max_iter=2000)
    said = theirs.fit(vectors, labels).predict(vectors)
    assert (fitted.predict(given) == said).mean() > 0.99


def test_a_class_that_is_not_met_is_not_named():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(100, 4)).astype(np.float32)
    labels = np.where(vectors[:, 0] > 0, 2, 0)
    assert set(fit_regression(vectors, labels, 4, 1.0).predict(vectors)) == {0, 2}
