from __future__ import annotations

import warnings

import pytest
import torch

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.loading import load
from siftset.trainer.models.methods import prepare_method
from siftset.trainer.training.session import Session


@pytest.fixture
def fit(tmp_path, progress, small_set):
    def run(config, name="out"):
        session = Session(config, small_set, tmp_path / name, seed=3, progress=progress)
        with session.quiet_libraries():
            session.prepare(resume=False)
            before = {
                n: p.detach().clone() for n, p in session.task.loaded.model.named_parameters()
            }
            session.fit()
            trained = session.take_trained().model
        changed = {
            n
            for n, p in trained.named_parameters()
            if n in before and not torch.equal(p, before[n])
        }
        return session, trained, changed

    return run


def config(folder, method, **more):
    settings = {"task": "classification", "model": str(folder), "max_steps": 6, "method": method}
    return Train.model_validate(settings | {"learning_rate": 1e-2} | more)


@pytest.mark.parametrize("family", ["tiny_bert", "tiny_gpt2"])
def test_frozen_trains_the_head_on_features_computed_once(family, fit, request, monkeypatch):
    folder = request.getfixturevalue(family)
    session, trained, changed = fit(config(folder, "frozen"))
    assert session.cached is not None
    assert changed
    assert not any("layer." in n or "embedding" in n or ".h." in n for n in changed)

    calls = []
    base = trained.base_model
    base.register_forward_hook(lambda *_: calls.append(1))
    assert trained(input_ids=torch.tensor([[2, 9, 3]])).logits.shape == (1, 2)
    assert calls, "the backbone is back in its place"


def test_cached_features_train_to_the_same_weights_as_the_whole_model(tiny_bert, fit, monkeypatch):
    _, quick, _ = fit(config(tiny_bert, "frozen", head_start="random"), name="quick")
    monkeypatch.setattr("siftset.trainer.training.session.cache_features", lambda *_: None)
    _, slow, _ = fit(config(tiny_bert, "frozen", head_start="random"), name="slow")
    for (name, one), (_, two) in zip(
        quick.named_parameters(), slow.named_parameters(), strict=True
    ):
        assert torch.allclose(one, two, atol=1e-4), name


def test_last_layers_train_and_the_others_stay(tiny_bert, fit):
    _, _, changed = fit(config(tiny_bert, {"last_layers": 1}))
    layers = {n.split("layer.")[1][0] for n in changed if "encoder.layer." in n}
    assert layers == {"2"}
    assert any(n.startswith("classifier") for n in changed)
    assert not any("embeddings" in n for n in changed)


def test_gradual_unfreezing_opens_a_layer_every_epoch(tiny_bert):
    model = load("classification", str(tiny_bert), labels=("a", "b")).model
    method = {"last_layers": 2, "gradual": True, "layer_decay": 0.5}
    prepared = prepare_method(model, config(tiny_bert, method))
    layers = model.bert.encoder.layer
    for epoch, expected in [(0, "nnn"), (1, "nny"), (2, "nyy"), (5, "nyy"), (0, "nnn")]:
        prepared.unfreeze_for(epoch)
        found = [all(p.requires_grad for p in layer.parameters()) for layer in layers]
        assert found == [letter == "y" for letter in expected]
    assert prepared.rate_of(model.classifier.weight) == 1.0
    assert prepared.rate_of(layers[2].output.dense.weight) == 0.5
    assert prepared.rate_of(layers[1].output.dense.weight) == 0.25


@pytest.mark.parametrize(
    ("family", "task"),
    [
        ("tiny_bert", "classification"),
        ("tiny_bert", "mlm"),
        ("tiny_gpt2", "classification"),
    ],
)
def test_lora_is_merged_into_plain_weights(family, task, fit, request, tmp_path):
    folder = request.getfixturevalue(family)
    session, trained, _ = fit(config(folder, {"lora": {"rank": 4}}, task=task, line_by_line=True))
    names = {name for name, _ in trained.named_parameters()}
    assert not any("lora" in name for name in names)
    share = session.estimate.trained_parameters / session.estimate.parameters
    assert share < 0.25
    original = load(task, str(folder), labels=("a", "b")).model
    assert names == {name for name, _ in original.named_parameters()}
    layer = next(n for n in names if "query.weight" in n or "c_attn.weight" in n)
    assert not torch.equal(trained.get_parameter(layer), original.get_parameter(layer))
    trained.save_pretrained(tmp_path / "merged")
    load(task, str(folder), labels=("a", "b"))


@pytest.mark.parametrize(
    ("family", "head"),
    [("tiny_bert", {"bert.pooler", "classifier"}), ("tiny_gpt2", {"score"})],
)
def test_lora_trains_and_saves_the_whole_head(family, head, request, tmp_path):
    from safetensors.torch import load_file

    folder = request.getfixturevalue(family)
    model = load("classification", str(folder), labels=("a", "b")).model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        prepared = prepare_method(model, config(folder, {"lora": {"rank": 2}})).model
    trained = {n for n, p in prepared.named_parameters() if p.requires_grad and "lora" not in n}
    assert {n.split("base_model.model.")[1].split(".modules_to_save")[0] for n in trained} == head
    prepared.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    for part in head:
        assert any(f".{part}." in name for name in saved), part


def test_frozen_causal_has_nothing_to_train(tiny_gpt2):
    model = load("causal", str(tiny_gpt2)).model
    with pytest.raises(TrainingError, match="leaves nothing to train in GPT2LMHeadModel"):
        prepare_method(model, config(tiny_gpt2, "frozen", task="causal"))


def test_gradual_unfreezing_is_refused_for_several_processes(tiny_bert):
    model = load("classification", str(tiny_bert), labels=("a", "b")).model
    with pytest.raises(TrainingError, match="use one process or gradual: false"):
        prepare_method(model, config(tiny_bert, {"last_layers": 2, "gradual": True}), processes=2)
