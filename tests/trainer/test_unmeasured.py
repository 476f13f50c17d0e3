"""Training without rows to measure, and how it ends early."""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace

import pytest

import siftset.trainer
from siftset.pipeline.model_registry.result import render_comparison
from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.models.hardware import Hardware, count_cores, suit_to_width
from siftset.trainer.train import train
from siftset.trainer.training.callbacks import StopEarly


def test_a_set_without_held_out_rows_trains_and_says_so(
    tiny_bert, make_data, rows_of, tmp_path, progress
):
    data = make_data({"train": rows_of(24)})
    config = Train(task="classification", model=str(tiny_bert), max_steps=2)
    out = tmp_path / "out"
    result = train(config, Compare(resamples=10), data, out=out, seed=1, progress=progress)
    assert {"no validation", "nothing measured"} <= {finding.name for finding in result.findings}
    assert (out / "model.safetensors").is_file()
    page = render_comparison(out).read_text()
    assert "nothing was measured" in page


def test_a_failed_training_leaves_no_folder(tiny_bert, make_data, tmp_path, progress):
    data = make_data({"train": {"text": ["a shoe"] * 4, "label": ["a"] * 4}})
    config = Train(task="classification", model=str(tiny_bert), eval_strategy="no")
    with pytest.raises(TrainingError, match="one class only"):
        train(config, Compare(), data, out=tmp_path / "models" / "m", seed=1, progress=progress)
    assert list((tmp_path / "models").iterdir()) == []


def test_early_stopping_says_at_which_step_and_why():
    config = Train(task="mlm", early_stopping_patience=2, early_stopping_threshold=0.01)
    stop, control = StopEarly(config), SimpleNamespace(should_training_stop=False)
    losses = {10: 2.0, 20: 1.5, 30: 1.495, 40: 1.6}
    log = [{"step": step, "eval_loss": loss} for step, loss in losses.items()]
    stop.on_evaluate(None, SimpleNamespace(log_history=log, global_step=40, max_steps=90), control)
    assert control.should_training_stop
    assert stop.reason == (
        "early stopping at step 40 of 90: loss of validation was best at step 20 (1.5) and got "
        "no better by more than 0.01 in 2 evaluations"
    )


@pytest.mark.parametrize(
    ("said", "limit"), [("150000 100000", 2), ("100000 100000", 1), ("max 100000", 8)]
)
def test_a_container_limits_the_threads(said, limit, tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "cpu.max").write_text(said + "\n")
    assert count_cores(tmp_path / "cpu.max") == limit


@pytest.mark.parametrize(("given", "spins"), [({}, "1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)])
def test_waiting_threads_sleep_soon(given, spins, monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    importlib.reload(siftset.trainer)
    assert os.environ.get("GOMP_SPINCOUNT") == spins


def test_threads_are_few_where_the_model_is_narrow(monkeypatch):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    there = Hardware("cpu", "a CPU", 16, "fp32", "sdpa", False, 1, 0)
    widths = {32: 1, 128: 4, 384: 16}
    config = Train(task="mlm")
    assert {w: suit_to_width(there, config, w).threads for w in widths} == widths
    asked = Train(task="mlm", threads=16)
    assert suit_to_width(there, asked, 32).threads == 16
