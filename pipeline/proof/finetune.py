"""A recipe's model, fine-tuned for as many steps on each lot of rows, as what a proof trains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from siftset.pipeline.model_registry.registry import latest_model
from siftset.pipeline.model_registry.result import COMPARE_JSON
from siftset.pipeline.proof.learners import place_questions
from siftset.pipeline.proof.questions import ProofRows
from siftset.pipeline.proof.statistics import Array, Integers
from siftset.pipeline.storage.atomic_files import make_writable_folder
from siftset.pipeline.storage.run_folder import json_digest
from siftset.schemas.errors import OutputError, RecipeError
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.comparison import Comparison
from siftset.schemas.results.lineage import TrainingData

RATES = (1.0, 0.5)
"""The learning rates of both strengths, as shares of the recipe's."""


@dataclass(frozen=True, slots=True, eq=False)
class FineTuning:
    """Fine-tuning with the recipe's settings, without what would look at held-out rows."""

    config: Train
    data: TrainingData
    rows: pl.DataFrame
    """All rows, golden ones last; each with an id of its own."""
    asked: Integers
    work: Path
    seed: int
    identity: Mapping[str, str]

    @property
    def title(self) -> str:
        """Name the model, and how much of it is trained."""
        method = self.config.method if isinstance(self.config.method, str) else "adapters"
        return f"{Path(self.config.model).name}, fine-tuned ({method})"

    @property
    def strengths(self) -> tuple[str, str]:
        """Name the learning rates."""
        first, second = (f"rate {rate * self.config.learning_rate:.2g}" for rate in RATES)
        return first, second

    def score_questions(self, rows: Integers, strength: int) -> Array:
        """Fine-tune on rows; return a score for each question."""
        from siftset.trainer.train import fit_and_score

        config = self.config.model_copy(
            update={
                "max_steps": self.config.max_steps or self._count_steps(len(rows)),
                "learning_rate": RATES[strength] * self.config.learning_rate,
            }
        )
        folder = make_writable_folder(self.work)
        path = folder / "train.parquet"
        try:
            self.rows[rows].write_parquet(path)
            data = replace(self.data, files={"train": (path,)})
            return fit_and_score(
                config,
                data,
                self.rows[self.asked],
                out=folder / "model",
                seed=self.seed,
                progress=Silent(),
            )
        finally:
            path.unlink(missing_ok=True)

    def _count_steps(self, rows: int) -> int:
        """Return how many steps the recipe's epochs take on so many rows, for both sides alike."""
        at_once = self.config.batch_size * self.config.gradient_accumulation_steps
        return max(1, math.ceil(self.config.epochs * rows / at_once))


def make_fine_tuning(config: Train | None, rows: ProofRows, data: TrainingData,
                     models: Path, work: Path) -> FineTuning:  # fmt: skip
    """Return what fine-tunes with the settings of the set's own model, else of the recipe.

    A model that was trained on the set holds the settings that a search found. Raises RecipeError
    without a section `train`.
    """
    from siftset.trainer.models.content import identify_base
    from siftset.trainer.train import require_extra

    require_extra()
    if config is None:
        raise RecipeError(
            "proof --finetune trains the recipe's model: add a section 'train', such as  "
            "train: {task: classification, model: minilm}"
        )
    settings = (_read_settings(models, data.lineage.run_id, config) or config).model_copy(
        update={
            "max_train_samples": None,
            "eval_strategy": "no",
            "load_best_model_at_end": False,
            "early_stopping_patience": None,
            "save_steps": None,
            "report_to": (),
            "replay": None,
            "distributed": None,
            "search": None,
            "folds": None,
            "labels": {},  # rows have them by name already
            "label_separator": None,
            "batch_tokens": None,  # the same number of steps is to mean the same number of rows
        }
    )
    frame = rows.frame
    if rows.golden is not None:
        numbers = pl.int_range(pl.len()).cast(pl.String)
        golden = rows.golden.with_columns(row_id=pl.lit("golden:") + numbers)
        frame = pl.concat([frame, golden], how="diagonal_relaxed")
    seed = rows.seed if settings.seed is None else settings.seed
    told = json_digest([settings.model_dump(mode="json"), dict(identify_base(settings)), seed])
    asked = place_questions(rows)
    return FineTuning(settings, data, frame, asked, work, seed, {"settings": told})


def _read_settings(models: Path, run_id: str, config: Train) -> Train | None:
    """Return the settings of the model of this run, None where there is none of its kind."""
    try:
        path = latest_model(models) / COMPARE_JSON
    except OutputError:
        return None
    if not path.is_file():
        return None
    made = Comparison.model_validate_json(path.read_bytes()).provenance
    settings = made.get("settings")
    if made.get("run_id") != run_id or not isinstance(settings, dict):
        return None
    found = Train.model_validate(settings)
    same = (found.task, found.model) == (config.task, config.model)
    searched = same and (config.search is not None or config.folds is not None)
    return found if searched else None
