"""What is saved answers elsewhere as it does here."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from siftset.schemas.errors import ModelError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.models.loading import load
from siftset.trainer.train import train

FEW = Compare(resamples=10, positive=None, negative=None, baselines=())


@pytest.fixture
def left_padded(tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "left")
    for name, more in (("tokenizer_config", {"padding_side": "left"}), ("config", {})):
        path = folder / f"{name}.json"
        foreign = {"auto_map": {"AutoModel": "code.Model"}} if name == "config" else {}
        path.write_text(json.dumps(json.loads(path.read_text()) | more | foreign))
    return folder


def test_a_tokenizer_cuts_and_pads_as_it_should(left_padded, small_set, tmp_path, progress):
    config = Train(task="classification", model=str(left_padded), max_steps=1, max_length=9)
    out = tmp_path / "out"
    train(config, FEW, small_set, out=out, seed=1, progress=progress)
    saved = AutoTokenizer.from_pretrained(out)
    assert saved.model_max_length == 9
    assert saved.padding_side == "right"
    assert "auto_map" not in json.loads((out / "config.json").read_text())


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks a deprecated property
def test_adapters_lie_beside_the_merged_weights(tiny_bert, small_set, tmp_path, progress):
    from peft import PeftModel

    config = Train(
        task="classification",
        model=str(tiny_bert),
        method={"lora": {"rank": 2}},
        max_steps=3,
        learning_rate=1e-2,
    )
    out = tmp_path / "out"
    train(config, FEW, small_set, out=out, seed=1, progress=progress)
    torch.manual_seed(0)
    base = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
    apart = PeftModel.from_pretrained(base, out / "adapter").eval()
    merged = AutoModelForSequenceClassification.from_pretrained(out).eval()
    ids = torch.tensor([[2, 9, 12, 20, 3]])
    with torch.no_grad():
        expected = merged(input_ids=ids).logits
        assert torch.allclose(apart(input_ids=ids).logits, expected, atol=1e-5)
        start = load("classification", str(out / "adapter"), labels=("neg", "pos"))
        assert start.untrained_head == ()
        assert torch.allclose(start.model.eval()(input_ids=ids).logits, expected, atol=1e-5)


def test_adapters_without_their_base_must_be_merged_first(tmp_path):
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(tmp_path / "gone")})
    )
    with pytest.raises(ModelError, match="merge them first"):
        load("classification", str(tmp_path), labels=("a", "b"))
