from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.hardware import Hardware, choose_hardware, cpu_has_bf16, suit_to_width
from siftset.trainer.training.session import Session


@pytest.fixture
def fit(tmp_path, progress, small_set, tiny_bert):
    def run(name="out", data=None, **settings):
        settings = {"task": "mlm", "model": str(tiny_bert), "line_by_line": True} | settings
        config = Train.model_validate(settings)
        made = Session(config, data or small_set, tmp_path / name, seed=3, progress=progress)
        with made.quiet_libraries():
            made.prepare(resume=False)
            made.fit()
        return made

    return run


def parameters(session):
    return list(session.loop.model.state_dict().values())


def test_gradient_checkpointing_changes_no_weight(fit):
    plain = fit(max_steps=3, eval_strategy="no", task="classification")
    saving = fit(
        "b", max_steps=3, eval_strategy="no", task="classification", gradient_checkpointing=True
    )
    for one, other in zip(parameters(plain), parameters(saving), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_token_budget_replaces_the_batch_size(fit):
    made = fit(epochs=1, batch_tokens=120, eval_strategy="no")
    lengths = made.tokens["train"].lengths
    assert made.loop.state.global_step >= lengths.sum() / 132
    assert made.loop.tokens_seen == lengths.sum()


def test_whole_words_are_masked_with_all_their_pieces(fit, make_data):
    data = make_data({"train": {"text": ["shoes socks bags hats balls gloves"] * 30}})
    made = fit(data=data, whole_word_mask=True, max_steps=1, eval_strategy="no")
    tokens = made.tokens["train"]
    batch = made.task.make_collator(tokens)([(0, i) for i in range(30)])
    width = batch["input_ids"].shape[1]
    for place in range(30):
        chosen = {int(p) % width for p in batch["positions"] if int(p) // width == place}
        words = tokens.row(place, "words")
        for position in chosen:
            whole = set(np.flatnonzero(words == words[position]))
            assert len(whole) == 2, "a noun and its plural ending"
            assert whole <= chosen


def test_subsets_are_seeded_and_chunks_are_full(fit):
    made = fit(max_train_samples=40, max_eval_samples=7, max_steps=1)
    assert len(made.tokens["train"]) == 40
    assert len(made.tokens["validation"]) == 7
    again = fit("again", max_train_samples=40, max_eval_samples=7, max_steps=1)
    assert np.array_equal(made.tokens["train"].lengths, again.tokens["train"].lengths)
    chunked = fit("chunks", line_by_line=False, max_length=32, max_steps=1).tokens["train"]
    assert set(chunked.lengths[:-1]) == {32}
    assert chunked.texts == 96


def test_evaluation_every_few_steps_with_the_best_by_another_metric(fit):
    made = fit(
        task="classification",
        epochs=2,
        eval_strategy="steps",
        eval_steps=2,
        metric_for_best_model="macro_f1",
    )
    steps = [row["step"] for row in made.curves() if "eval_macro_f1" in row]
    assert steps[:4] == [0, 2, 4, 6]
    best = max(
        row["eval_macro_f1"] for row in made.curves() if row.get("eval_macro_f1", 0) and row["step"]
    )
    assert made.loop.state.best_metric == best


@pytest.mark.parametrize("optim", ["adafactor", "sgd", "adamw_torch"])
def test_optimizers(optim, fit):
    made = fit(optim=optim, max_steps=2, eval_strategy="no")
    assert type(made.loop.optimizer.optimizer).__name__.lower() in optim.replace("_torch", "")


def test_hardware_is_chosen_and_shown(fit, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    hardware = choose_hardware(Train(task="mlm"))
    assert hardware.threads == 1
    assert hardware.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert "attention sdpa" in hardware.describe()
    assert choose_hardware(Train(task="mlm", threads=1)).precision in ("fp32", "bf16")


@pytest.mark.parametrize(
    ("device", "width", "settings", "expected"),
    [
        ("cpu", 384, {}, "bf16"),
        ("cpu", 128, {}, "fp32"),
        ("cpu", 384, {"method": "frozen"}, "fp32"),
        ("cpu", 128, {"bf16": True}, "bf16"),
        ("cuda", 128, {}, "bf16"),
    ],
)
def test_bf16_is_chosen_where_it_pays(device, width, settings, expected):
    there = Hardware(device, "made up", 1, "bf16", "sdpa", False, 1, 0)
    assert suit_to_width(there, Train(task="mlm", **settings), width).precision == expected


@pytest.mark.skipif(torch.cuda.is_available() or cpu_has_bf16(), reason="has bf16 arithmetic")
def test_bf16_is_refused_where_the_hardware_lacks_it():
    with pytest.raises(TrainingError, match="this cpu has no bf16 arithmetic"):
        choose_hardware(Train(task="mlm", bf16=True))


@pytest.mark.parametrize(("generation", "expected"), [(7, "fp32"), (8, "bf16"), (9, "bf16")])
def test_a_gpu_that_only_emulates_bf16_trains_in_fp32(monkeypatch, generation, expected):
    card = SimpleNamespace(major=generation)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda *_: card)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda _: True)
    assert choose_hardware(Train(task="mlm", threads=1)).precision == expected


def test_what_a_run_costs_is_said_before_it_starts(fit, progress):
    made = fit(max_steps=1, eval_strategy="no")
    line = next(line for line in progress.lines if line.startswith("model: "))
    assert "100.0% trained" in line
    assert "FLOPs a full batch" in line
    estimate = made.estimate
    assert estimate.parameters == sum(p.numel() for p in made.loop.model.parameters())
    assert estimate.state_bytes == 16 * estimate.parameters
    assert f"model: {estimate.parameters:,} parameters" in line  # a tiny model is not 0.0M
    assert "KiB" in line
    assert " 0.0" not in line
    large = replace(estimate, parameters=124_439_808, model_bytes=497_759_232)
    assert large.describe().startswith("model: 124.4M parameters (")
    assert "474.70 MiB" in large.describe()


def peak_of(work: Callable[[], object]) -> float:
    """Return the highest resident memory of this process while it works, MiB."""
    Path("/proc/self/clear_refs").write_text("5")  # what other tests reached is forgotten
    work()
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


@pytest.mark.slow
def test_memory_of_an_evaluation_does_not_grow_with_its_rows(
    fit, make_data, rows_of, tiny_bert, tmp_path
):
    """Stored logits of the many rows would take 20,000 x 30,000 x 4 bytes = 2.4 GB and more."""
    if os.uname().sysname != "Linux":
        pytest.skip("memory is counted otherwise here")
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    wide = tmp_path / "wide"
    config = BertConfig.from_pretrained(tiny_bert, vocab_size=30_000)
    BertForMaskedLM(config).save_pretrained(wide)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(wide)
    settings = {"model": str(wide), "max_steps": 1, "batch_size": 2, "eval_strategy": "no"}
    peaks = []
    for rows in (1000, 20_000):
        session = fit(f"m{rows}", data=make_data({"train": rows_of(rows)}), **settings)
        peaks.append(peak_of(lambda one=session: one.loop.measure_split(one.tokens["train"])))
    assert abs(peaks[1] - peaks[0]) < 100, peaks


def test_a_logger_that_is_not_installed(fit, monkeypatch):
    monkeypatch.setattr("siftset.trainer.training.checks.find_spec", lambda _: None)
    with pytest.raises(TrainingError, match="mlflow is not installed: run  pip install mlflow"):
        fit(report_to=["mlflow"])


def test_importing_the_entry_does_not_load_torch():
    code = "import sys, siftset.trainer.train; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
