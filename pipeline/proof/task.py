"""What a recipe's models learn: the task, its settings, the labels, the golden rows."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from siftset.pipeline.model_registry.inputs import compare_section, train_section
from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.train import Train
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.comparison.folders import name_labels
from siftset.trainer.comparison.questions import read_golden


@dataclass(frozen=True, slots=True, eq=False)
class ProofTask:
    """The task, its settings where the recipe has any, and the golden rows."""

    name: TaskName
    config: Train | None = None
    golden: pl.DataFrame | None = None

    @classmethod
    def read_recipe(cls, loaded: LoadedRecipe) -> ProofTask:
        """Take the task of the section `train`, or classification where there is none.

        Raises TrainingError for golden rows that lack what the task needs.
        """
        config = None if loaded.recipe.train is None else train_section(loaded)
        task = cls("classification" if config is None else config.task, config)
        golden = read_golden(compare_section(loaded), loaded.folder)
        if golden is None or TASKS[task.name].pairs:
            return task
        if task.labelled and "label" not in golden.columns:
            raise TrainingError("compare.golden: the rows have no column 'label'")
        golden = task.name_labels(golden)
        if task.labelled:
            golden = golden.drop_nulls("label").select("row_id", "text", "label")
        return cls(task.name, config, golden)

    @property
    def labelled(self) -> bool:
        """Whether rows have labels."""
        return TASKS[self.name].labelled

    def name_labels(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with labels as text, by the names that the recipe gives them."""
        return name_labels(rows, self.config) if self.labelled else rows
