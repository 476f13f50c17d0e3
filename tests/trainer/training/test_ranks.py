from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from siftset.schemas.recipe.train import Train

ROOT = Path(__file__).parents[3]

SCRIPT = """
import sys
from pathlib import Path
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.train import train

train_file, validation, out, config = sys.argv[1:]
data = TrainingData(
    {"train": (Path(train_file),), "validation": (Path(validation),)},
    Lineage("r", "h", "s", 1, "run", "k", "f"),
)
result = train(
    Train.model_validate_json(config),
    Compare(resamples=10, positive=None, negative=None),
    data, out=Path(out), seed=5, progress=Silent(),
)
print("rank done", result.steps)
"""


@pytest.mark.slow
@pytest.mark.parametrize("task", ["mlm", "classification"])
def test_two_processes_equal_one(task, tiny_bert, small_set, tmp_path):
    """The same rows in a step, shared by two processes, give the same weights."""
    import json

    described = json.loads((tiny_bert / "config.json").read_text())
    still = described | {k: 0.0 for k in described if "dropout" in k and described[k]}
    folder = tmp_path / "still"
    folder.mkdir()
    for path in tiny_bert.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "config.json").write_text(json.dumps(still))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (train,), (validation,) = small_set.files["train"], small_set.files["validation"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for processes, size in ((1, 8), (2, 4)):
        config = Train(
            task=task,
            model=str(folder),
            epochs=1,
            batch_size=size,
            line_by_line=True,
            optim="sgd",
            learning_rate=0.5,
            load_best_model_at_end=False,
        )
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [sys.executable, *(launch if processes > 1 else []), str(script)]
        done = subprocess.run(
            [
                *command,
                str(train),
                str(validation),
                str(tmp_path / f"m{processes}"),
                config.model_dump_json(),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("rank done 12") == processes
    one = load_file(tmp_path / "m1" / "model.safetensors")
    two = load_file(tmp_path / "m2" / "model.safetensors")
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=2e-6), name
