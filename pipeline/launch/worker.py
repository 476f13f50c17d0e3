"""What each of several training processes runs.

python -m siftset.pipeline.launch.worker TASK
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from siftset.pipeline.cli.console import Screen
from siftset.pipeline.commands.train import TrainOptions, train_recipe
from siftset.pipeline.launch.torchrun import LAUNCHED, REFUSAL
from siftset.pipeline.model_registry.ranks import leads
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import Interrupted, SiftsetError


def take_part(task: Mapping[str, JsonValue]) -> None:
    """Train as one of several processes; note the SiftsetError that ends it, and raise it."""
    os.environ[LAUNCHED] = "1"
    os.chdir(str(task["folder"]))
    note = Path(str(task["refusals"])) / REFUSAL
    overrides, version = task["overrides"], task["version"]
    options = TrainOptions(
        version=None if version is None else int(str(version)),
        again=bool(task["again"]),
        fetch=bool(task["fetch"]),
    )
    if note.is_file():
        raise SiftsetError("another process refused")  # a restart cannot mend what a user must
    try:
        train_recipe(
            _recipe(str(task["recipe"])),
            overrides=[str(one) for one in overrides] if isinstance(overrides, list) else (),
            options=options,
            progress=Screen(quiet=not leads()).progress(),
        )
    except SiftsetError as error:
        with atomic_write(note) as draft:
            draft.write_text(json.dumps({"kind": type(error).__name__, "message": str(error)}))
        if not isinstance(error, Interrupted):  # all have stopped: none is to be started again
            raise


def _recipe(text: str) -> str | Path:
    return Path(text) if Path(text).suffix else text


def main() -> int:
    """Run the task of the command line and return the exit status."""
    try:
        take_part(json.loads(sys.argv[1]))
    except SiftsetError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  the launcher passes it on
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
