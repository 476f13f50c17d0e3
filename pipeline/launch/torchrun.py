"""Training in several processes: they are started, watched, and started again where one is lost.

Every process runs the same function (pipeline.launched) on the same recipe; checkpoints lie beside
the model on storage that all of them see, and a restart goes on from the last one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Final

from pydantic import JsonValue

from siftset.schemas.errors import RecipeError, SiftsetError, TrainingError, error_named
from siftset.schemas.progress import Progress
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.train import Train

if TYPE_CHECKING:
    from siftset.pipeline.commands.train import TrainOptions

LAUNCHED: Final = "SIFTSET_LAUNCHED"
"""Set in the processes that siftset started, so that none of them starts others."""
REFUSAL: Final = "refusal.json"
_OWN_STORE: Final = {
    "PET_STANDALONE": "1",
    "PET_LOCAL_ADDR": "127.0.0.1",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}
"""Each start gets a store of its own: in a shared one the processes of a restart find the addresses
of those before them, and wait for the dead. The store of accelerate's own kind of rendezvous cannot
but be shared; the environment has its torchrun take another kind."""
_NOISE: Final = re.compile(r"^([IWE]\d{4} |\*+$|Setting OMP|  warnings\.warn)")
_ERROR: Final = re.compile(r"^(\[rank\d+\]: )?([\w.]*(Error|Exception)|error): ")
_GRACE: Final = 60.0
"""Seconds that processes have to write a checkpoint when the run is stopped."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A training run that several processes share."""

    recipe: str | Path
    overrides: tuple[str, ...]
    options: TrainOptions
    loaded: LoadedRecipe
    config: Train
    out: Path

    @property
    def processes(self) -> int:
        """How many processes train."""
        return self.config.distributed.processes if self.config.distributed else 1

    def task(self, refusals: Path) -> dict[str, JsonValue]:
        """Return what each process is told."""
        shipped = not isinstance(self.recipe, Path) and not Path(self.recipe).suffix
        return {
            "recipe": str(self.recipe) if shipped else str(self.loaded.path.resolve()),
            "overrides": list(self.overrides),
            "version": self.options.version,
            "again": not self.options.resume,
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


def check_arms(loaded: LoadedRecipe, config: Train) -> None:
    """Raise TrainingError where several processes train and other arms are to be compared."""
    several = starts_processes(config) or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and loaded.recipe.compare.arms:
        raise TrainingError(
            "compare.arms trains the other arms in one process, which several cannot wait for: "
            "leave compare.arms out, or train in one process"
        )


def check_file(path: Path) -> None:
    """Raise RecipeError unless accelerate's file is there and means this machine alone."""
    if not path.is_file():
        raise RecipeError(
            f"train.distributed.accelerate: {path} is no file, expected one that  accelerate "
            f"config --config_file {path}  wrote"
        )
    from siftset.schemas.recipe.yaml_text import read_yaml

    said = read_yaml(path.read_text(encoding="utf-8"), path)
    machines = said.get("num_machines", 1) if isinstance(said, dict) else 1
    if machines != 1:
        raise RecipeError(
            f"train.distributed.accelerate: {path} has num_machines: {machines}, expected 1, as "
            "siftset starts the processes of this machine: for more take engine: ray, or start  "
            "accelerate launch  on each of them"
        )


def launch(run: Launch, progress: Progress) -> None:
    """Train in the processes of the recipe; raises the SiftsetError that one of them raised."""
    distributed = run.config.distributed
    assert distributed is not None
    if not run.options.resume:
        from siftset.trainer.training.checkpoints import work_folder

        shutil.rmtree(work_folder(run.out), ignore_errors=True)
    run.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".launch-", dir=run.out.parent) as folder:
        task = run.task(Path(folder))
        if distributed.engine == "ray":
            from siftset.pipeline.launch.ray_train import run_on_ray

            failed = run_on_ray(run, task, progress)
        else:
            failed = _run_under_torchrun(run, task, progress)
        if failed is not None or (Path(folder) / REFUSAL).is_file():
            raise _refusal(Path(folder), run, failed)


def _run_under_torchrun(run: Launch, task: dict[str, JsonValue], progress: Progress) -> str | None:
    """Return None, or the last line that was said where training failed."""
    environment = {**os.environ, **_OWN_STORE, LAUNCHED: "1", "PYTHONSAFEPATH": "1"}
    process = subprocess.Popen(
        [*_launcher(run), "-m", "siftset.pipeline.launch.worker", json.dumps(task)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    assert process.stderr is not None
    last = [""]
    telling = threading.Thread(target=_tell, args=(process.stderr, progress, last), daemon=True)
    telling.start()
    try:
        code = process.wait()
    finally:
        _end(process)
        telling.join(timeout=5)
    return None if code == 0 else last[0] or f"exit status {code}"


def _launcher(run: Launch) -> list[str]:
    distributed = run.config.distributed
    assert distributed is not None
    if distributed.accelerate is None:
        return [
            *(sys.executable, "-m", "torch.distributed.run"),
            f"--nproc_per_node={distributed.processes}",
            f"--max_restarts={distributed.restarts}",
        ]
    path = run.loaded.resolve(distributed.accelerate)
    check_file(path)
    return [
        *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"),
        *("--config_file", str(path), "--num_processes", str(distributed.processes)),
        *("--max_restarts", str(distributed.restarts)),
    ]


def _tell(stream: IO[str], progress: Progress, last: list[str]) -> None:
    """Pass on what the processes say, without what the launcher says to itself."""
    for line in stream:
        text = line.rstrip()
        if text and not _NOISE.match(text):
            last[0] = text if _ERROR.match(text) else last[0]
            progress.say(text)


def _end(process: subprocess.Popen[str]) -> None:
    """Let processes that still run write a checkpoint, and end them."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _refusal(folder: Path, run: Launch, told: str | None) -> SiftsetError:
    """Return the error that a process wrote down, else one that says how the last of them ended."""
    path = folder / REFUSAL
    if not path.is_file():
        return TrainingError(
            f"training in {run.processes} processes failed ({told}); checkpoints are kept: train "
            "again to go on from the last one"
        )
    found = json.loads(path.read_text(encoding="utf-8"))
    return error_named(found["kind"], found["message"])
