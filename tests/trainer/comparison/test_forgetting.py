from __future__ import annotations

import json

import pytest

from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.comparison import Forgetting
from siftset.trainer.train import train
from siftset.trainer.training.checks import check_forgetting


@pytest.fixture
def general(tmp_path):
    path = tmp_path / "general.txt"
    path.write_text("the shoe is soft and light .\nit was a very cold ball .\n" * 8, "utf-8")
    return path


@pytest.fixture
def fit(tmp_path, progress, small_set, general):
    def run(model, **more):
        settings = {"max_steps": 6, "learning_rate": 3e-2, "head_start": "random"} | more
        config = Train(task="classification", model=str(model), **settings)
        compare = Compare(
            general=str(general), max_general_ppl_increase=0.1, resamples=50, baselines=()
        )
        out = tmp_path / "out"
        result = train(config, compare, small_set, out=out, seed=2, progress=progress)
        return result, json.loads((out / "compare.json").read_text("utf-8"))["forgetting"]

    return run


@pytest.mark.parametrize("family", ["tiny_bert", "tiny_gpt2"])
def test_what_training_does_to_general_text_is_measured(family, fit, request):
    """These models have random weights, hence nothing to forget: their perplexity only moves."""
    _, found = fit(request.getfixturevalue(family))
    assert found["verdict"] in ("pass", "fail")
    assert abs(found["increase"]) > 1e-3
    assert found["general"]["n"] == 16
    assert "head for words of the base model" in found["note"]


def test_forgetting_beyond_the_gate_is_called_so():
    found = Forgetting(increase=0.25, limit=0.1, verdict="fail")
    (finding,) = check_forgetting(found)
    assert (finding.name, finding.level, finding.value) == ("forgetting", "critical", 0.25)
    assert "rose by 25.0%, allowed 10.0%" in finding.message
    assert check_forgetting(found.model_copy(update={"verdict": "pass"})) == []
    assert check_forgetting(None) == []


@pytest.mark.parametrize("family", ["tiny_bert", "tiny_gpt2"])
def test_a_frozen_encoder_forgets_nothing(family, fit, request):
    result, found = fit(request.getfixturevalue(family), method="frozen")
    assert found["verdict"] == "pass"
    assert found["increase"] == pytest.approx(0.0, abs=1e-6)
    assert "forgetting" not in {one.name for one in result.findings}


def test_a_base_without_a_head_for_words_is_said(fit, tiny_bert, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    bare = tmp_path / "bare"
    AutoModel.from_pretrained(tiny_bert, add_pooling_layer=False).save_pretrained(bare)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(bare)
    _, found = fit(bare)
    assert found["verdict"] == "not judged"
    assert "has no trained head for words" in found["note"]
