"""Features of a frozen backbone, computed once: every epoch after that trains the head alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from siftset.trainer.data.batches import BatchPlan, RankSampler
from siftset.trainer.data.masks import EVALUATION
from siftset.trainer.data.tokens import SplitTokens
from siftset.trainer.models.loading import Loaded
from siftset.trainer.models.mean_pooling import watch_plain_states
from siftset.trainer.tasks.base import Batch, Collator, Sums, Totals
from siftset.trainer.tasks.classification import ClassificationTask

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    Reduce = Callable[[Tensor, Tensor], Tensor]
    Kept = np.memmap[tuple[int, int], np.dtype[np.float32]]

TOKENS_AT_ONCE: Final = 8192
TOLERANCE: Final = 1e-4
"""Largest difference of logits at which a way to reduce counts as the model's own."""


def first_state(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the state of the first token, which encoders classify by."""
    return hidden[:, 0]


def last_state(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the state of the last real token, which decoders classify by."""
    ends = mask.sum(1) - 1
    return hidden[range(len(ends)), ends]


def mean_state(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the mean state of the real tokens."""
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


WAYS: Final = (first_state, last_state, mean_state)


def make_cached_backbone(base: nn.Module) -> nn.Module:
    """Return a module that answers with given features instead of running `base`.

    It keeps the pooler, which belongs to the head, under the same name.
    """
    from torch import nn
    from transformers.modeling_outputs import (
        BaseModelOutputWithPoolingAndCrossAttentions as Output,
    )

    class CachedBackbone(nn.Module):
        features: Tensor | None = None

        def __init__(self) -> None:
            super().__init__()
            self.pooler = getattr(base, "pooler", None)

        def forward(self, *_: object, **__: object) -> Output:
            assert self.features is not None
            hidden = self.features[:, None]
            pooled = None if self.pooler is None else self.pooler(hidden)
            return Output(last_hidden_state=hidden, pooler_output=pooled)

    return CachedBackbone()


class CachedTask:
    """A classification task whose texts are features; the backbone does not run any more."""

    def __init__(
        self, task: ClassificationTask, way: Reduce, base: nn.Module, substitute: nn.Module
    ) -> None:
        self._task, self._way = task, way
        self._base, self._substitute = base, substitute
        self._features: dict[Path, Kept] = {}
        self._means: dict[Path, Kept] = {}
        pad = task.loaded.tokenizer.pad_token_id
        self._real = 1 if pad == 0 else 0
        self.labels = task.labels

    @property
    def loaded(self) -> Loaded:
        """The model and its tokenizer."""
        return self._task.loaded

    @property
    def length(self) -> int:
        """The longest sequence, in tokens."""
        return self._task.length

    def read_split(
        self, files: Sequence[Path], path: Path, sample: int | None, *, held_out: bool = False
    ) -> SplitTokens:
        """Tokenize a split."""
        return self._task.read_split(files, path, sample, held_out=held_out)

    def compute_features(self, tokens: SplitTokens, device: str) -> None:
        """Run the backbone once over a split; keep on disk what the head reads, and mean states."""
        import torch

        model, base = self.loaded.model, self._base
        base.to(device).eval()
        shape = (len(tokens), int(model.config.hidden_size))
        kept, means = (
            np.memmap(tokens.path.with_suffix(ending), dtype=np.float32, mode="w+", shape=shape)
            for ending in (".features", ".means")
        )
        plan = BatchPlan(tokens.lengths, size=1, tokens=TOKENS_AT_ONCE, order="longest_first")
        collate = self._task.make_collator(tokens)
        with torch.no_grad(), watch_plain_states(model) as plain:
            for keys in RankSampler(plan, 0, EVALUATION):
                batch = collate(keys)
                mask = batch["attention_mask"].to(device)
                hidden = base(input_ids=batch["input_ids"].to(device), attention_mask=mask)[0]
                rows = [row for _, row in keys]
                kept[rows] = self._way(hidden, mask).float().cpu().numpy()
                means[rows] = mean_state(plain(hidden), mask).float().cpu().numpy()
        base.cpu()
        self._features[tokens.path], self._means[tokens.path] = kept, means

    def mean_states(self, tokens: SplitTokens) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Return the mean of each text's states (texts, width) as the base model leaves them."""
        return self._means[tokens.path]

    def make_collator(self, tokens: SplitTokens) -> Collator:
        """Return the collator of a split: one real token a row, and its features."""
        import torch

        collate, features = self._task.make_collator(tokens), self._features[tokens.path]

        def make_batch(keys: Sequence[tuple[int, int]]) -> Batch:
            made = collate(keys)
            one = torch.ones((len(keys), 1), dtype=torch.long)
            rows = [row for _, row in keys]
            return made | {
                "input_ids": one * self._real,
                "attention_mask": one,
                "features": torch.from_numpy(np.array(features[rows])),
            }

        return make_batch

    def sum_loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss summed over the batch's items."""
        self._substitute.features = batch["features"]
        return self._task.sum_loss(model, batch)

    def sum_measures(self, model: nn.Module, batch: Batch) -> Sums:
        """Return sums over the batch."""
        self._substitute.features = batch["features"]
        return self._task.sum_measures(model, batch)

    def compute_metrics(self, sums: Totals) -> dict[str, float]:
        """Return figures of summed measures."""
        return self._task.compute_metrics(sums)

    def swap_in(self) -> None:
        """Put the stand-in where the backbone was."""
        model = self.loaded.model
        setattr(model, model.base_model_prefix, self._substitute)

    def swap_out(self) -> None:
        """Put the backbone back."""
        model = self.loaded.model
        setattr(model, model.base_model_prefix, self._base)


def cache_features(
    task: ClassificationTask, tokens: Mapping[str, SplitTokens], device: str
) -> CachedTask | None:
    """Compute the features of every split, or return None where a head needs more than one state.

    Which state the head reads is found by trying: logits must be those of the whole model.
    """
    model = task.loaded.model
    base, substitute = model.base_model, make_cached_backbone(model.base_model)
    for way in WAYS:
        trial = CachedTask(task, way, base, substitute)
        if _gives_same_logits(trial, tokens["train"], model):
            trial.swap_out()
            for some in tokens.values():
                if len(some):
                    trial.compute_features(some, device)
            trial.swap_in()
            return trial
    return None


def _gives_same_logits(trial: CachedTask, tokens: SplitTokens, model: PreTrainedModel) -> bool:
    import torch

    by_length = np.argsort(tokens.lengths, kind="stable")
    rows = by_length[np.linspace(0, len(by_length) - 1, min(4, len(by_length))).astype(int)]
    few = trial._task.make_collator(tokens)([(0, int(row)) for row in rows])
    inputs = {name: few[name] for name in ("input_ids", "attention_mask")}
    model.train(False)
    with torch.no_grad():
        expected = model(**inputs).logits
        hidden = trial._base(**inputs)[0]
        trial._substitute.features = trial._way(hidden, few["attention_mask"])
        one = torch.ones((len(rows), 1), dtype=torch.long)
        trial.swap_in()
        try:
            found = model(input_ids=one * trial._real, attention_mask=one).logits
        except (RuntimeError, IndexError, AttributeError, TypeError, ValueError):
            return False
        finally:
            trial.swap_out()
    return found.shape == expected.shape and bool(torch.allclose(found, expected, atol=TOLERANCE))
