from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from siftset.trainer.comparison.baselines import fit_majority, fit_probe, fit_tfidf
from siftset.trainer.comparison.training_texts import TrainingTexts
from siftset.trainer.metrics.classification import log_loss

LABELS = ("neg", "pos")


def training(texts: list[str], labels: list[str]) -> TrainingTexts:
    return TrainingTexts.select_rows(pl.DataFrame({"text": texts, "label": labels}), LABELS)


class Noise:
    """Features that say nothing: many, and keyed by the text."""

    def embed_texts(self, texts):
        return np.stack([np.random.default_rng(int(text)).normal(size=60) for text in texts])


def test_the_majority_gives_the_shares():
    found = fit_majority(training(["a", "b", "c", "d"], ["pos", "neg", "pos", "pos"]))
    assert found.predict_probabilities(["x", "y"]).tolist() == [[0.25, 0.75]] * 2


def test_a_probe_on_noise_is_not_sure_of_itself():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, 1200)
    texts = [str(i) for i in range(1200)]
    probe = fit_probe(Noise(), training(texts[:200], [LABELS[t] for t in truth[:200]]))
    loss = log_loss(truth[200:], probe.predict_probabilities(texts[200:])).mean()
    assert loss == pytest.approx(np.log(2), abs=0.05)


@pytest.mark.parametrize("teach", [fit_tfidf, lambda rows: fit_probe(Noise(), rows)])
def test_one_class_teaches_the_majority(teach):
    found = teach(training(["1", "2"], ["pos", "pos"]))
    assert found.predict_probabilities(["3"]).tolist() == [[0, 1]]


def test_texts_without_words_teach_the_majority():
    found = fit_tfidf(training(["1", "?", ""], ["pos", "neg", "pos"]))
    assert found.predict_probabilities(["word"])[0] == pytest.approx([1 / 3, 2 / 3])


def test_rows_without_a_known_label_are_no_training():
    frame = pl.DataFrame({"text": ["a", "b", None], "label": ["pos", "odd", "neg"]})
    assert TrainingTexts.select_rows(frame, LABELS).texts == ["a"]


def test_baselines_weigh_the_classes_as_the_model_did():
    texts = ["good one", "good two", "good three", "good four", "bad one", "good five"]
    labels = ["pos", "pos", "pos", "pos", "neg", "neg"]
    frame = pl.DataFrame({"text": texts, "label": labels})
    heavy = {"neg": 9.0, "pos": 0.5}
    for fit in (fit_tfidf, lambda rows: fit_probe(Counts(), rows)):
        plain = fit(TrainingTexts.select_rows(frame, LABELS)).predict_probabilities(texts)
        weighted = fit(TrainingTexts.select_rows(frame, LABELS, heavy)).predict_probabilities(texts)
        assert (weighted[:, 0] > plain[:, 0]).all()


class Counts:
    """Features that say whether a text is good."""

    def embed_texts(self, texts):
        return np.array([[text.count("good"), len(text)] for text in texts], float)
