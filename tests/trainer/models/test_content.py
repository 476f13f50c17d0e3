"""A base model is known by its content: other weights under the same name are another model."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from siftset.pipeline.model_registry.inputs import model_id
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.content import identify_base
from siftset.trainer.training.checkpoints import run_key


def test_changed_weights_make_another_model_and_no_checkpoint(tiny_bert, small_set, tmp_path):
    base = shutil.copytree(tiny_bert, tmp_path / "base")
    config = Train(task="mlm", model=str(base))

    def keys():
        return model_id(config, small_set.lineage, 0), run_key(config, small_set, 0, 1)

    first = keys()
    (base / "README.md").write_text("a card does not make a model")
    (base / "training.json").write_text("{}")
    assert keys() == first
    weights = load_file(base / "model.safetensors")
    next(iter(weights.values())).flatten()[0] += 1
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    assert keys()[0] != first[0]
    assert keys()[1] != first[1]


@pytest.mark.parametrize(
    "name", ["tokenizer.json", "config.json", "spm.model", "chat_template.jinja"]
)
def test_any_file_that_loading_reads_makes_another_model(tiny_bert, small_set, tmp_path, name: str):
    base = shutil.copytree(tiny_bert, tmp_path / "base")
    config = Train(task="mlm", model=str(base))
    first = model_id(config, small_set.lineage, 0), run_key(config, small_set, 0, 1)
    with (base / name).open("a") as file:
        file.write("\n")
    second = model_id(config, small_set.lineage, 0), run_key(config, small_set, 0, 1)
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_adapters_are_known_by_their_settings_and_by_the_base_that_they_name(tiny_bert, tmp_path):
    base = shutil.copytree(tiny_bert, tmp_path / "base")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")

    def digest(alpha: int) -> str:
        settings = {"base_model_name_or_path": str(base), "lora_alpha": alpha}
        (adapter / "adapter_config.json").write_text(json.dumps(settings))
        return identify_base(Train(task="mlm", model=str(adapter)))["model"]

    first = digest(16)
    assert digest(32) != first
    assert digest(16) == first
    weights = load_file(base / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, base / "model.safetensors")
    assert digest(16) != first


def test_other_text_to_replay_makes_another_model(tiny_bert, small_set, tmp_path):
    general = tmp_path / "general.txt"
    general.write_text("the shoe\n")
    config = Train(task="mlm", model=str(tiny_bert), replay={"path": str(general)})
    first = model_id(config, small_set.lineage, 0)
    general.write_text("the sock\n")
    assert model_id(config, small_set.lineage, 0) != first
