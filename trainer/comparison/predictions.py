"""What every model said of every held-out row, so that anyone can recompute the figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from siftset.trainer.comparison.classification_scores import ClassifierAnswers, LabelledRows
from siftset.trainer.comparison.held_out import Scored
from siftset.trainer.metrics.bootstrap import Flags
from siftset.trainer.metrics.classification import log_loss

PREDICTIONS: Final = "predictions.parquet"

_COLUMNS: Final = ("loss", "tokens", "hits_at_1", "hits_at_5", "reciprocal_rank")
"""What language models sum by row; the last three of masked ones alone."""


def tabulate_classes(rows: LabelledRows, outcomes: Sequence[ClassifierAnswers]) -> pl.DataFrame:
    """Return a row for each model and held-out row: label, predicted, scores, loss (nats)."""
    listed = np.asarray(rows.labels, dtype=object)
    return pl.concat(
        _tabulate(
            rows.frame,
            side,
            outcome.name,
            label=listed[rows.truth],
            predicted=listed[outcome.predicted],
            scores=pl.DataFrame(outcome.probabilities, schema=list(rows.labels)).to_struct(),
            loss=log_loss(rows.truth, outcome.probabilities),
        )
        for side, outcome in zip(_name_sides(outcomes), outcomes, strict=True)
    )


def _name_sides(outcomes: Sequence[ClassifierAnswers]) -> list[str]:
    models = [i for i, outcome in enumerate(outcomes) if outcome.kind == "model"]
    return [
        "baseline" if i not in models else "after" if i == models[-1] else "before"
        for i in range(len(outcomes))
    ]


def tabulate_label_sets(
    frame: pl.DataFrame,
    truth: Flags,
    labels: Sequence[str],
    outcomes: Sequence[ClassifierAnswers],
) -> pl.DataFrame:
    """Return the same for models that give several labels; loss is the mean over labels (nats)."""
    listed, tables = np.asarray(labels, dtype=object), []

    def name_sets(flags: Flags) -> pl.Series:
        return pl.Series([listed[row].tolist() for row in flags], dtype=pl.List(pl.String))

    for side, outcome in zip(_name_sides(outcomes), outcomes, strict=True):
        scores = outcome.probabilities
        of_truth = np.clip(np.where(truth, scores, 1 - scores), 1e-12, 1)
        tables.append(
            _tabulate(
                frame,
                side,
                outcome.name,
                label=name_sets(truth),
                predicted=name_sets(scores >= 0.5),
                scores=pl.DataFrame(scores, schema=list(labels)).to_struct(),
                loss=-np.log(of_truth).mean(1),
            )
        )
    return pl.concat(tables)


def tabulate_losses(frame: pl.DataFrame, scored: Scored, names: tuple[str, str]) -> pl.DataFrame:
    """Return a row for each model and held-out row: loss (nats) summed over tokens, and tokens."""
    return pl.concat(
        _tabulate(
            frame,
            side,
            name,
            **{column: sums[:, i] for i, column in enumerate(_COLUMNS[: sums.shape[1]])},
        )
        for side, name, sums in zip(("before", "after"), names, scored, strict=True)
        if sums is not None
    )


def _tabulate(frame: pl.DataFrame, side: str, name: str, **columns: object) -> pl.DataFrame:
    n = frame.height
    ids = frame["row_id"] if "row_id" in frame.columns else pl.Series(range(n))
    return pl.DataFrame(
        {"side": [side] * n, "model": [name] * n, "row_id": ids.cast(pl.String), **columns}
    )
