"""What the loop needs of a task, and what language models share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.tasks import TASKS
from siftset.trainer.data.tokens import Integers, Specials, SplitTokens
from siftset.trainer.models.hardware import Hardware
from siftset.trainer.models.loading import Loaded, load
from siftset.trainer.models.packing import pack_rows, use_packed, wants_packing
from siftset.trainer.models.positions import first_position
from siftset.trainer.models.sparse_head import logits_at

if TYPE_CHECKING:
    from torch import Tensor, nn

Batch: TypeAlias = "dict[str, Tensor]"
Sums: TypeAlias = "dict[str, Tensor]"
Totals: TypeAlias = Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]

Collator = Callable[[Sequence[tuple[int, int]]], Batch]
"""Turns (epoch, row) pairs into a padded batch."""


class Task(Protocol):
    """What is learned, and how it is measured.

    Losses and figures are sums over items (masked tokens, rows, ...), so that batches of any size
    on any number of processes add up to the same mean.
    """

    @property
    def loaded(self) -> Loaded:
        """The model and its tokenizer."""

    @property
    def length(self) -> int:
        """The longest sequence, in tokens."""

    def read_split(
        self, files: Sequence[Path], path: Path, sample: int | None, *, held_out: bool = False
    ) -> SplitTokens:
        """Tokenize a split into the Arrow file `path`, or a seeded sample of its rows."""

    def make_collator(self, tokens: SplitTokens) -> Collator:
        """Return the collator of a split; a batch holds `items`, what its loss is summed over."""

    def sum_loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss summed over the batch's items."""

    def sum_measures(self, model: nn.Module, batch: Batch) -> Sums:
        """Return sums over the batch, among them `loss` and `items`."""

    def compute_metrics(self, sums: Totals) -> dict[str, float]:
        """Return figures of summed measures."""


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """What every task is made of."""

    config: Train
    loaded: Loaded
    seed: int
    length: int
    specials: Specials


def make_setup(config: Train, loaded: Loaded, seed: int) -> TaskSetup:
    """Measure what the model can take: its longest sequence and its special tokens."""
    length = min(config.max_length, longest_input(loaded))
    specials = Specials.of_tokenizer(loaded.tokenizer)
    least = specials.n + (2 if TASKS[config.task].one_way else 1)
    if length < least:
        raise TrainingError(
            f"train.max_length: {config.max_length} leaves no room for text beside the "
            f"{specials.n} special tokens of '{loaded.name}': expected {least} or more"
        )
    return TaskSetup(config, loaded, seed, length, specials)


def longest_input(loaded: Loaded) -> int:
    """Return how many tokens the model takes (a large number where it does not say)."""
    config = loaded.model.config
    positions = getattr(config, "max_position_embeddings", None) or getattr(
        config, "n_positions", None
    )
    limit = int(loaded.tokenizer.model_max_length)
    if positions is None:
        return limit
    return min(limit, int(positions) - first_position(loaded.model))


def padded_inputs(tokens: SplitTokens, rows: Integers, pad: int) -> tuple[Integers, Integers]:
    """Return input ids and attention mask of some rows."""
    ids = tokens.pad_rows(rows, pad)
    mask = np.arange(ids.shape[1])[None] < tokens.lengths[rows][:, None]
    return ids, mask.astype(np.int64)


def as_tensors(
    ids: Integers,
    mask: Integers,
    wanted: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    targets: Integers,
) -> Batch:
    """Return a batch that asks for `targets` at the wanted positions."""
    import torch

    positions = np.flatnonzero(wanted)
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "positions": torch.from_numpy(positions),
        "targets": torch.from_numpy(targets.reshape(-1)[positions]),
        "items": torch.tensor(float(len(positions))),
    }


@dataclass(frozen=True, slots=True)
class TaskInputs:
    """What a task is prepared from: settings, rows, and how the model attends."""

    config: Train
    data: TrainingData
    seed: int
    attention: str | None = None

    def load_model(self, labels: Sequence[str] = ()) -> Loaded:
        """Load the recipe's model with the head of its task."""
        config = self.config
        return load(
            config.task,
            config.model,
            revision=config.revision,
            labels=labels,
            seed=self.seed,
            attention=self.attention,
        )


class LanguageTask:
    """The loss and the figures of language models, on the wanted positions only."""

    packed_from: int | None = None
    """Position of a text's first token where batches are packed; None: they are padded."""

    def _compute_logits(self, model: nn.Module, batch: Batch) -> Tensor:
        if self.packed_from is not None:
            packed = pack_rows(batch, self.packed_from)
            return logits_at(model, packed.inputs, packed.positions)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return logits_at(model, inputs, batch["positions"])

    def sum_loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the cross-entropy summed over the wanted positions, nats."""
        from torch.nn import functional

        logits = self._compute_logits(model, batch)
        return functional.cross_entropy(logits, batch["targets"], reduction="sum")

    def sum_measures(self, model: nn.Module, batch: Batch) -> Sums:
        """Return summed loss, items and hits; no logits are kept."""
        from torch.nn import functional

        logits = self._compute_logits(model, batch)
        targets = batch["targets"]
        best = logits.topk(min(5, logits.shape[-1])).indices == targets[:, None]
        return {
            "loss": functional.cross_entropy(logits, targets, reduction="sum"),
            "items": batch["items"],
            "hits_1": best[:, 0].sum(),
            "hits_5": best.sum(),
        }

    def compute_metrics(self, sums: Totals) -> dict[str, float]:
        """Return loss (nats), perplexity and accuracy at 1 and 5."""
        items = max(float(sums["items"]), 1.0)
        loss = float(sums["loss"]) / items
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "accuracy_at_1": float(sums["hits_1"]) / items,
            "accuracy_at_5": float(sums["hits_5"]) / items,
        }


def choose_packing(task: Task, model: nn.Module, config: Train, hardware: Hardware) -> list[str]:
    """Train without padding where that is wanted and possible; return what there is to say."""
    if not wants_packing(config, hardware, model) or not isinstance(task, LanguageTask):
        return []
    if not use_packed(model, hardware, task.length):
        name = type(task.loaded.model).__name__
        return [f"attention: {name} cannot be packed here, so batches are padded"]
    task.packed_from = first_position(model)
    return ["attention: rows are packed without padding"]
