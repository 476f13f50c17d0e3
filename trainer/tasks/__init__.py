"""What is learned: masked language modelling, classification, causal language modelling."""

from __future__ import annotations

from siftset.trainer.tasks.base import Batch, Collator, Task
from siftset.trainer.tasks.choose import prepare_task

__all__ = ["Batch", "Collator", "Task", "prepare_task"]
