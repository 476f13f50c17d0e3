"""Classification of texts by encoders and decoders, one label a row or several."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.trainer.data.tokens import (
    Sequences,
    SplitTokens,
    TokenWriter,
    add_specials,
    encode_texts,
)
from siftset.trainer.metrics.classification import from_confusion
from siftset.trainer.models.loading import Loaded
from siftset.trainer.models.mean_pooling import add_averaging_layer, has_averaging_layer, wants_mean
from siftset.trainer.tasks.base import (
    Batch,
    Collator,
    Sums,
    TaskInputs,
    TaskSetup,
    Totals,
    make_setup,
    padded_inputs,
)
from siftset.trainer.tasks.labels import Labels, find_class_weights, find_labels, list_labels
from siftset.trainer.tasks.reading import read_frames

if TYPE_CHECKING:
    from torch import Tensor, nn

INPUTS = ("input_ids", "attention_mask")


class ClassificationTask:
    """Predict the label of a text; the mean loss is weighted where classes are."""

    def __init__(self, made_of: TaskSetup, labels: Labels) -> None:
        self._of = made_of
        self.labels = labels
        self._weights = find_class_weights(labels, made_of.config)
        self._pad = int(made_of.loaded.tokenizer.pad_token_id)
        made_of.loaded.model.config.problem_type = (
            "multi_label_classification" if labels.multi else "single_label_classification"
        )

    @property
    def loaded(self) -> Loaded:
        """The model and its tokenizer."""
        return self._of.loaded

    @property
    def length(self) -> int:
        """The longest sequence, in tokens."""
        return self._of.length

    def read_split(
        self, files: Sequence[Path], path: Path, sample: int | None, *, held_out: bool = False
    ) -> SplitTokens:
        """Tokenize a split with its labels; a text that is missing is an empty one."""
        writer, body = TokenWriter(path), self.length - self._of.specials.n
        for frame in read_frames(files, ["text", "label"], sample=sample, seed=self._of.seed):
            some = encode_texts(self.loaded.tokenizer, frame["text"].fill_null("").to_list(), body)
            some = add_specials(some, self._of.specials)
            labels = frame["label"]
            if self.labels.multi:
                labels = list_labels(labels, self._of.config.label_separator)
            label_of = self.labels.flags if self.labels.multi else self.labels.index
            writer.add(
                Sequences(
                    [row or [self._pad] for row in some.input_ids],
                    labels=list(map(label_of, labels.to_list())),  # type: ignore[arg-type]
                    cut=some.cut,
                    unknown=some.unknown,
                    texts=some.texts,
                )
            )
        return writer.finish()

    def make_collator(self, tokens: SplitTokens) -> Collator:
        """Return the collator of a split."""
        return functools.partial(self.make_batch, tokens)

    def make_batch(self, tokens: SplitTokens, keys: Sequence[tuple[int, int]]) -> Batch:
        """Pad the rows; items are rows, or the weights of their classes."""
        import torch

        rows = np.asarray([row for _, row in keys], dtype=np.int64)
        ids, mask = padded_inputs(tokens, rows, self._pad)
        assert tokens.labels is not None
        labels = torch.from_numpy(tokens.labels[rows])
        items = torch.tensor(float(labels.numel()))  # several labels: every cell of the table
        if self._weights is not None and not self.labels.multi:
            items = torch.tensor(self._weights)[labels].sum()
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "labels": labels,
            "items": items,
        }

    def _compute_logits(self, model: nn.Module, batch: Batch) -> Tensor:
        logits: Tensor = model(**{name: batch[name] for name in INPUTS}).logits
        return logits.float()

    def _sum_cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        from torch.nn import functional

        weights = None if self._weights is None else logits.new_tensor(self._weights)
        if self.labels.multi:
            return functional.binary_cross_entropy_with_logits(
                logits, labels, pos_weight=weights, reduction="sum"
            )
        return functional.cross_entropy(logits, labels, weight=weights, reduction="sum")

    def sum_loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the (weighted) cross-entropy summed over the rows, nats."""
        return self._sum_cross_entropy(self._compute_logits(model, batch), batch["labels"])

    def sum_measures(self, model: nn.Module, batch: Batch) -> Sums:
        """Return summed loss, items and counts (true, predicted), by class if several labels."""
        import torch

        logits, labels = self._compute_logits(model, batch), batch["labels"]
        k = len(self.labels.names)
        if self.labels.multi:
            cells = labels.long() * 2 + (logits > 0).long()
            counts = torch.nn.functional.one_hot(cells, 4).sum(0)
        else:
            counts = torch.bincount(labels * k + logits.argmax(-1), minlength=k * k)
        return {
            "loss": self._sum_cross_entropy(logits, labels),
            "items": batch["items"],
            "counts": counts,
        }

    def compute_metrics(self, sums: Totals) -> dict[str, float]:
        """Return loss (nats) and what the counts decide; several labels: means over them."""
        loss = float(sums["loss"]) / max(float(sums["items"]), 1e-12)
        if self.labels.multi:
            scores = from_confusion(sums["counts"].reshape(-1, 2, 2))
            means = {f"macro_{n}": float(scores[n].mean()) for n in ("precision", "recall", "f1")}
            return {"loss": loss, "accuracy": float(scores["accuracy"].mean()), **means}
        k = len(self.labels.names)
        scores = from_confusion(sums["counts"].reshape(k, k))
        return {"loss": loss, **{name: float(value) for name, value in scores.items()}}


def prepare_classification(inputs: TaskInputs) -> ClassificationTask:
    """Find the labels, and load the model with a head for them."""
    labels = find_labels(inputs.data.files, inputs.config)
    loaded = inputs.load_model(labels.names)
    _pool(inputs.config, loaded)
    made_of = make_setup(inputs.config, loaded, inputs.seed)
    reads_end = loaded.model.config.is_encoder_decoder
    if reads_end and loaded.tokenizer.eos_token_id not in made_of.specials.after:
        raise TrainingError(
            f"'{loaded.name}' classifies by the end token, which its tokenizer does not put after "
            "a text: set one up in its tokenizer.json, or use an encoder"
        )
    return ClassificationTask(made_of, labels)


def _pool(config: Train, loaded: Loaded) -> None:
    """Let a new head read the mean state, where that is asked for or what the encoder is made for.

    A head that the files hold stays with what it was trained to read.
    """
    wanted = config.pooling == "mean" or (config.pooling == "auto" and wants_mean(config.model))
    if not wanted or not loaded.untrained_head or has_averaging_layer(loaded.model):
        return
    if not add_averaging_layer(loaded.model) and config.pooling == "mean":
        raise TrainingError(
            f"train.pooling: mean needs an encoder with the layers of BERT, and {loaded.name} is a "
            f"{loaded.model.config.model_type} model: use  pooling: first"
        )
