"""What a training run is that several processes share, and what each of them is told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.model_registry.options import TrainOptions
from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.train import Train

LAUNCHED: Final = "SIFTSET_LAUNCHED"
"""Set in the processes that siftset started, so that none of them starts others."""
TASK: Final = "task.json"
REFUSAL: Final = "refusal.json"


@dataclass(frozen=True, slots=True)
class Launch:
    """A training run that several processes share."""

    loaded: LoadedRecipe
    config: Train
    options: TrainOptions
    out: Path

    def task(self, refusals: Path) -> dict[str, JsonValue]:
        """Return what each process is told."""
        return {
            "document": self.loaded.raw,
            "path": str(self.loaded.path),
            "recipe_folder": str(self.loaded.folder),
            "out": str(self.out),
            "version": self.options.version,
            "again": self.options.again or not self.options.resume,
            "fetch": self.options.fetch,
            "folder": str(Path.cwd()),
            "refusals": str(refusals),
        }


def starts_processes(config: Train) -> bool:
    """Say whether this process has to start those that train."""
    several = config.distributed is not None and config.distributed.processes > 1
    return several and LAUNCHED not in os.environ and "RANK" not in os.environ


def check_processes(config: Train) -> None:
    """Raise TrainingError where there are more or fewer processes than the recipe says."""
    if config.distributed is None:
        return
    found = int(os.environ.get("WORLD_SIZE", "1"))
    if found != config.distributed.processes:
        raise TrainingError(
            f"train.distributed.processes is {config.distributed.processes}, but {found} take "
            "part: start siftset without a launcher, or the launcher with that number "
            "(accelerate needs --multi_gpu or a configuration with distributed_type)"
        )


def check_proof(loaded: LoadedRecipe, config: Train) -> None:
    """Raise TrainingError where several processes train and a proof is to follow."""
    several = starts_processes(config) or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and loaded.recipe.compare.arms:
        raise TrainingError(
            "compare.arms makes a proof in one process, which several cannot wait for: leave "
            "compare.arms out and run  siftset proof  after it"
        )
