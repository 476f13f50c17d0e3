"""From the recipe's train section to a task with its model."""

from __future__ import annotations

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.lineage import TrainingData
from siftset.schemas.tasks import TASKS
from siftset.trainer.tasks.base import Task, TaskInputs
from siftset.trainer.tasks.reading import count_rows


def prepare_task(
    config: Train,
    data: TrainingData,
    *,
    seed: int,
    attention: str | None = None,
) -> Task:
    """Load the model for the task and what the data says of it (labels, template)."""
    if not count_rows(data.files.get("train", ())):
        raise TrainingError(
            "the split train holds no rows: curate a set with rows, or change the split's shares"
        )
    prepare = TASKS[config.task].code.load("prepare")
    task: Task = prepare(TaskInputs(config, data, seed, attention))
    return task
