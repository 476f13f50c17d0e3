"""What is learned: masked language modelling, classification, causal language modelling."""

from __future__ import annotations

from trainer.tasks.base import Batch, Collator, Task
from trainer.tasks.choose import prepare_task

__all__ = ["Batch", "Collator", "Task", "prepare_task"]
