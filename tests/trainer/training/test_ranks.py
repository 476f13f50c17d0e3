from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.train import train

ROOT = Path(__file__).parents[3]
COMPARE = Compare(resamples=10, positive=None, negative=None)

SCRIPT = """
import sys
from pathlib import Path
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.train import train

train_file, validation, out, config, compare = sys.argv[1:]
data = TrainingData(
    {"train": (Path(train_file),), "validation": (Path(validation),)},
    Lineage("r", "h", "s", 1, "run", "k", "f"),
)
result = train(
    Train.model_validate_json(config), Compare.model_validate_json(compare),
    data, out=Path(out), seed=5, progress=Silent(),
)
print("rank done", result.steps)
"""


@pytest.mark.slow
@pytest.mark.parametrize("task", [pytest.param("mlm", marks=pytest.mark.full), "classification"])
def test_two_processes_equal_one(task, tiny_bert, small_set, tmp_path, progress):
    """The same rows in a step, shared by two processes, give the same weights."""
    still = shutil.copytree(tiny_bert, tmp_path / "still")
    described = json.loads((still / "config.json").read_text())
    described |= {name: 0.0 for name in described if "dropout" in name and described[name]}
    (still / "config.json").write_text(json.dumps(described))
    whole = Train(
        task=task,
        model=str(still),
        epochs=1,
        batch_size=8,
        line_by_line=True,
        optim="sgd",
        learning_rate=0.5,
        load_best_model_at_end=False,
    )
    alone = train(whole, COMPARE, small_set, out=tmp_path / "m1", seed=5, progress=progress)
    assert alone.steps == 12
    shared = whole.model_copy(update={"batch_size": 4})
    files = [str(small_set.files[name][0]) for name in ("train", "validation")]
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc_per_node", "2", str(tmp_path / "script.py"), *files),
            *(str(tmp_path / "m2"), shared.model_dump_json(), COMPARE.model_dump_json()),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("rank done 12") == 2
    one = load_file(tmp_path / "m1" / "model.safetensors")
    two = load_file(tmp_path / "m2" / "model.safetensors")
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=2e-6), name
