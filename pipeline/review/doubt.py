"""Which labels look wrong to models that did not see the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.pipeline.review.cache import content_hash, read_arrays, write_arrays
from siftset.pipeline.review.queues import Queue
from siftset.pipeline.review.rows import LABEL, ReviewRows
from siftset.signals.label_doubt.confident_learning import score_doubt
from siftset.signals.label_doubt.fold_models import fit_fold_models, group_of

MOST: Final = 2_000
"""Rows that the queue offers, the most doubtful first."""
FITTED: Final = 200_000
"""Rows that models are fitted on at most; all others are asked about."""
_BLOCK: Final = 20_000


@dataclass(frozen=True, slots=True)
class RowDoubts:
    """What the models say of each row's label."""

    doubt: NDArray[np.float32]
    """0 for a sure label, 1 for one that is surely another; NaN for a row without a label."""
    own: NDArray[np.float32]
    """The probability of the row's own label."""
    likelier: NDArray[np.int32]
    """The likeliest other label, as a place in `classes`."""
    classes: tuple[str, ...]

    def to_queue(self) -> Queue:
        """Return the rows whose label another one is likelier than, the surest first."""
        doubtful = np.flatnonzero(self.doubt > 0.5)  # a NaN is above nothing
        order = doubtful[np.argsort(-self.doubt[doubtful], kind="stable")][:MOST]
        about = "A model that has not seen the row says otherwise"
        return Queue("doubt", "Doubtful labels", about, order)


def assess_labels(rows: ReviewRows, cache: Path) -> RowDoubts:
    """Fit models on the labels and ask each about the rows it did not see.

    What was found is kept in the folder `cache` and found again for the same texts and labels.
    Raises SignalError where there is too little to learn from, MissingExtraError without
    scikit-learn.
    """
    group = rows.job.recipe.split.groups
    labelled = (
        rows.frame.select(
            "text", pl.col(LABEL).alias("label"), group=group_of(pl.col("text"), group)
        )
        .with_row_index("at")
        .drop_nulls()
    )
    key = content_hash(labelled.drop("at"), "doubt")
    found = read_arrays(cache / f"doubt-{key}.npz")
    if found is None:
        found = _ask_models(labelled, rows.count, group)
        write_arrays(cache / f"doubt-{key}.npz", found)
    classes = tuple(found["classes"].tolist())
    return RowDoubts(
        np.asarray(found["doubt"], np.float32),
        np.asarray(found["own"], np.float32),
        np.asarray(found["likelier"], np.int32),
        classes,
    )


def _ask_models(
    labelled: pl.DataFrame, count: int, group: Sequence[str]
) -> dict[str, NDArray[np.generic]]:
    fitted = labelled.gather_every(max(1, -(-labelled.height // FITTED)))
    models = fit_fold_models(lambda: iter([fitted.drop("at")]), group)
    classes = {label: code for code, label in enumerate(models.classes)}
    doubt, own = np.full(count, np.nan, np.float32), np.full(count, np.nan, np.float32)
    likelier = np.zeros(count, np.int32)
    for block in labelled.iter_slices(_BLOCK):
        chances = models.ask(block)
        codes = block["label"].replace_strict(classes, default=None, return_dtype=pl.Int64)
        known = codes.is_not_null().to_numpy()  # a label may be missing from those fitted on
        at, labels = block["at"].to_numpy()[known], codes.drop_nulls().to_numpy()
        chances = chances[known]
        doubt[at] = score_doubt(chances, labels)
        own[at] = chances[np.arange(len(labels)), labels]
        chances[np.arange(len(labels)), labels] = -1
        likelier[at] = chances.argmax(axis=1)
    return {"doubt": doubt, "own": own, "likelier": likelier, "classes": np.array(models.classes)}
