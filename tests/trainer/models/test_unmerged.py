"""Adapters that are saved by themselves answer as the merged model does."""

from __future__ import annotations

import json
import shutil

import pytest

from siftset.schemas.errors import ModelError
from siftset.schemas.recipe.train import Compare, Train
from siftset.trainer.inference.predict import PredictSettings, load_predictor
from siftset.trainer.train import train

ASK = Compare(resamples=20, max_new_tokens=4, generated=2, baselines=())


@pytest.mark.parametrize("task", ["classification", pytest.param("causal", marks=pytest.mark.slow)])
def test_adapters_alone_answer_as_the_merged_model(
    task, tiny_bert, tiny_gpt2, small_set, tmp_path, progress
):
    base = tmp_path / "base"
    shutil.copytree(tiny_bert if task == "classification" else tiny_gpt2, base)
    texts = ["the shoe is very good .", "the hat was cold ."]
    answers = {}
    for merge in (True, False):
        method = {"lora": {"rank": 4, "merge": merge}}
        config = Train(task=task, model=str(base), method=method, max_steps=4, learning_rate=1e-2)
        out = tmp_path / f"{merge}"
        train(config, ASK, small_set, out=out, seed=1, progress=progress)
        answers[merge] = load_predictor(str(out), PredictSettings(max_new_tokens=4))(texts)
    assert json.dumps(answers[True]) == json.dumps(answers[False])
    assert not (tmp_path / "False" / "model.safetensors").exists()
    assert (tmp_path / "False" / "adapter_model.safetensors").is_file()
    assert (tmp_path / "True" / "adapter" / "adapter_model.safetensors").is_file()
    said = json.loads((tmp_path / "False" / "base.json").read_text())
    assert said["name"] == str(base)
    settings = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(settings | {"x": 1}))
    with pytest.raises(ModelError, match=r"holds adapters of .* whose files have changed since"):
        load_predictor(str(tmp_path / "False"))
