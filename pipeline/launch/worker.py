"""What each of several training processes runs.

python -m siftset.pipeline.launch.worker TASK.json
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from siftset.pipeline.launch.task import LAUNCHED, REFUSAL, check_processes
from siftset.pipeline.model_registry.fit import fit_model
from siftset.pipeline.model_registry.inputs import (
    SECTIONS_OF_TRAINING,
    train_section,
    training_data,
)
from siftset.pipeline.model_registry.options import TrainOptions
from siftset.pipeline.model_registry.ranks import is_main_process
from siftset.pipeline.model_registry.result import RESULT
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.storage.atomic_files import atomic_write, read_json
from siftset.schemas.errors import Interrupted, SiftsetError
from siftset.schemas.progress import LineProgress, Progress, Silent
from siftset.schemas.recipe.loading import restore_recipe


def join_training(task: Mapping[str, JsonValue]) -> None:
    """Train as one of several processes; note the SiftsetError that ends it, and raise it."""
    os.environ[LAUNCHED] = "1"
    os.chdir(str(task["folder"]))
    note = Path(str(task["refusals"])) / REFUSAL
    if note.is_file():
        raise SiftsetError("another process refused")  # a restart cannot fix what a user must
    try:
        _fit_task(task, LineProgress(_write_line) if is_main_process() else Silent())
    except SiftsetError as error:
        with atomic_write(note) as draft:
            draft.write_text(json.dumps({"kind": type(error).__name__, "message": str(error)}))
        if not isinstance(error, Interrupted):  # all have stopped: none is to be started again
            raise


def _fit_task(task: Mapping[str, JsonValue], progress: Progress) -> None:
    document, version = task["document"], task["version"]
    assert isinstance(document, dict)
    recipe = restore_recipe(
        document,
        folder=Path(str(task["recipe_folder"])),
        path=Path(str(task["path"])),
        uses=SECTIONS_OF_TRAINING,
    )
    loaded, store = open_store(recipe, uses=SECTIONS_OF_TRAINING, progress=progress)
    check_processes(train_section(loaded))
    data = training_data(loaded, store, None if version is None else int(str(version)))
    options = TrainOptions(version=data.lineage.version, fetch=bool(task["fetch"]))
    out = Path(str(task["out"]))
    if task["again"] or not (out / RESULT).is_file():
        fit_model(loaded, store, data, out, options, progress)


def _write_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  the launcher passes it on


def main() -> int:
    """Run the task of the command line and return the exit status."""
    try:
        join_training(read_json(Path(sys.argv[1])))
    except SiftsetError as error:
        _write_line(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
