"""The same recipe in several processes, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from siftset.pipeline.commands.curate import curate

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent

RECIPE = """
name: launched
output: out
seed: 3
source:
  synthesize: {{lexicon: nike, rows: 400, null_share: 0.05, negative_share: 0.25}}
signals: {{positive: {{sentiment: {{min: 0.05}}}}}}
keep: positive
split: {{train: 0.8, validation: 0.2}}
train:
  task: mlm
  model: {model}
  max_steps: 3
  batch_size: 4
  max_length: 24
  line_by_line: true
  max_eval_samples: 20
compare: {{prompts: ["the shoe is [MASK]"], max_rows: 20, resamples: 50}}
"""


@pytest.fixture
def curated(tiny_encoder, tmp_path):
    """Write a recipe, curate it, and return a function that runs a command on it."""

    (tmp_path / "r.yaml").write_text(RECIPE.format(model=tiny_encoder))

    def run(command):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [*command],
            cwd=tmp_path,
            env=environment | {"PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done

    curate(tmp_path / "r.yaml")
    return run


TWO = ("--standalone", "--nproc_per_node", "2")
LAUNCHERS = {
    "torchrun": [sys.executable, "-m", "torch.distributed.run", *TWO, "--no-python"],
    "torchrun module": [
        sys.executable,
        "-m",
        "torch.distributed.run",
        *TWO,
        "-m",
        "siftset.pipeline.cli",
    ],
    "accelerate": [
        str(BIN / "accelerate"),
        "launch",
        *("--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
        "--no_python",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    ["torchrun", pytest.param("torchrun module", marks=pytest.mark.full), "accelerate"],
)
def test_two_processes_train_one_model_and_one_of_them_speaks(launcher, curated, tmp_path):
    command = LAUNCHERS[launcher]
    if "module" not in launcher:
        command = [*command, str(BIN / "siftset")]
    done = curated([*command, "train", "r.yaml", "--json"])
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(results) == 1
    (found,) = results
    assert found["hardware"]["processes"] == 2
    assert found["steps"] == 3
    models = [path for path in (tmp_path / "out/models").iterdir() if path.is_dir()]
    assert [path for path in models if not path.is_symlink()] == [Path(found["model"])]
    assert (Path(found["model"]) / "compare.html").is_file()
