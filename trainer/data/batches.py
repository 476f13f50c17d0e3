"""The batch plan: a pure function of (seed, epoch, rank, world size) and the rows' lengths."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siftset.schemas.errors import TrainingError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.train import Train
from siftset.trainer.data.masks import keyed_bits, keyed_uniform

Lengths = NDArray[np.int64]
Order = Literal["group_by_length", "random", "sequential", "longest_first"]

JITTER = 0.1
"""Lengths vary by up to this share before they are sorted, so that epochs mix different rows."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Which rows make which batch.

    Every rank computes the whole plan and takes its stripe, so nothing is communicated. The number
    of batches is the same in every epoch and on every rank.
    """

    lengths: Lengths
    size: int
    """Rows of a batch on one rank."""
    tokens: int | None = None
    """Tokens of a batch on one rank, padding included (up to the jitter); replaces `size`."""
    order: Order = "group_by_length"
    seed: int = 0
    world: int = 1

    def __len__(self) -> int:
        return len(self._find_cuts()) - 1

    def rank_batches(self, epoch: int, rank: int = 0) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of every batch of this rank."""
        for batch in self.all_batches(epoch):
            yield batch[rank :: self.world]

    def all_batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the batches of all ranks together, in the order of training."""
        rows, cuts = self._arrange_rows(epoch), self._find_cuts()
        batches = [rows[a:b] for a, b in itertools.pairwise(cuts)]
        if self.order != "group_by_length":
            return batches
        numbers = np.arange(len(batches), dtype=np.int64)
        draw = keyed_bits((self.seed, epoch, 12), numbers[:1] * 0, numbers)
        return [batches[i] for i in np.argsort(draw, kind="stable")]

    def _arrange_rows(self, epoch: int) -> NDArray[np.int64]:
        rows = np.arange(len(self.lengths), dtype=np.int64)
        if self.order == "sequential":
            return rows
        if self.order == "longest_first":
            return np.argsort(-self.lengths, kind="stable")
        draw = keyed_uniform((self.seed, epoch, 11), rows, rows[:1] * 0)
        if self.order == "random":
            return np.argsort(draw, kind="stable")
        return np.lexsort((draw, -self.lengths * (1 + JITTER * draw)))

    def _find_cuts(self) -> Sequence[int]:
        if len(self.lengths) < self.world:
            raise TrainingError(
                f"{format_count(len(self.lengths), 'row')} cannot be shared by {self.world} "
                "processes: start fewer processes or give more rows"
            )
        n = len(self.lengths)
        if self.tokens is None:
            cuts = [*range(0, n, self.size * self.world), n]
        else:
            # cut the rows, longest first, where longest x rows would pass the budget
            lengths = self.lengths
            if self.order in ("group_by_length", "longest_first"):
                lengths = np.sort(lengths)[::-1]
            else:
                lengths = np.full_like(lengths, lengths.max())
            cuts, start = [0], 0
            while start < len(lengths):
                rows = max(self.tokens // int(lengths[start]), 1) * self.world
                start = min(start + rows, len(lengths))
                cuts.append(start)
        if cuts[-1] - cuts[-2] < self.world and len(cuts) > 2:
            del cuts[-2]
        return cuts


def plan_for(config: Train, lengths: Lengths, *, seed: int = 0, world: int = 1) -> BatchPlan:
    """Return the plan of a recipe's training rows."""
    return BatchPlan(
        lengths,
        size=config.batch_size,
        tokens=config.batch_tokens,
        order=config.train_sampling_strategy,
        seed=seed,
        world=world,
    )


def steps_of(config: Train, lengths: Lengths, world: int = 1) -> int:
    """Return the optimizer's steps of a whole run."""
    if config.max_steps:
        return config.max_steps
    batches = len(plan_for(config, lengths, world=world))
    return math.ceil(config.epochs * math.ceil(batches / config.gradient_accumulation_steps))


class RankSampler:
    """The batches of one rank as (epoch, row) pairs, which is what a collator needs to know."""

    def __init__(self, plan: BatchPlan, rank: int, epoch: int = 0) -> None:
        self.plan, self.rank, self.epoch = plan, rank, epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for batch in self.plan.rank_batches(self.epoch, self.rank):
            yield [(self.epoch, int(row)) for row in batch]


class BatchKeys:
    """A dataset whose items are their own keys: the collator does the work, on whole batches."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int]:
        return key
