"""A fresh classification head, fitted on frozen features before anything else is trained.

A head that starts at random pulls a good encoder about while it learns; fitted first, it does not
(Kumar et al., 2022).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from siftset.schemas.recipe.train import Train
from siftset.schemas.tasks import TASKS
from siftset.trainer.data.tokens import SplitTokens
from siftset.trainer.models.hardware import Hardware
from siftset.trainer.tasks.base import Task
from siftset.trainer.tasks.classification import ClassificationTask
from siftset.trainer.training.frozen_features import CachedTask, cache_features

if TYPE_CHECKING:
    from torch import nn

RATES: Final = (3e-4, 1e-3, 1e-2)
BATCHES: Final = 8
"""Steps of a pass over few rows; over many a batch has LARGEST rows."""
LARGEST: Final = 128
PASSES: Final = 30
PATIENCE: Final = 4
"""Passes without a better held-out loss after which the fit stops."""
MANY: Final = 20_000
"""Training rows above which the backbone does not run once more for the head alone."""
HELD_OUT: Final = 0.1
"""Share of the training rows that decide when to stop."""


def wants_fitted_head(config: Train, task: Task, tokens: Mapping[str, SplitTokens]) -> bool:
    """Say whether a run begins with a fitted head: a new one, if the recipe does not object."""
    if not TASKS[config.task].labelled or not task.loaded.untrained_head:
        return False
    if config.head_start == "auto":
        return config.method == "frozen" or len(tokens["train"]) <= MANY
    return config.head_start == "fitted"


def fit_through(
    task: Task, tokens: SplitTokens, hardware: Hardware, seed: int
) -> tuple[int, CachedTask | None]:
    """Run the backbone once over the training rows and fit the head.

    Return the passes made and the features; 0 and None, and the head as it was, where it reads
    more than one state of a text.
    """
    assert isinstance(task, ClassificationTask)
    features = cache_features(task, {"train": tokens}, hardware.device)
    if features is None:
        return 0, None
    try:
        return fit_head(features, tokens, seed=seed), features
    finally:
        features.swap_out()


def fit_head(task: CachedTask, tokens: SplitTokens, *, seed: int) -> int:
    """Fit the head on the features of `tokens`, which `task` holds; return the passes made.

    The task's model must have the stand-in in place of its backbone. Every rate of RATES begins at
    the same head; the best one by the loss of held-out training rows is kept.
    """
    model = task.loaded.model
    model.train(False)
    start, best, passes = copy.deepcopy(model.state_dict()), _Best(model), 0
    for rate in RATES:
        model.load_state_dict(start)
        passes += _fit_rate(task, tokens, best, rate=rate, seed=seed)
    best.restore()
    return passes


def _fit_rate(task: CachedTask, tokens: SplitTokens, best: _Best, *, rate: float, seed: int) -> int:
    """Learn at one rate until the held-out loss of this rate falls no more."""
    import torch

    model, collate = task.loaded.model, task.make_collator(tokens)
    rows = np.random.Generator(np.random.PCG64([seed, 40])).permutation(len(tokens))
    few = max(round(len(rows) * HELD_OUT), 1)
    learn, held = rows[few:] if len(rows) > 1 else rows, rows[:few]
    size = min(max(len(learn) // BATCHES, 1), LARGEST)
    optimizer = torch.optim.AdamW(list(model.parameters()), rate, weight_decay=0.01)
    order = np.random.Generator(np.random.PCG64([seed, 41]))
    lowest, since, done = float("inf"), 0, 0
    while done < PASSES and since < PATIENCE:
        done += 1
        for keys in _cut_batches(order.permutation(learn), size):
            batch = collate(keys)
            optimizer.zero_grad()
            loss = task.sum_loss(model, batch) / batch["items"]
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            total = sum(
                float(task.sum_loss(model, collate(rows))) for rows in _cut_batches(held, LARGEST)
            )
        best.keep(total)
        lowest, since = (total, 0) if total < lowest else (lowest, since + 1)
    return done


class _Best:
    """The weights with the lowest loss so far."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.loss = model, float("inf")
        self.weights = copy.deepcopy(model.state_dict())

    def keep(self, loss: float) -> None:
        if loss < self.loss:
            self.loss, self.weights = loss, copy.deepcopy(self.model.state_dict())

    def restore(self) -> None:
        self.model.load_state_dict(self.weights)


def _cut_batches(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]], size: int
) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(rows), size):
        yield [(0, int(row)) for row in rows[start : start + size]]
