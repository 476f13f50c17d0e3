from __future__ import annotations

import json
import os
import shutil

import pytest
import torch

from siftset.schemas.errors import ModelError, OutputError, RecipeError, TrainingError
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.loading import load
from siftset.trainer.training.session import Session


@pytest.fixture
def attempt(tiny_bert, tmp_path, progress):
    """Prepare and fit; the error, if any, comes out as it is."""

    def run(data, **settings):
        settings = {"task": "classification", "model": str(tiny_bert), "max_steps": 2} | settings
        config = Train.model_validate(settings)
        session = Session(config, data, tmp_path / "out", seed=1, progress=progress)
        with session.quiet_libraries():
            session.prepare(resume=False)
            session.fit()
        return session

    return run


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


TEXTS = ["the shoe is good", "the sock is bad", "the hat is warm", "the bag is poor"]


@pytest.mark.parametrize(
    ("splits", "settings", "message"),
    [
        ({"train": {"text": TEXTS, "label": ["a"] * 4}}, {}, "one class only ('a')"),
        ({"train": {"text": [], "label": []}}, {}, "the split train holds no rows"),
        ({"train": {"text": TEXTS}}, {}, "no column 'label'"),
        (
            {"train": {"text": TEXTS, "label": ["a", "b", None, "a"]}},
            {},
            "1 row of split train has no",
        ),
        (
            {"train": {"text": TEXTS, "label": ["a", "b", "c", "a"]}},
            {"labels": {"a": "A", "b": "B"}},
            "does not map 'c', found in split train",
        ),
        (
            {
                "train": {"text": TEXTS, "label": ["a", "b", "a", "b"]},
                "validation": {"text": TEXTS, "label": ["a", "b", "z", "z"]},
            },
            {},
            "labels of split validation are never in train: 'z' (2 rows)",
        ),
        (
            {"train": {"text": TEXTS, "label": ["a", "", "a", "b"]}},
            {},
            '1 row of split train has the empty label "": give it a name in train.labels',
        ),
        (
            {"train": {"text": TEXTS, "label": ["a", "b", "a", "b"]}},
            {"class_weights": {"q": 2.0}},
            "class_weights names 'q'",
        ),
        (
            {"train": {"text": TEXTS, "label": [["a"], ["b"], [], ["a"]]}},
            {},
            "holds lists: set  train.multi_label: true",
        ),
        ({"train": {"words": TEXTS}}, {"task": "mlm"}, "the set has no column 'text'"),
        ({"train": {"text": [None, None]}}, {"task": "mlm"}, "no text to learn from"),
        (
            {"train": {"text": TEXTS, "label": ["a", "b", "a", "b"]}},
            {"method": {"last_layers": 9}},
            "9 is more than the 3 layers",
        ),
        (
            {"train": {"text": TEXTS, "label": ["a", "b", "a", "b"]}},
            {"method": {"lora": {"target_modules": ["nothing"]}}},
            "fits target_modules (nothing)",
        ),
    ],
)
def test_data_that_cannot_be_learned(splits, settings, message, make_data, attempt):
    with pytest.raises(TrainingError) as error:
        attempt(make_data(splits), eval_strategy="no", **settings)
    assert message in one_line(error)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"early_stopping_patience": 2}, "holds no rows.*early_stopping_patience needs it"),
        (
            {"early_stopping_patience": 2, "eval_strategy": "no"},
            "early_stopping_patience needs evaluations",
        ),
        ({"max_length": 1}, "train.max_length: 1 leaves no room.*expected 3 or more"),
        ({"max_length": 2}, "train.max_length: 2 leaves no room.*expected 3 or more"),
    ],
)
def test_settings_that_cannot_work_are_said_before_the_first_step(
    settings, message, make_data, attempt, rows_of
):
    with pytest.raises(TrainingError, match=message):
        attempt(make_data({"train": rows_of(8)}), **settings)


@pytest.mark.parametrize(
    ("loss", "kept"), [(float("nan"), True), (float("inf"), True), (float("nan"), False)]
)
def test_a_loss_that_is_no_number(loss, kept, small_set, attempt, monkeypatch):
    from siftset.trainer.tasks.classification import ClassificationTask

    real, calls = ClassificationTask.sum_loss, []

    def broken(self, model, batch):
        calls.append(1)
        value = real(self, model, batch)
        return value * loss if len(calls) > (4 if kept else 0) else value

    monkeypatch.setattr(ClassificationTask, "sum_loss", broken)
    settings = {"max_steps": 30, "logging_steps": 1, "eval_strategy": "epoch"}
    settings["head_start"] = "random"
    if not kept:
        with pytest.raises(TrainingError, match="is not a number at step 1"):
            attempt(small_set, **settings)
        return
    session = attempt(small_set, **settings)
    assert session.loop.state.global_step == 5
    assert "not a number" in {finding.name for finding in session.findings}
    for value in session.take_trained().model.parameters():
        assert torch.isfinite(value).all()


def test_a_full_disk_while_saving(small_set, attempt, monkeypatch, tmp_path):
    from transformers import PreTrainedModel

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(OutputError, match="No space left on device"):
        attempt(small_set)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of files are those of Unix")
@pytest.mark.parametrize("bytes_a_file", [60_000, 150_000])
def test_files_that_cannot_grow_leave_no_model(bytes_a_file, small_set, attempt, tmp_path):
    """The limit stops the weights (110 KB), or else the optimizer's state (240 KB)."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, hard))
    try:
        with pytest.raises(OutputError, match="cannot be written") as error:
            attempt(small_set)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "train again (it resumes)" in one_line(error)
    assert not (tmp_path / "out").exists()
    assert attempt(small_set).loop.state.global_step == 2


def test_models_that_are_refused(tiny_bert, tiny_gpt2, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_bert, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bert, broken)
    (broken / "model.safetensors").write_bytes(b"not weights")
    odd = tmp_path / "odd"
    shutil.copytree(tiny_bert, odd)
    config = json.loads((odd / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForMaskedLM": "mine.Model"}}
    (odd / "config.json").write_text(json.dumps(config))
    (odd / "mine.py").write_text("raise SystemExit('this ran')")
    for name, message in [
        (str(tmp_path / "absent"), "there is no model folder"),
        (str(empty), "it has no config.json"),
        (str(pickled), "only pytorch_model.bin, a pickle that can run code"),
        (str(broken), "cannot be loaded"),
        (str(odd), "cannot be loaded"),
        (str(tiny_gpt2), "is a gpt2 model, which cannot fill masks"),
    ]:
        with pytest.raises(ModelError) as error:
            load("mlm", name)
        assert message in one_line(error)


def test_the_embedded_model_is_named_when_it_is_absent(tmp_path, monkeypatch):
    monkeypatch.setenv("SIFTSET_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="siftset doctor --fetch"):
        load("mlm", "minilm")


def test_a_hub_name_without_a_network_is_one_line(monkeypatch):
    import huggingface_hub

    def offline(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", offline)
    with pytest.raises(ModelError, match="cannot be reached") as error:
        load("mlm", "some/name", revision="abc")
    assert "at revision abc" in one_line(error)


def test_texts_longer_than_the_model_are_cut_and_counted(make_data, attempt):
    texts = [" ".join(["good shoe"] * 80), "bad sock"] * 4
    data = make_data({"train": {"text": texts, "label": ["a", "b"] * 4}})
    session = attempt(data, eval_strategy="no", max_length=500)
    assert session.tokens["train"].lengths.max() == 64
    assert session.tokens["train"].cut == 4
    assert {"truncation", "max_length"} <= {finding.name for finding in session.findings}


def test_a_schedule_setting_is_checked_before_training(small_set, attempt):
    with pytest.raises(RecipeError, match="unknown for the schedule linear"):
        attempt(small_set, lr_scheduler_kwargs={"gamma": 0.5})


def test_a_file_of_the_set_that_is_gone(small_set, attempt):
    small_set.files["validation"][0].unlink()
    with pytest.raises(TrainingError, match="of split validation is not there"):
        attempt(small_set)


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos"), OutputError),
        (RuntimeError("shapes do not fit"), RuntimeError),
    ],
)
def test_torch_writing_to_a_full_disk_is_told_from_a_defect(raised, becomes, tmp_path):
    from siftset.trainer.models.saving import writing_errors

    with pytest.raises(becomes) as caught, writing_errors(tmp_path / "checkpoint"):
        raise raised
    assert (caught.value is raised) == (becomes is RuntimeError)
