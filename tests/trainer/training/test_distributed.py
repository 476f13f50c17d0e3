"""Training in processes that siftset starts: the same losses, and a lost one is no end."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.launch.task import (
    LAUNCHED,
    check_processes,
    check_proof,
    starts_processes,
)
from siftset.pipeline.launch.torchrun import check_accelerate_file, run_under_torchrun
from siftset.schemas.errors import RecipeError, TrainingError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.training.fsdp import check_sharded

SIFTSET = str(Path(sys.executable).parent / "siftset")
ROOT = Path(__file__).parents[3]
RECIPE = """
name: shared
output: {output}
seed: 3
source:
  synthesize: {{lexicon: nike, rows: 600, null_share: 0.05, negative_share: 0.25}}
signals: {{positive: {{sentiment: {{min: 0.05}}}}}}
keep: positive
split: {{train: 0.8, validation: 0.2}}
train:
  task: mlm
  model: {model}
  max_steps: {steps}
  save_steps: 25
  logging_steps: 1
  eval_strategy: "no"
  load_best_model_at_end: false
  batch_size: {size}
  max_length: 24
  line_by_line: true
  dropout: 0.0
  max_eval_samples: 20
  {distributed}
compare: {{max_rows: 20, resamples: 20, positive: null, negative: null}}
"""


def config_of(**distributed: object) -> Train:
    return Train.model_validate({"task": "mlm", "distributed": distributed})


@pytest.mark.parametrize(
    ("environment", "starts"),
    [({}, True), ({"RANK": "0", "WORLD_SIZE": "2"}, False), ({LAUNCHED: "1"}, False)],
)
def test_only_the_first_process_starts_others(environment, starts, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", LAUNCHED):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert starts_processes(config_of(processes=2)) is starts
    assert not starts_processes(config_of(processes=1))
    assert not starts_processes(Train(task="mlm"))


@pytest.mark.parametrize(
    ("world", "said"), [("1", "is 2, but 1 take part"), ("3", "is 2, but 3 take part")]
)
def test_the_world_has_the_size_of_the_recipe(world, said, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(TrainingError, match=said):
        check_processes(config_of(processes=2))
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_processes(config_of(processes=2))


def test_a_proof_is_made_by_one_process(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", LAUNCHED):
        monkeypatch.delenv(name, raising=False)
    loaded = SimpleNamespace(recipe=SimpleNamespace(compare=Compare(arms=True)))
    check_proof(loaded, Train(task="mlm"))
    with pytest.raises(TrainingError, match="makes a proof in one process"):
        check_proof(loaded, config_of(processes=2))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="makes a proof in one process"):
        check_proof(loaded, Train(task="mlm"))


def write(folder: Path, model: Path, output: str, *, size: int = 8, steps: int = 5, **how) -> Path:
    distributed = f"distributed: {json.dumps(how)}" if how else ""
    path = folder / f"{output}.yaml"
    text = RECIPE.format(
        output=output, model=model, size=size, steps=steps, distributed=distributed
    )
    path.write_text(text)
    return path


def environment() -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "RANK", "WORLD_SIZE")}
    return {**plain, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}


@pytest.fixture
def trained_here(told, monkeypatch):
    """Train in this process; returns what the command answers."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return lambda recipe: told("train", recipe)


def started(recipe: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SIFTSET, "train", str(recipe), "--json"], env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def trained(recipe: Path) -> dict[str, object]:
    run = started(recipe)
    out, said = run.communicate(timeout=400)
    assert run.returncode == 0, said
    return json.loads(out)


def losses(found: dict[str, object]) -> list[float]:
    curves = json.loads((Path(str(found["model"])) / "curves.json").read_text())
    return [point["loss"] for point in curves if "loss" in point]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torchrun", "ray"])
def test_two_processes_begin_with_the_loss_of_one(engine, tiny_bert, tmp_path, trained_here):
    """The same eight rows in a step, shared by two: equal to 1e-5, the rounding of fp32 sums."""
    pytest.importorskip("ray" if engine == "ray" else "torch")
    found = {}
    for processes, size in ((1, 8), (2, 4)):
        how = {"processes": processes, "engine": engine} if processes > 1 else {}
        recipe = write(tmp_path, tiny_bert, f"of{processes}", size=size, **how)
        curate(recipe)
        found[processes] = (trained if processes > 1 else trained_here)(recipe)
    assert found[2]["hardware"]["processes"] == 2
    one, two = losses(found[1]), losses(found[2])
    assert len(one) == len(two) == 5
    assert two[0] == pytest.approx(one[0], abs=1e-5)
    assert two == pytest.approx(one, abs=1e-4)


RANKS = r" -u -m siftset.pipeline\.launch\.worker"
"""What torchrun starts, and not torchrun, whose number may be above theirs."""

FSDP = """
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
use_cpu: true
mixed_precision: 'no'
num_machines: 1
fsdp_config: {fsdp_version: 2, fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP}
"""


@pytest.mark.slow
def test_weights_that_are_shared_out_train_as_whole_ones(tiny_bert, tmp_path, trained_here):
    """FSDP over gloo, a process killed on the way: the losses and the weights of one process."""
    import torch
    from transformers import AutoModelForMaskedLM

    (tmp_path / "fsdp.yaml").write_text(FSDP)
    how = {"processes": 2, "accelerate": "fsdp.yaml"}
    one = write(tmp_path, tiny_bert, "whole", size=8, steps=100)
    two = write(tmp_path, tiny_bert, "shared", size=4, steps=100, **how)
    curate(one)
    curate(two)
    expected = trained_here(one)
    run = started(two)
    work = wait_for_checkpoint(run, tmp_path / "shared")
    parts = {path.name for path in work.glob("checkpoint-*/pytorch_model_fsdp_0/*.distcp")}
    assert parts == {"__0_0.distcp", "__1_0.distcp"}
    os.kill(last_rank(run.pid, RANKS), signal.SIGKILL)
    out, said = run.communicate(timeout=400)
    assert run.returncode == 0, said
    assert re.search(r"resuming at step \d+", said)
    found = json.loads(out)
    assert (found["steps"], found["hardware"]["processes"]) == (100, 2)
    assert not work.exists()
    assert losses(found) == pytest.approx(losses(expected), abs=1e-5)
    models = [AutoModelForMaskedLM.from_pretrained(str(one["model"])) for one in (expected, found)]
    for left, right in zip(*(model.state_dict().values() for model in models), strict=True):
        assert torch.allclose(left, right, atol=1e-5)


@pytest.mark.slow
def test_a_signal_that_one_process_gets_ends_all_at_one_step(tiny_bert, tmp_path):
    """One that stopped alone would wait for the others in its checkpoint, and they for it."""
    (tmp_path / "fsdp.yaml").write_text(FSDP)
    how = {"processes": 2, "accelerate": "fsdp.yaml"}
    recipe = write(tmp_path, tiny_bert, "signalled", size=4, steps=600, **how)
    curate(recipe)
    run = started(recipe)
    work = wait_for_checkpoint(run, tmp_path / "signalled")
    os.kill(last_rank(run.pid, RANKS), signal.SIGTERM)
    _, said = run.communicate(timeout=400)
    assert run.returncode == 143, said
    step = re.search(r"stopped by SIGTERM at step (\d+) of 600", said)
    assert step is not None
    kept = work / f"checkpoint-{step[1]}"
    assert (kept / "complete").is_file()
    assert len(list(kept.glob("pytorch_model_fsdp_0/*.distcp"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.full)])
def test_one_signal_to_the_command_stops_all_with_a_checkpoint(name, tiny_bert, tmp_path):
    recipe = write(tmp_path, tiny_bert, "stopped", size=4, steps=3000, processes=2)
    curate(recipe)
    run = started(recipe)
    work = wait_for_checkpoint(run, tmp_path / "stopped")
    run.send_signal(signal.Signals[name])
    _, said = run.communicate(timeout=400)
    assert run.returncode == {"SIGINT": 130, "SIGTERM": 143}[name], said
    last = said.splitlines()[-1]
    step = re.fullmatch(
        r"interrupted; a checkpoint at step (\d+) is kept: train again to resume", last
    )
    assert step is not None, said
    assert int(step[1]) < 3000
    assert (work / f"checkpoint-{step[1]}/complete").is_file()
    assert "Traceback" not in said
    assert "Warning" not in said


LAUNCHER = """
import signal, sys, time

def end(number, frame):
    print("Traceback (most recent call last): of the launcher", file=sys.stderr, flush=True)
    open(sys.argv[1], "w").close()
    sys.exit(1)

signal.signal(signal.SIGTERM, end)
print("ready", file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_ctrl_c_waits_for_the_processes_and_passes_on_no_traceback(monkeypatch, tmp_path):
    """The first call of polars makes a wait restart after SIGINT: one must do all the same."""
    pl.LazyFrame({"a": [1]}).collect()
    told, done = [], tmp_path / "done"

    def say(line):
        told.append(line)
        os.kill(os.getpid(), signal.SIGINT)

    command = [sys.executable, "-c", LAUNCHER, str(done)]
    monkeypatch.setattr("siftset.pipeline.launch.torchrun._launcher_command", lambda _: command)
    with pytest.raises(KeyboardInterrupt):
        run_under_torchrun(None, tmp_path / "task.json", SimpleNamespace(say=say))
    assert done.is_file()
    assert told == ["ready"]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "is not a file"), ("num_machines: 2", "has num_machines: 2, expected 1")],
)
def test_the_file_of_accelerate_means_this_machine(text, said, tmp_path):
    path = tmp_path / "fsdp.yaml"
    path.write_text(FSDP)
    check_accelerate_file(path)
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(RecipeError, match=said):
        check_accelerate_file(path)


@pytest.mark.parametrize(
    ("section", "version", "said"),
    [
        ({}, "1", "asks for FSDP version 1, expected fsdp_version: 2"),
        ({"method": "frozen"}, "2", "a train.method other than full does not go with FSDP"),
        (
            {"method": {"lora": {"rank": 4}}},
            "2",
            "a train.method other than full does not go with FSDP",
        ),
        ({"torch_compile": True}, "2", "train.torch_compile: true does not go with FSDP"),
    ],
)
def test_what_cannot_be_shared_out_is_said_first(section, version, said, monkeypatch):
    config = Train.model_validate({"task": "mlm", **section})
    check_sharded(config)
    for name, value in {"RANK": "0", "ACCELERATE_USE_FSDP": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    monkeypatch.setenv("FSDP_VERSION", version)
    with pytest.raises(TrainingError, match=said):
        check_sharded(config)


def below(parent: int) -> list[int]:
    path = ROOT / "tests" / "raylets.py"
    spec = importlib.util.spec_from_file_location("_raylets_of_trainer", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module._below(parent)


def last_rank(parent: int, mark: str) -> int | None:
    """Return a training process under `parent`: the last one, as long as numbers grow."""
    found = []
    for pid in below(parent):
        with suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            if re.search(mark, command):
                found.append(pid)
    return max(found, default=None)


def wait_for_checkpoint(run: subprocess.Popen[str], output: Path) -> Path:
    """Return the work folder of a training under way, once a whole checkpoint lies in it."""
    deadline = time.monotonic() + 300
    while not (found := list(output.glob("models/.*.work/checkpoint-*/complete"))):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found[0].parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "mark"),
    [
        # torchrun: above, with weights that are shared out
        pytest.param("torchrun", RANKS, marks=pytest.mark.full),
        ("ray", r"ray::.*RayTrainWorker"),
    ],
)
def test_a_lost_process_is_replaced_and_training_goes_on(engine, mark, tiny_bert, tmp_path):
    if engine == "ray":
        pytest.importorskip("ray")
    recipe = write(
        tmp_path, tiny_bert, "lost", size=4, steps=600, processes=2, engine=engine, restarts=2
    )
    curate(recipe)
    run = started(recipe)
    wait_for_checkpoint(run, tmp_path / "lost")
    victim = last_rank(run.pid, mark)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    out, said = run.communicate(timeout=400)
    assert run.returncode == 0, said
    found = json.loads(out)
    assert found["steps"] == 600
    assert found["hardware"]["processes"] == 2
    if engine == "torchrun":
        assert re.search(r"resuming at step \d+", said)
    assert len(losses(found)) == 600
    assert not list(tmp_path.glob("lost/models/.*.work"))
