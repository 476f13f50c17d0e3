"""The loop: transformers' Trainer with our batches, losses, evaluation and learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from transformers import Trainer, TrainingArguments  # noqa: TID253  this module is loaded late

from siftset.schemas.recipe.train import Train
from siftset.trainer.data.batches import BatchKeys, BatchPlan, RankSampler, plan_for
from siftset.trainer.data.masks import EVALUATION
from siftset.trainer.data.tokens import SplitTokens
from siftset.trainer.models.methods import Prepared
from siftset.trainer.tasks.base import Task
from siftset.trainer.training.fsdp import WeightGatherer, is_sharded, shard_model
from siftset.trainer.training.schedules import count_warmup, rate_factor

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.utils.data import DataLoader
    from transformers import TrainerCallback

EVALUATED_TOKENS = {"cpu": 4096, "cuda": 65536, "mps": 16384}
"""Tokens of an evaluation batch, padding included."""


class Loop(Trainer):
    """Trains a task on its tokens."""

    def __init__(
        self,
        task: Task,
        prepared: Prepared,
        data: Mapping[str, SplitTokens],
        *,
        config: Train,
        args: TrainingArguments,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        from transformers import PrinterCallback, ProgressCallback

        self.prepared, self._weights = prepared, WeightGatherer(prepared.model)
        super().__init__(
            model=prepared.model,
            args=args,
            train_dataset=BatchKeys(len(data["train"])),
            eval_dataset=BatchKeys(len(data.get("validation", ()))),
            processing_class=task.loaded.tokenizer,
            callbacks=list(callbacks),
        )
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        self.task, self.data, self.config = task, data, config
        self.loss_is_scaled_for_ga = True  # compute_loss divides by the items of the whole step
        self.tokens_seen = 0

    def create_accelerator_and_postprocess(self) -> None:
        """Create the accelerator, which shards where the launcher asks for it."""
        super().create_accelerator_and_postprocess()
        if is_sharded():
            shard_model(self.accelerator, self.prepared.model)
            self.is_fsdp_enabled = True

    def _run_epoch(self, *given: object, **named: object) -> None:
        """Train for an epoch; a run that goes on with no step left would take one more."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*given, **named)  # type: ignore[no-untyped-call]
        else:
            self.control.should_training_stop = True

    def gather_model(self) -> nn.Module:
        """Return the model with all its weights, in the first process; every one takes part."""
        assert self.model is not None
        return self._weights.gather(self.accelerator, self.model)

    def get_train_dataloader(self) -> DataLoader[object]:
        """Return the stripe of this rank."""
        tokens, args = self.data["train"], self.args
        plan = plan_for(self.config, tokens.lengths, seed=args.seed, world=args.world_size)
        return self._make_loader(tokens, RankSampler(plan, self.args.process_index))

    def _make_loader(self, tokens: SplitTokens, sampler: RankSampler) -> DataLoader[object]:
        from torch.utils.data import DataLoader

        loader: DataLoader[object] = DataLoader(
            BatchKeys(len(tokens)),  # type: ignore[arg-type]
            batch_sampler=sampler,
            collate_fn=self.task.make_collator(tokens),
            pin_memory=self.args.device.type == "cuda",
        )
        # the Trainer tells the epoch to loaders that have this method
        loader.set_epoch = sampler.set_epoch
        return loader

    def _get_num_items_in_batch(
        self, batch_samples: list[dict[str, Tensor]], device: torch.device
    ) -> Tensor:
        """Return what the losses of this step are summed over, on all ranks together."""
        items = sum((batch["items"] for batch in batch_samples), start=_make_zero()).to(device)
        self.tokens_seen += sum(int(batch["attention_mask"].sum()) for batch in batch_samples)
        if self.args.world_size > 1:
            items = self.accelerator.gather(items).sum()
        return items

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return this batch's share of the step's mean loss: exact for any accumulation, any DDP.

        Gradients are averaged over ranks, hence the factor.
        """
        import torch

        assert isinstance(num_items_in_batch, torch.Tensor)
        share = self.args.world_size / num_items_in_batch.clamp(min=1e-6)
        loss: Tensor = self.task.sum_loss(model, inputs) * share
        return loss

    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        """Measure the validation split, sums only; the metrics are logged as eval_*."""
        sums = self.measure_split(self.data["validation"])
        metrics = {f"eval_{name}": value for name, value in self.task.compute_metrics(sums).items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def measure_split(
        self, tokens: SplitTokens
    ) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        """Return the sums of a split over all ranks; memory does not grow with its rows."""
        import torch

        plan = BatchPlan(
            tokens.lengths,
            size=1,
            tokens=max(EVALUATED_TOKENS[self.args.device.type], self.task.length),
            order="longest_first",
            world=self.args.world_size,
        )
        loader = self._make_loader(tokens, RankSampler(plan, self.args.process_index, EVALUATION))
        model = self.model
        assert model is not None
        model.eval()
        sums: dict[str, Tensor] = {}
        with torch.no_grad():
            for batch in loader:
                measures = self.task.sum_measures(model, self._prepare_inputs(batch))
                for name, value in measures.items():
                    sums[name] = sums.get(name, _make_zero()) + value.double().cpu()
        if self.args.world_size > 1:
            for name, value in sums.items():
                there = value.to(self.args.device)
                sums[name] = self.accelerator.reduce(there, reduction="sum").cpu()
        return {name: np.asarray(value.numpy(), np.float64) for name, value in sums.items()}

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Create the optimizer: no decay of biases and norms, lower rates further down."""
        if self.optimizer is None:
            of = model or self.model
            assert of is not None
            decaying = set(self.get_decay_parameter_names(of))
            groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
            for name, parameter in of.named_parameters():
                if parameter.requires_grad:
                    key = (name in decaying, self.prepared.rate_of(parameter))
                    groups.setdefault(key, []).append(parameter)
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = kind(
                [
                    {
                        "params": parameters,
                        "weight_decay": self.args.weight_decay if decays else 0.0,
                        "lr": self.args.learning_rate * rate,
                    }
                    for (decays, rate), parameters in groups.items()
                ],
                **options,
            )
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Create the recipe's schedule."""
        from torch.optim.lr_scheduler import LambdaLR

        if self.lr_scheduler is None:
            config = self.config
            at = rate_factor(
                config.lr_scheduler_type,
                num_training_steps,
                count_warmup(config.warmup_steps, num_training_steps),
                config.lr_scheduler_kwargs,
            )
            used = optimizer or self.optimizer
            assert used is not None
            self.lr_scheduler = LambdaLR(used, at)
            self._created_lr_scheduler = True
        return self.lr_scheduler


def _make_zero() -> Tensor:
    import torch

    return torch.zeros((), dtype=torch.float64)
