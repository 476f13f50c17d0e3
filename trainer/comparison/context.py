"""What the tasks of a comparison share: the two sides, how they are asked, what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import polars as pl
from pydantic import JsonValue

from siftset.schemas.errors import RecipeError, TrainingError
from siftset.schemas.recipe.train import Compare
from siftset.schemas.results.comparison import (
    BeforeKind,
    CausalComparison,
    Change,
    ClassificationComparison,
    Forgetting,
    Golden,
    MlmComparison,
)
from siftset.schemas.results.summary import Finding
from siftset.schemas.tasks import TASKS, TaskName
from siftset.trainer.data.groups import find_groups
from siftset.trainer.inference.load_model import ModelSide
from siftset.trainer.inference.protocols import Encoder
from siftset.trainer.inference.word_lists import read_words
from siftset.trainer.metrics.bootstrap import Bootstrap, Figure, change

M = TypeVar("M")

LOWER_IS_BETTER: Final = frozenset({"loss", "perplexity", "brier", "ece", "hamming_loss"})

Figures: TypeAlias = dict[str, Figure]
"""Metrics of one model; draws pair with those of another on the same rows."""


@dataclass(frozen=True, slots=True)
class ComparisonSetting:
    """How both models are asked.

    `folder` is where the paths of `compare` start; `encoder` gives the frozen features of the
    linear probe, the "before" of a classifier without a previous model.
    """

    compare: Compare = field(default_factory=Compare)
    folder: Path = field(default_factory=Path)
    before_kind: BeforeKind = "base model"
    encoder: Encoder | None = None
    provenance: Mapping[str, JsonValue] = field(default_factory=dict)
    split_group: tuple[str, ...] = ()
    """Columns whose equal values stay on one side of the split: such rows are not independent."""
    keep: Callable[[pl.DataFrame], None] = lambda _: None
    """Takes what every model said of every held-out row."""

    def make_bootstrap(self, seed: int, frame: pl.DataFrame) -> Bootstrap:
        """Return how intervals are drawn of rows; those that are not independent stay together."""
        groups = find_groups(frame, self.compare.group, self.split_group)
        made = Bootstrap(self.compare.resamples, self.compare.confidence, seed)
        return made.over_rows(frame.height, groups)

    def choose_headline(self, task: TaskName) -> str:
        """Return the metric that a comparison begins with and promotion judges by."""
        return self.compare.metric or TASKS[task].main_metric

    def read_word_lists(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """Return the lists whose mass is measured, and notes on shipped ones that are missing."""
        found: dict[str, tuple[str, ...]] = {}
        notes = []
        for kind in ("positive", "negative"):
            name = getattr(self.compare, kind)
            if name is None:
                continue
            try:
                found[kind] = read_words(name, key=f"compare.{kind}", folder=self.folder)
            except RecipeError as error:
                if kind in self.compare.model_fields_set:
                    raise
                notes.append(str(error))
        return found, tuple(notes)


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """What one task's comparison found; the names are those of Comparison."""

    changes: tuple[Change, ...] = ()
    mlm: MlmComparison | None = None
    classification: ClassificationComparison | None = None
    causal: CausalComparison | None = None
    forgetting: Forgetting | None = None
    golden: Golden | None = None
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def require_model(side: ModelSide | None, kind: type[M], task: TaskName) -> M:
    """Return the side's model, which must be of the task's kind."""
    if side is None:
        raise TrainingError(f"compare: the task {task} needs a model before: name it with --before")
    if not isinstance(side.model, kind):
        raise TrainingError(
            f"compare: '{side.info.name}' does not fit the task {task}: expected a "
            f"{TASKS[task].title}"
        )
    return side.model


def compare_figures(
    before: Figures | None, after: Figures, n: int, bootstrap: Bootstrap
) -> tuple[Change, ...]:
    """Return the change of every metric of the model after, measured on `n` rows."""
    return tuple(
        change(
            name,
            (before or {}).get(name),
            figure,
            n=n,
            bootstrap=bootstrap,
            higher_is_better=name not in LOWER_IS_BETTER,
        )
        for name, figure in after.items()
    )
