"""From the recipe's settings to the Trainer's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from siftset.schemas.recipe.train import Train
from siftset.trainer.models.hardware import Hardware

if TYPE_CHECKING:
    from transformers import TrainingArguments

AS_THEY_ARE: Final = (
    "seed",
    "gradient_accumulation_steps",
    "learning_rate",
    "weight_decay",
    "optim",
    "max_grad_norm",
    "gradient_checkpointing",
    "full_determinism",
    "eval_steps",
    "metric_for_best_model",
)
"""Settings that the Trainer takes under the same name."""

FIXED: Final[Mapping[str, Any]] = {
    "logging_nan_inf_filter": False,
    "disable_tqdm": True,
    "remove_unused_columns": False,
    "log_level": "error",
}


def greater_is_better(config: Train) -> bool:
    """Say whether a higher metric_for_best_model is better."""
    if config.greater_is_better is not None:
        return config.greater_is_better
    return config.metric_for_best_model not in ("loss", "perplexity")


def make_arguments(
    config: Train, hardware: Hardware, folder: Path, *, steps: int, evaluate: bool
) -> TrainingArguments:
    """Return the Trainer's arguments; `steps` are all steps of the run."""
    from transformers import TrainingArguments

    when = config.eval_strategy if evaluate else "no"
    same = {name: getattr(config, name) for name in AS_THEY_ARE}
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=config.batch_size,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        bf16=hardware.precision == "bf16",
        use_cpu=hardware.device == "cpu",
        torch_compile=hardware.compiled,
        eval_strategy=when,
        eval_on_start=evaluate and when != "no",
        save_strategy=when if when != "no" else "epoch",
        save_steps=config.eval_steps or 500,
        save_total_limit=config.save_total_limit + 1,  # the Trainer may drop the last one itself
        load_best_model_at_end=config.load_best_model_at_end and when != "no",
        greater_is_better=greater_is_better(config),
        logging_steps=config.logging_steps or max(math.ceil(steps / 50), 1),
        report_to=[name for name in config.report_to if name != "tensorboard"] or "none",
        **same,
        **FIXED,
    )
