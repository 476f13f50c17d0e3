"""Training rows of the baselines, and the regressions that learn from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from siftset.trainer.metrics.bootstrap import Array, Flags
from siftset.trainer.metrics.classification import Labels

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

MAX_ROWS: Final = 20_000
"""Training rows of a baseline; those with the lowest row_id, which is a hash."""
PENALTIES: Final = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the penalty that a probe may have."""
FOLDS, SEARCHED_ROWS, SEARCHED_LABELS = 3, 2_000, 5
"""How a strength is found; of several labels those are asked that divide the rows most evenly."""


@dataclass(frozen=True, slots=True, eq=False)
class RegressionTarget:
    """What one regression learns: a class of each row, and what each class weighs in its loss."""

    classes: Labels
    n: int
    """How many classes there are, met or not."""
    weights: Mapping[int, float] | None = None

    def fit_classes(self, features: object, strength: float, seed: int) -> Callable[[Array], Array]:
        """Return a function from features to probabilities (rows, n)."""
        present = np.unique(self.classes)
        if len(present) == 1:
            return lambda wanted: np.tile(np.eye(self.n)[present], (wanted.shape[0], 1))
        model = self._make_regression(strength, seed)
        model.fit(features, self.classes)

        def predict(wanted: Array) -> Array:
            found = model.predict_proba(wanted)
            spread = np.zeros((found.shape[0], self.n))
            spread[:, model.classes_] = found
            return spread

        return predict

    def score_strength(self, features: Array, strength: float, seed: int) -> float:
        """Return the mean log-likelihood in stratified cross-validation."""
        from sklearn.model_selection import StratifiedKFold, cross_val_score

        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        model, classes = self._make_regression(strength, seed), self.classes[:SEARCHED_ROWS]
        scores = cross_val_score(
            model, features[:SEARCHED_ROWS], classes, cv=folds, scoring="neg_log_loss"
        )
        return float(scores.mean())

    def count_rarest(self) -> int:
        """Return the rows of the rarest class that is met; 0 where only one is."""
        counts = np.bincount(self.classes[:SEARCHED_ROWS])
        return int(counts[counts > 0].min()) if (counts > 0).sum() > 1 else 0

    def _make_regression(self, strength: float, seed: int) -> LogisticRegression:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(
            C=strength, max_iter=1000, random_state=seed, class_weight=self.weights
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTexts:
    """Texts and what is to be learned of them: one class of each, or for each label yes or no."""

    texts: list[str]
    labels: tuple[str, ...]
    targets: tuple[RegressionTarget, ...]
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
        taken, left_out = _take_rows(rows, pl.col("label").is_in(labels))
        numbers = {label: i for i, label in enumerate(labels)}
        places = np.array([numbers[label] for label in taken["label"]], dtype=np.intp)
        weights = None
        if class_weights:  # scikit-learn takes no class that it does not meet
            present = np.unique(places).tolist()
            weights = {i: class_weights.get(labels[i], 1.0) for i in present}
        target = RegressionTarget(places, len(labels), weights)
        return cls(taken["text"].to_list(), tuple(labels), (target,), left_out)

    @classmethod
    def select_label_sets(
        cls,
        train: pl.DataFrame,
        labels: Sequence[str],
        class_weights: Mapping[str, float] | None = None,
    ) -> TrainingTexts:
        """Take rows with lists of labels, all of them among `labels`, likewise.

        A class weight is what a row with the label weighs against one without it.
        """
        rows = train.with_columns(pl.col("label").cast(pl.List(pl.String)))
        known = pl.col("label").list.eval(pl.element().is_in(labels)).list.all()
        taken, left_out = _take_rows(rows, known & pl.col("label").is_not_null())
        weights = [{0: 1.0, 1: class_weights.get(one, 1.0)} if class_weights else None
                   for one in labels]  # fmt: skip
        flags = flag_labels(taken["label"], labels).astype(np.intp)
        targets = tuple(RegressionTarget(flags[:, i], 2, weights[i]) for i in range(len(labels)))
        return cls(taken["text"].to_list(), tuple(labels), targets, left_out)

    @property
    def can_teach(self) -> bool:
        """Say whether there is anything to tell apart."""
        return any(len(np.unique(target.classes)) > 1 for target in self.targets)

    def find_commonest(self) -> Array:
        """Return the shares of the classes, or the commonest set of labels as ones and zeros."""
        (first, *more) = self.targets
        if not more:
            counts = np.bincount(first.classes, minlength=first.n).astype(np.float64)
            return np.asarray(counts / max(1.0, counts.sum()))
        sets = Counter(zip(*(target.classes.tolist() for target in self.targets), strict=True))
        return np.array(sets.most_common(1)[0][0], dtype=np.float64)

    def fit_regressions(
        self, features: object, seed: int, *, strength: float = 1.0
    ) -> Callable[[Array], Array]:
        """Return a function from features to probabilities (rows, labels)."""
        fitted = [target.fit_classes(features, strength, seed) for target in self.targets]
        if len(fitted) == 1:
            return fitted[0]
        return lambda wanted: np.column_stack([one(wanted)[:, 1] for one in fitted])

    def choose_penalty(self, features: Array, seed: int) -> float:
        """Return the one of PENALTIES that is best in cross-validation."""
        known = [target for target in self.targets if target.count_rarest() >= FOLDS]
        asked = sorted(known, key=RegressionTarget.count_rarest, reverse=True)[:SEARCHED_LABELS]
        if not asked:
            return PENALTIES[-1]
        scores = [np.mean([one.score_strength(features, strength, seed) for one in asked])
                  for strength in PENALTIES]  # fmt: skip
        return PENALTIES[int(np.argmax(scores))]


def flag_labels(lists: pl.Series, labels: Sequence[str]) -> Flags:
    """Return which of the labels each row has (rows, labels)."""
    flags = [lists.list.contains(label).to_numpy() for label in labels]
    return np.column_stack(flags).astype(np.bool_)


def _take_rows(rows: pl.DataFrame, known: pl.Expr) -> tuple[pl.DataFrame, int]:
    rows = rows.filter(known & pl.col("text").is_not_null())
    if "row_id" in rows.columns:
        rows = rows.sort("row_id")
    taken = rows.head(MAX_ROWS)
    return taken, rows.height - taken.height
