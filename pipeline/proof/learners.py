"""What a proof trains: something that learns rows and is then asked all questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import polars as pl

from siftset.pipeline.proof.questions import ProofRows
from siftset.pipeline.proof.regression import Labels, Vectors, fit_regression
from siftset.pipeline.proof.statistics import Array, Integers


class Learner(Protocol):
    """Anything that can be trained on some of the rows, twice as strictly and once less so."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What its scores depend on beside the rows."""

    @property
    def strengths(self) -> tuple[str, str]:
        """The two settings under which a verdict must hold, the first one the headline's."""

    def score_questions(self, rows: Integers, strength: int) -> Array:
        """Train on rows; return a score for each question, golden ones last. More is better."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Logistic regression on frozen vectors; a question's score is 1 where its label is named.

    Where rows have several labels, it is 1 where all are named and no other.
    """

    title: str
    identity: Mapping[str, str]
    vectors: Vectors
    """Of all rows, golden ones last."""
    targets: tuple[Labels, ...]
    """Of all rows: the class, or for each label whether the row has it."""
    classes: int
    asked: Integers
    strengths: tuple[str, str] = ("C 1", "C 10")
    penalties: tuple[float, float] = field(default=(1.0, 10.0))

    def score_questions(self, rows: Integers, strength: int) -> Array:
        """Fit on rows; return 1 for each question whose label is named, else 0."""
        given, wanted = self.vectors[rows], self.vectors[self.asked]
        right = np.ones(len(self.asked), np.bool_)
        for labels in self.targets:
            fitted = fit_regression(given, labels[rows], self.classes, self.penalties[strength])
            right &= fitted.predict(wanted) == labels[self.asked]
        return right.astype(np.float64)


def encode_labels(rows: ProofRows) -> tuple[tuple[Labels, ...], int]:
    """Return the classes of all rows as numbers, golden ones last, and how many there are."""
    labels = rows.frame["label"]
    if rows.golden is not None:
        labels = pl.concat([labels, rows.golden["label"].cast(labels.dtype)])
    if isinstance(labels.dtype, pl.List):
        names = labels.explode().drop_nulls().unique().sort()
        flags = [labels.list.contains(name).to_numpy().astype(np.int64) for name in names]
        return tuple(flags), 2
    numbers = labels.rank("dense").to_numpy().astype(np.int64) - 1
    return (numbers,), int(numbers.max(initial=0)) + 1


def place_questions(rows: ProofRows) -> Integers:
    """Return the questions' places among all rows, golden ones last."""
    golden = 0 if rows.golden is None else rows.golden.height
    return np.concatenate([rows.asked, rows.frame.height + np.arange(golden)]).astype(np.int64)
