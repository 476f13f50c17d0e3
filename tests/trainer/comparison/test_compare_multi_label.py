from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import Comparison, ModelInfo
from siftset.trainer.comparison import (
    ComparisonSetting,
    ModelSide,
    QuestionSet,
    compare_models,
)
from siftset.trainer.comparison.compare_multi_label import measure_multi_label
from siftset.trainer.comparison.row_scores import score_rows
from siftset.trainer.metrics.bootstrap import Bootstrap


class Words:
    """Gives each label whose word is in the text."""

    labels = ("food", "price")

    def __init__(self, *knows: str) -> None:
        self.knows = knows

    def predict_probabilities(self, texts):
        return np.array(
            [[0.9 if w in t and w in self.knows else 0.1 for w in self.labels] for t in texts]
        )


ROWS = pl.DataFrame(
    {
        "row_id": [str(i) for i in range(40)],
        "text": ["food and price", "food", "price", "nothing"] * 10,
        "label": [["food", "price"], ["food"], ["price"], []] * 10,
    }
)


def side(model: object) -> ModelSide:
    return ModelSide(model, ModelInfo(name="m"))


def test_labels_are_questions_of_their_own():
    sides = (side(Words("food")), side(Words("food", "price")))
    found = compare_models(
        "classification", *sides, QuestionSet(ROWS), ComparisonSetting(Compare(resamples=50))
    )
    assert (found.metrics["before"]["accuracy"], found.metrics["after"]["accuracy"]) == (0.5, 1)
    assert found.metrics["before"]["micro_f1"] == pytest.approx(2 / 3)
    classes = found.classification
    assert (classes.fixed_rows, classes.broken_rows, classes.multi_label) == (20, 0, True)
    assert classes.fixed[0].label == "food, price"
    assert classes.fixed[0].before == "food"
    assert Comparison.model_validate_json(found.model_dump_json()) == found


class Counts:
    """Features that say which words are in a text."""

    def embed_texts(self, texts):
        return np.array([["food" in text, "price" in text, len(text)] for text in texts], float)


def test_baselines_and_the_probe_give_several_labels():
    train = ROWS.with_columns(text=pl.col("text") + " again")
    weights = {"food": 2.0, "price": 1.0}
    asked = QuestionSet(ROWS, train=train, class_weights=weights, golden=ROWS.head(12))
    kept = []
    setting = ComparisonSetting(
        Compare(resamples=50, baselines=("majority", "tfidf")), encoder=Counts(), keep=kept.append
    )
    found = compare_models("classification", None, side(Words("food")), asked, setting)
    assert found.before_kind == "linear probe"
    named = {one.name: one for one in found.classification.models}
    assert list(named) == [
        "commonest set of labels", "TF-IDF + logistic regression", "linear probe", "m",
    ]  # fmt: skip
    assert named["commonest set of labels"].metrics["accuracy"].value == 0.25
    assert found.metrics["before"]["accuracy"] == 1
    assert found.golden.n == 12
    against = {one.baseline: one.change for one in found.classification.against_baselines}
    assert against["TF-IDF + logistic regression"].name == "macro_f1"
    told = [one.message for one in found.findings]
    assert "always giving the commonest set of labels" in told[0] or "TF-IDF" in told[0]
    (said,) = kept
    assert said.schema["predicted"] == pl.List(pl.String)
    assert said["side"].unique(maintain_order=True).to_list() == ["baseline", "before", "after"]

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=100_000)
    features = vectorizer.fit_transform(train["text"])
    scores = []
    for label in Words.labels:
        model = LogisticRegression(max_iter=1000, class_weight={0: 1, 1: weights[label]})
        model.fit(features, [label in row for row in train["label"]])
        scores.append(model.predict_proba(vectorizer.transform(ROWS["text"]))[:, 1])
    rows = said.filter(pl.col("model").str.starts_with("TF-IDF"))
    expected = np.column_stack(scores)
    assert rows["scores"].struct.unnest().to_numpy() == pytest.approx(expected)


def test_a_row_scores_where_all_its_labels_are_given_and_no_other():
    scored = [
        score_rows("classification", side(Words(*words)), QuestionSet(ROWS)).mean()
        for words in (("food", "price"), ("food",))
    ]
    assert scored == [1, 0.5]


def test_one_model_alone_and_a_strange_label():
    found = compare_models(
        "classification",
        None,
        side(Words("food")),
        QuestionSet(ROWS),
        ComparisonSetting(Compare(resamples=9)),
    )
    assert found.before_kind == "none"
    strange = ROWS.with_columns(label=pl.lit(["taste"], dtype=pl.List(pl.String)))
    with pytest.raises(TrainingError, match="label 'taste', which the model does not know"):
        compare_models(
            "classification", None, side(Words()), QuestionSet(strange), ComparisonSetting()
        )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_figures_are_scikit_learns(seed: int, n: int):
    generator = np.random.default_rng(seed)
    truth, probabilities = generator.random((n, 3)) < 0.4, generator.random((n, 3))
    said = probabilities >= 0.5
    found = {k: v.value for k, v in measure_multi_label(truth, probabilities, Bootstrap(5)).items()}
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, said))
    assert found["hamming_loss"] == pytest.approx(reference.hamming_loss(truth, said))
    for average in ("micro", "macro", "weighted"):
        expected = reference.f1_score(truth, said, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(expected)
