"""Training in several processes: they are started, watched, and started again where one is lost.

Every process runs the same function (pipeline.launch.worker) on the same recipe; checkpoints lie
beside the model on storage that all of them see, and a restart goes on from the last one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from siftset.pipeline.launch.task import LAUNCHED, REFUSAL, TASK, Launch
from siftset.pipeline.storage.atomic_files import write_json
from siftset.schemas.errors import RecipeError, TrainingError, error_named
from siftset.schemas.progress import Progress
from siftset.trainer.training.work_folder import work_folder

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


def check_accelerate_file(path: Path) -> None:
    """Raise RecipeError unless accelerate's file is there and means this machine alone."""
    if not path.is_file():
        raise RecipeError(
            f"train.distributed.accelerate: {path} is not a file; expected one that  accelerate "
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


def launch_training(run: Launch, progress: Progress) -> None:
    """Train in the processes of the recipe; raises the SiftsetError that one of them raised."""
    distributed = run.config.distributed
    assert distributed is not None
    if not run.options.resume:
        shutil.rmtree(work_folder(run.out), ignore_errors=True)
    run.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".launch-", dir=run.out.parent) as folder:
        task = run.task(Path(folder))
        if distributed.engine == "ray":
            from siftset.pipeline.launch.ray_train import run_on_ray

            failure = run_on_ray(run, task, progress)
        else:
            write_json(Path(folder) / TASK, task)
            failure = run_under_torchrun(run, Path(folder) / TASK, progress)
        refusal = Path(folder) / REFUSAL
        if refusal.is_file():
            found = json.loads(refusal.read_text(encoding="utf-8"))
            raise error_named(found["kind"], found["message"])
        if failure is not None:
            raise TrainingError(
                f"training in {distributed.processes} processes failed ({failure}); checkpoints "
                "are kept: train again to go on from the last one"
            )


def run_under_torchrun(run: Launch, task: Path, progress: Progress) -> str | None:
    """Return None, or the last line that was said where training failed."""
    environment = {
        **os.environ,
        **_OWN_STORE,
        LAUNCHED: "1",
        "PYTHONSAFEPATH": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(int(_GRACE)),
    }
    process = subprocess.Popen(
        [*_launcher_command(run), "-m", "siftset.pipeline.launch.worker", str(task)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Ctrl-C comes here alone: the launcher would pass it on and leave before a checkpoint is.
        process_group=0,
    )
    assert process.stderr is not None
    last, stopped = [""], threading.Event()
    args = (process.stderr, progress, last, stopped)
    reader = threading.Thread(target=_pass_lines_on, args=args, daemon=True)
    reader.start()
    try:
        code = _wait_for(process)
    except BaseException:
        stopped.set()
        _stop(process)
        raise
    finally:
        reader.join(timeout=5)
    return None if code == 0 else last[0] or f"exit status {code}"


def _wait_for(process: subprocess.Popen[str]) -> int:
    """Wait for the launcher, looking up often: polars' own handler of SIGINT restarts a wait."""
    while True:
        try:
            return process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            continue


def _stop(process: subprocess.Popen[str]) -> None:
    """Let the processes write a checkpoint and end; a second Ctrl-C ends them at once."""
    process.terminate()
    try:
        process.wait(_GRACE + 10)
    except BaseException:
        # The launcher kills its processes, which have sessions of their own, at a second signal.
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        raise


def _launcher_command(run: Launch) -> list[str]:
    distributed = run.config.distributed
    assert distributed is not None
    if distributed.accelerate is None:
        return [
            *(sys.executable, "-m", "torch.distributed.run"),
            f"--nproc_per_node={distributed.processes}",
            f"--max_restarts={distributed.restarts}",
        ]
    path = run.loaded.resolve(distributed.accelerate)
    check_accelerate_file(path)
    return [
        *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"),
        *("--config_file", str(path), "--num_processes", str(distributed.processes)),
        *("--max_restarts", str(distributed.restarts)),
    ]


def _pass_lines_on(
    stream: IO[str], progress: Progress, last: list[str], stopped: threading.Event
) -> None:
    """Pass on what the processes say, without what the launcher says to itself, also at its end."""
    with stream:
        for line in stream:
            text = line.rstrip()
            if text and not stopped.is_set() and not _NOISE.match(text):
                last[0] = text if _ERROR.match(text) else last[0]
                progress.say(text)
