"""What a classifier must beat: the commonest answer, TF-IDF, and a probe on frozen features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from siftset.schemas.plurals import format_count
from siftset.schemas.results.comparison import BaselineChange
from siftset.schemas.results.summary import Finding
from siftset.trainer.comparison.training_texts import TrainingTexts
from siftset.trainer.inference.protocols import ClassifierModel, Encoder
from siftset.trainer.metrics.bootstrap import Array

MAJORITY: Final = "majority class"
COMMONEST_SET: Final = "commonest set of labels"
TFIDF: Final = "TF-IDF + logistic regression"
PROBE: Final = "linear probe"

_CONSTANT: Final = {
    MAJORITY: "always naming the commonest class",
    COMMONEST_SET: "always giving the commonest set of labels",
}
"""Baselines that say the same of every text, and what that is."""


@dataclass(frozen=True, slots=True)
class FunctionClassifier:
    """A classifier that is a function."""

    labels: tuple[str, ...]
    answer: Callable[[Sequence[str]], Array]

    def predict_probabilities(self, texts: Sequence[str]) -> Array:
        """Return probabilities (texts, labels)."""
        return self.answer(texts)


def fit_majority(training: TrainingTexts) -> ClassifierModel:
    """Return a classifier that gives every text the shares of the training labels.

    Where a row has several labels it gives the set of them that most rows have.
    """
    said = training.find_commonest()
    return FunctionClassifier(training.labels, lambda texts: np.tile(said, (len(texts), 1)))


def fit_tfidf(training: TrainingTexts, seed: int = 0) -> ClassifierModel:
    """Return logistic regression over TF-IDF of words and pairs of words.

    Texts without a word of two letters teach it nothing: then it is the majority class.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=100_000)
    if not training.can_teach:
        return fit_majority(training)
    try:
        features = vectorizer.fit_transform(training.texts)
    except ValueError:  # an empty vocabulary
        return fit_majority(training)
    predict = training.fit_regressions(features, seed)
    return FunctionClassifier(training.labels, lambda texts: predict(vectorizer.transform(texts)))


def fit_probe(encoder: Encoder, training: TrainingTexts, seed: int = 0) -> ClassifierModel:
    """Return logistic regression over a model's frozen features, each scaled to unit variance.

    Its strength is the one that is best in cross-validation: with fewer rows than features an
    unpenalised probe would be a straw man.
    """
    if not training.can_teach:
        return fit_majority(training)
    features = encoder.embed_texts(training.texts)
    centre, spread = features.mean(0), features.std(0) + 1e-6
    scaled = (features - centre) / spread
    strength = training.choose_penalty(scaled, seed)
    predict = training.fit_regressions(scaled, seed, strength=strength)
    return FunctionClassifier(
        training.labels, lambda texts: predict((encoder.embed_texts(texts) - centre) / spread)
    )


def judge_baselines(against: Sequence[BaselineChange]) -> Iterator[Finding]:
    """Say which baselines do at least as well as the model after, by the headline.

    A constant answer must be beaten beyond chance; the others only be reached.
    """
    for one in against:
        change, interval = one.change, one.change.interval
        if change.before is None or change.after is None or change.difference is None:
            continue
        ahead = change.difference if change.higher_is_better else -change.difference
        constant = _CONSTANT.get(one.baseline)
        if constant is not None and change.verdict != "better":
            claim = f"the model is not shown to be better than {constant}"
            todo = "train longer or on more rows, or set  train.class_weights: balanced"
        elif constant is None and ahead < 0:
            claim = f"{one.baseline} does better than the model"
            todo = "it is cheaper too: take it, or train longer or on more rows"
        else:
            continue
        within = "too few rows for an interval"
        if interval is not None:
            within = f"{interval.level:.0%} interval {interval.low:+.3f} to {interval.high:+.3f}"
        yield Finding(
            "a baseline is as good",
            "warning",
            f"{claim}: {change.name} {change.before:.3f} against {change.after:.3f}, difference "
            f"{change.difference:+.3f} ({within}; paired on {format_count(change.n, 'row')}); "
            f"{todo}",
            change.difference,
        )
