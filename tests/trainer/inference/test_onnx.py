"""`siftset onnx`: a file that answers as the model does, or no file."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession

from siftset.schemas.errors import MissingExtraError, ModelError
from siftset.trainer.inference import onnx
from siftset.trainer.inference.load_model import load_trained
from siftset.trainer.models.loading import load
from siftset.trainer.models.mean_pooling import add_averaging_layer
from siftset.trainer.models.saving import save_model

TEXTS = ("the shoe is very good .", "the bag", "it was not a warm jacket and the hat is cold .")
LABELS = ("bad", "fair", "good")


def saved(task, base, folder, *, average=False):
    """Save a model whose weights are large enough that a wrong mask shows."""
    loaded = load(task, str(base), labels=LABELS if task == "classification" else ())
    assert add_averaging_layer(loaded.model) if average else True
    with torch.no_grad():
        for name, weights in loaded.model.named_parameters():
            if weights.ndim > 1 and "layer.3" not in name:
                weights.mul_(8)
    save_model(loaded, folder, max_length=64)
    return folder


@pytest.mark.parametrize(
    ("task", "family", "average"),
    [
        ("mlm", "tiny_bert", False),
        ("classification", "tiny_bert", True),
        pytest.param("classification", "tiny_gpt2", False, marks=pytest.mark.slow),
        pytest.param("causal", "tiny_gpt2", False, marks=pytest.mark.slow),
    ],
)
def test_a_file_answers_as_the_model_does(task, family, average, request, tmp_path, run):
    model = saved(task, request.getfixturevalue(family), tmp_path / "model", average=average)
    out = tmp_path / "new" / "model.onnx"
    done = run("onnx", model, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["task"], told["bytes"]) == (task, out.stat().st_size)
    assert [path.name for path in out.parent.iterdir()] == ["model.onnx"]

    session = InferenceSession(out, providers=["CPUExecutionProvider"])
    loaded = load_trained(str(model), task)
    for texts in (TEXTS, TEXTS[1:2], TEXTS * 3):
        given = loaded.tokenizer(list(texts), padding=True, return_tensors="np")
        batch = {name: given[name].astype(np.int64) for name in onnx.INPUTS}
        with torch.no_grad():
            wanted = loaded.model(**{k: torch.from_numpy(v) for k, v in batch.items()}).logits
        (found,) = session.run(["logits"], batch)
        real = batch["attention_mask"].astype(bool) if found.ndim == 3 else slice(None)
        assert np.ptp(wanted.numpy()[real]) > 0.1
        np.testing.assert_allclose(found[real], wanted.numpy()[real], rtol=0, atol=1e-4)
    described = session.get_modelmeta().custom_metadata_map
    assert json.loads(described.get("labels", "null")) == (
        list(LABELS) if task == "classification" else None
    )


@pytest.mark.slow
def test_a_file_that_answers_otherwise_is_not_written(tiny_gpt2, tmp_path, monkeypatch):
    out = tmp_path / "model.onnx"
    out.write_text("what lay there before")
    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="would differ from the model by"):
        onnx.export_onnx(str(tiny_gpt2), out)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what lay there before"]


def test_what_cannot_be_written_is_said_first(tiny_bert, tmp_path, monkeypatch, run):
    done = run("onnx", tiny_bert, "--out", tmp_path / "model.pb")
    assert (done.exit_code, "expected .onnx" in done.stderr) == (2, True)
    done = run("onnx", tmp_path, "--out", tmp_path / "model.onnx")
    assert (done.exit_code, "no config.json" in done.stderr) == (2, True)
    here = importlib.util.find_spec
    hidden = lambda name: None if name == "onnxscript" else here(name)  # noqa: E731
    monkeypatch.setattr(onnx, "find_spec", hidden)
    with pytest.raises(MissingExtraError, match=r'pip install "siftset\[onnx\]"'):
        onnx.export_onnx(str(tiny_bert), tmp_path / "model.onnx")
