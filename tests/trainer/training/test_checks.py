from __future__ import annotations

import numpy as np
import pytest

from siftset.schemas.recipe.train import Train
from siftset.trainer.training.checks import check_curves
from siftset.trainer.training.session import Session

MLM = Train(task="mlm")


def history(losses, held=()):
    log = [{"loss": float(loss), "step": i + 1} for i, loss in enumerate(losses)]
    log += [{"eval_loss": float(h), "step": (i + 1) * 10} for i, h in enumerate(held)]
    return sorted(log, key=lambda row: row["step"])


FALLING = np.linspace(3, 1, 30)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("losses", "held", "names"),
    [
        (FALLING, (2.0, 1.5, 1.49), set()),
        (FALLING, (2.0, 1.4, 1.8), {"over-fitting"}),
        (FALLING, (3.0, 2.5, 2.0), {"under-fitting"}),
        (np.full(30, 2.0), (), {"flat"}),
        (np.linspace(1, 3, 30), (), {"diverging"}),
        ([2.0, 2.1, 3.0, 5.0, 8.0, 15.0], (), {"diverging"}),
        # a few tenths of a noisy loss are chance: a model is not refused for them
        (
            1 + 0.9 * np.resize([0.0, 1, -1, 0.5, -0.5, 0.2], 30) + np.linspace(0, 0.3, 30),
            (),
            {"oscillating"},
        ),
        (1 + np.tile([0.0, 1.5], 15) + FALLING / 3, (), {"oscillating"}),
        ([2.0, float("nan")], (), {"not a number"}),
        ([2.0, 1.9], (), set()),
    ],
)
def test_curves_are_called_by_name(losses, held, names):
    found = check_curves(history(losses, held), MLM)
    assert {finding.name for finding in found} == names
    assert all("\n" not in finding.message for finding in found)


@pytest.fixture
def findings(tiny_bert, make_data, tmp_path, progress):
    def run(splits, **settings):
        settings = {"task": "classification", "model": str(tiny_bert)} | settings
        made = Session(
            Train(**settings), make_data(splits), tmp_path / "o", seed=1, progress=progress
        )
        made.prepare(resume=False)
        return {finding.name: finding for finding in made.findings}

    return run


def test_data_is_checked_by_name(findings, rows_of):
    rows = rows_of(400)
    rows["text"][5] = "qwx zzz unheard"
    rows["text"][6:60] = ["qwx"] * 54
    rows["label"][:] = ["neg"] * 390 + ["pos"] * 10
    held = {"text": rows["text"][100:120], "label": rows["label"][100:120]}
    found = findings({"train": rows, "validation": held}, max_length=8)
    assert set(found) == {
        "untrained head",
        "truncation",
        "unknown tokens",
        "class imbalance",
        "too few rows of a class",
        "leakage",
    }
    assert found["class imbalance"].value == 39
    assert found["leakage"].value == 1.0
    assert found["leakage"].level == "critical"


def test_little_data_is_said_and_a_trained_head_is_not(findings, rows_of):
    found = findings(
        {"train": rows_of(40), "validation": rows_of(10, start=5000)}, task="mlm", line_by_line=True
    )
    assert "too little data" in found
    assert "untrained head" not in found
