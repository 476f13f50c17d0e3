"""How well a model does on each row by itself, by its task; more is better."""

from __future__ import annotations

import numpy as np
import polars as pl

from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.comparison.context import require_model
from siftset.trainer.comparison.questions import QuestionSet
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import (
    LOSS,
    TOKENS,
    Answerer,
    ClassifierModel,
    MaskedModel,
)
from siftset.trainer.metrics.bootstrap import Array


def score_rows(task: TaskName, side: ModelSide, questions: QuestionSet) -> Array:
    """Return a score for each row asked.

    It is 1 where a classifier names the row's label (or all of its labels and no other), else 0; of
    a language model the mean log-probability of a token, 0 where there is none.
    """
    if TASKS[task].labelled:
        return _score_labels(side, questions.rows)
    sums = measure_loss(task, side, questions)
    tokens = sums[:, TOKENS]
    return -np.divide(sums[:, LOSS], tokens, out=np.zeros(len(sums)), where=tokens > 0)


def measure_loss(task: TaskName, side: ModelSide, questions: QuestionSet) -> Array:
    """Return each row's summed loss and its tokens, and for masks what else is measured."""
    frame = questions.rows
    if TASKS[task].fills_masks:
        keys = frame["row_id"].cast(pl.String).to_list()
        asked = require_model(side, MaskedModel, task)  # type: ignore[type-abstract]
        return asked.score_masked(frame["text"].to_list(), keys, questions.seed)
    model = require_model(side, Answerer, task)  # type: ignore[type-abstract]
    if "answer" not in frame.columns:
        return model.text_loss(frame["text"].to_list())
    return model.answer_loss(frame["prompt"].to_list(), frame["answer"].to_list())


def _score_labels(side: ModelSide, frame: pl.DataFrame) -> Array:
    model = require_model(side, ClassifierModel, "classification")  # type: ignore[type-abstract]
    said = model.predict_probabilities(frame["text"].to_list())
    names = np.array(model.labels, dtype=object)
    if isinstance(frame.schema["label"], pl.List):
        right = [
            set(names[row >= 0.5]) == set(label or ())
            for row, label in zip(said, frame["label"].to_list(), strict=True)
        ]
        return np.array(right, dtype=np.float64)
    named = names[said.argmax(axis=1)] == frame["label"].cast(pl.String).to_numpy()
    return np.asarray(named, dtype=np.float64)
