"""What a classifier must beat: the majority class, TF-IDF, and a probe on frozen features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from siftset.schemas.results.comparison import BaselineChange
from siftset.schemas.results.summary import Finding
from siftset.trainer.inference.protocols import ClassifierModel, Encoder
from siftset.trainer.metrics.bootstrap import Array
from siftset.trainer.metrics.classification import Labels

MAX_ROWS = 20_000
"""Training rows of a baseline; those with the lowest row_id, which is a hash."""

MAJORITY = "majority class"
TFIDF = "TF-IDF + logistic regression"
PROBE = "linear probe"

FOLDS = 3
PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the penalty that a probe may have."""

SEARCHED_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class FunctionClassifier:
    """A classifier that is a function."""

    labels: tuple[str, ...]
    answer: Callable[[Sequence[str]], Array]

    def predict_probabilities(self, texts: Sequence[str]) -> Array:
        """Return probabilities (texts, labels)."""
        return self.answer(texts)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTexts:
    """Training rows of the baselines: texts, places of their labels, and what each class weighs."""

    texts: list[str]
    places: Labels
    labels: tuple[str, ...]
    class_weights: Mapping[str, float] = field(default_factory=dict)
    left_out: int = 0
    """Rows beyond MAX_ROWS."""

    @classmethod
    def select_rows(
        cls,
        train: pl.DataFrame,
        labels: Sequence[str],
        class_weights: Mapping[str, float] | None = None,
    ) -> TrainingTexts:
        """Take the rows whose label is among `labels`, at most MAX_ROWS, by their row_id."""
        rows = train.with_columns(pl.col("label").cast(pl.String))
        rows = rows.filter(pl.col("label").is_in(labels) & pl.col("text").is_not_null())
        if "row_id" in rows.columns:
            rows = rows.sort("row_id")
        taken = rows.head(MAX_ROWS)
        numbers = {label: i for i, label in enumerate(labels)}
        places = np.array([numbers[label] for label in taken["label"]], dtype=np.intp)
        left_out = rows.height - taken.height
        return cls(taken["text"].to_list(), places, tuple(labels), class_weights or {}, left_out)

    def weights_by_place(self) -> dict[int, float] | None:
        """Return what each class weighs in a loss, as scikit-learn takes it; None: all the same."""
        if not self.class_weights:
            return None
        present = np.unique(self.places).tolist()
        return {i: self.class_weights.get(self.labels[i], 1.0) for i in present}


def fit_majority(training: TrainingTexts) -> ClassifierModel:
    """Return a classifier that gives every text the shares of the training labels."""
    counts = np.bincount(training.places, minlength=len(training.labels)).astype(np.float64)
    shares = counts / max(1.0, counts.sum())
    return FunctionClassifier(training.labels, lambda texts: np.tile(shares, (len(texts), 1)))


def fit_tfidf(training: TrainingTexts, seed: int = 0) -> ClassifierModel:
    """Return logistic regression over TF-IDF of words and pairs of words.

    Texts without a word of two letters teach it nothing: then it is the majority class.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=100_000)
    if not _has_two_classes(training):
        return fit_majority(training)
    try:
        features = vectorizer.fit_transform(training.texts)
    except ValueError:  # an empty vocabulary
        return fit_majority(training)
    predict = _fit_regression(features, training, seed)
    return FunctionClassifier(training.labels, lambda texts: predict(vectorizer.transform(texts)))


def fit_probe(encoder: Encoder, training: TrainingTexts, seed: int = 0) -> ClassifierModel:
    """Return logistic regression over a model's frozen features, each scaled to unit variance.

    Its strength is the one of PENALTIES that is best in three-fold cross-validation: with fewer
    rows than features an unpenalised probe would be a straw man.
    """
    if not _has_two_classes(training):
        return fit_majority(training)
    features = encoder.embed_texts(training.texts)
    centre, spread = features.mean(0), features.std(0) + 1e-6
    scaled = (features - centre) / spread
    predict = _fit_regression(
        scaled, training, seed, strength=_choose_penalty(scaled, training, seed)
    )
    return FunctionClassifier(
        training.labels, lambda texts: predict((encoder.embed_texts(texts) - centre) / spread)
    )


def _has_two_classes(training: TrainingTexts) -> bool:
    return len(np.unique(training.places)) > 1


def _choose_penalty(features: Array, training: TrainingTexts, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    chosen = slice(0, SEARCHED_ROWS)
    counts = np.bincount(training.places[chosen])
    if counts[counts > 0].min() < FOLDS or (counts > 0).sum() < 2:
        return PENALTIES[-1]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    scores = [
        cross_val_score(
            LogisticRegression(
                C=strength,
                max_iter=1000,
                random_state=seed,
                class_weight=training.weights_by_place(),
            ),
            features[chosen],
            training.places[chosen],
            cv=folds,
            scoring="neg_log_loss",
        ).mean()
        for strength in PENALTIES
    ]
    return PENALTIES[int(np.argmax(scores))]


def _fit_regression(
    features: object, training: TrainingTexts, seed: int, *, strength: float = 1.0
) -> Callable[[object], Array]:
    from sklearn.linear_model import LogisticRegression

    weights = training.weights_by_place()
    model = LogisticRegression(C=strength, max_iter=1000, random_state=seed, class_weight=weights)
    model.fit(features, training.places)

    def predict(wanted: object) -> Array:
        found = model.predict_proba(wanted)
        spread = np.zeros((found.shape[0], len(training.labels)))
        spread[:, model.classes_] = found
        return spread

    return predict


def judge_baselines(against: Sequence[BaselineChange]) -> Iterator[Finding]:
    """Say which baselines do at least as well as the model after, by the headline.

    Always naming the commonest class must be beaten beyond chance; the others only be reached.
    """
    for one in against:
        change, interval = one.change, one.change.interval
        if change.before is None or change.after is None or change.difference is None:
            continue
        ahead = change.difference if change.higher_is_better else -change.difference
        if one.baseline == MAJORITY and change.verdict != "better":
            claim = "the model is not shown to be better than always naming the commonest class"
            todo = "train longer or on more rows, or set  class_weights: balanced"
        elif one.baseline != MAJORITY and ahead < 0:
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
            f"{change.difference:+.3f} ({within}; paired on {change.n:,} rows); {todo}",
            change.difference,
        )
