"""What models of labels say of the rows they did not see: each is asked once.

Confident learning needs the mean probability of every class before it can judge a row. So the
probabilities lie in a file between the two: memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.kernels.arrays import to_series
from siftset.signals.label_doubt.confident_learning import (
    DoubtfulPair,
    LabelQuality,
    Probabilities,
    find_label_issues,
    score_doubt,
)
from siftset.signals.label_doubt.fold_models import FoldModels, encode_labels, in_blocks

SHOWN: Final = 3
"""Rows kept of every pair of classes, the most doubtful."""
MOST_PAIRS: Final = 100


class JudgedLabels:
    """The answers of models about rows, and what follows from them.

    `ask` takes all rows, then `judge` the same rows in the same order; both once.
    """

    def __init__(self, models: FoldModels, file: BinaryIO) -> None:
        size = len(models.classes)
        self.models, self._file = models, file
        self._sums, self._counts = np.zeros(size), np.zeros(size, np.int64)
        self._pairs = np.zeros(size * size, np.int64)
        self._histogram = np.zeros(100, np.int64)
        self.examples = pl.DataFrame()
        """The most doubtful rows that look wrong, of every pair of classes."""

    def ask(self, frames: Iterable[pl.DataFrame]) -> None:
        """Ask the models about rows, and put their answers by."""
        size = len(self.models.classes)
        for frame in in_blocks(iter(frames)):
            labels = encode_labels(frame["label"], self.models.classes)
            found = self.models.ask(frame)
            np.save(self._file, found)
            own = found[np.arange(len(labels)), labels]
            self._sums += np.bincount(labels, own, minlength=size)
            self._counts += np.bincount(labels, minlength=size)
        self._file.seek(0)

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The mean probability of each class over its rows; 1 where it has none."""
        ones = np.ones(len(self._sums))
        return np.divide(self._sums, self._counts, out=ones, where=self._counts > 0)

    def judge(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield rows with `likelier`, `label_doubt` and `looks_wrong` beside their label."""
        names = pl.Series("likelier", self.models.classes, dtype=pl.String)
        size, thresholds = len(names), self.thresholds
        for frame in in_blocks(iter(frames)):
            found: Probabilities = np.load(self._file)
            labels = encode_labels(frame["label"], self.models.classes)
            wrong, guess = find_label_issues(found, labels, thresholds)
            doubt = score_doubt(found, labels)
            self._pairs += np.bincount(labels[wrong] * size + guess[wrong], minlength=size * size)
            places = np.minimum((doubt * 100).astype(np.int64), 99)
            self._histogram += np.bincount(places, minlength=100)
            found[np.arange(len(labels)), labels] = -1
            # where a label looks wrong, the class that confident learning means
            likelier = np.where(wrong, guess, found.argmax(axis=1))
            told = frame.with_columns(
                names.gather(to_series("likelier", likelier)),
                to_series("label_doubt", doubt),
                to_series("looks_wrong", wrong),
            )
            self._keep_examples(told)
            yield told

    def _keep_examples(self, told: pl.DataFrame) -> None:
        seen = pl.concat([self.examples, told.filter("looks_wrong")], how="diagonal")
        ranked = seen.sort("label_doubt", descending=True, maintain_order=True)
        pairs = ranked.group_by("label", "likelier", maintain_order=True)
        self.examples = pairs.head(SHOWN).select(told.columns)

    @property
    def quality(self) -> LabelQuality:
        """What was found of all rows that were judged."""
        classes, size = self.models.classes, len(self.models.classes)
        pairs = tuple(
            DoubtfulPair(classes[at // size], classes[at % size], int(self._pairs[at]))
            for at in np.argsort(-self._pairs, kind="stable")[:MOST_PAIRS]
            if self._pairs[at]
        )
        wrong, rows = int(self._pairs.sum()), int(self._counts.sum())
        return LabelQuality(rows, wrong, pairs, tuple(self._histogram.tolist()))
