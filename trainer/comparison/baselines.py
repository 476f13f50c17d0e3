"""What a classifier must beat: the majority class, TF-IDF, and a probe on frozen features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from trainer.comparison.protocols import Classifier, Encoder
from trainer.intervals import Array
from trainer.metrics import Labels

MAX_ROWS = 20_000
"""Training rows of a baseline; those with the lowest row_id, which is a hash."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A classifier that is a function."""

    labels: tuple[str, ...]
    answer: Callable[[Sequence[str]], Array]

    def probabilities(self, texts: Sequence[str]) -> Array:
        """Return probabilities (texts, labels)."""
        return self.answer(texts)


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Training rows of the baselines: texts and places of their labels."""

    texts: list[str]
    places: Labels
    labels: tuple[str, ...]

    @classmethod
    def of(cls, train: pl.DataFrame, labels: Sequence[str]) -> Lessons:
        """Take the rows whose label is among `labels`, at most MAX_ROWS of them."""
        rows = train.with_columns(pl.col("label").cast(pl.String))
        rows = rows.filter(pl.col("label").is_in(labels) & pl.col("text").is_not_null())
        if rows.height > MAX_ROWS and "row_id" in rows.columns:
            rows = rows.sort("row_id")
        rows = rows.head(MAX_ROWS)
        numbers = {label: i for i, label in enumerate(labels)}
        places = np.array([numbers[label] for label in rows["label"]], dtype=np.intp)
        return cls(rows["text"].to_list(), places, tuple(labels))


def majority(lessons: Lessons) -> Classifier:
    """Return a classifier that gives every text the shares of the training labels."""
    counts = np.bincount(lessons.places, minlength=len(lessons.labels)).astype(np.float64)
    shares = counts / max(1.0, counts.sum())
    return Answers(lessons.labels, lambda texts: np.tile(shares, (len(texts), 1)))


def tfidf(lessons: Lessons, seed: int = 0) -> Classifier:
    """Return logistic regression over TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=100_000)
    if not _teachable(lessons):
        return majority(lessons)
    features = vectorizer.fit_transform(lessons.texts)
    predict = _regression(features, lessons, seed)
    return Answers(lessons.labels, lambda texts: predict(vectorizer.transform(texts)))


def linear_probe(encoder: Encoder, lessons: Lessons, seed: int = 0) -> Classifier:
    """Return logistic regression over a model's frozen features, each scaled to unit variance."""
    if not _teachable(lessons):
        return majority(lessons)
    features = encoder.embed(lessons.texts)
    centre, spread = features.mean(0), features.std(0) + 1e-6
    predict = _regression((features - centre) / spread, lessons, seed)
    return Answers(lessons.labels, lambda texts: predict((encoder.embed(texts) - centre) / spread))


def _teachable(lessons: Lessons) -> bool:
    return len(np.unique(lessons.places)) > 1


def _regression(features: object, lessons: Lessons, seed: int) -> Callable[[object], Array]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000, random_state=seed)
    model.fit(features, lessons.places)

    def predict(wanted: object) -> Array:
        found = model.predict_proba(wanted)
        spread = np.zeros((found.shape[0], len(lessons.labels)))
        spread[:, model.classes_] = found
        return spread

    return predict
