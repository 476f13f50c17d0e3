"""Which architectures fit a task, found by asking the model, and what they are called with."""

from __future__ import annotations

import shutil

import pytest
import torch
import transformers

from siftset.schemas.errors import ModelError
from siftset.trainer.models.loading import load
from siftset.trainer.models.positions import first_position
from siftset.trainer.tasks.base import longest_input

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 70,
    "pad_token_id": 0,
}
FAMILIES = {
    "DebertaV2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "Data2VecText": {"pad_token_id": 1},
}


@pytest.fixture
def family(tiny_bert, tmp_path):
    """Save a tiny model of a family with the tokenizer of the tiny BERT."""

    def make(name):
        folder = tmp_path / name
        shutil.copytree(tiny_bert, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(vocab_size=100, **(SHAPE | FAMILIES[name]))
        getattr(transformers, f"{name}ForMaskedLM")(config).save_pretrained(folder)
        return folder

    return make


def test_an_attention_that_a_family_lacks_is_one_line(family):
    with pytest.raises(ModelError, match="scaled_dot_product_attention"):
        load("mlm", str(family("DebertaV2")), attention="sdpa")


def test_positions_start_after_the_pad_token_in_the_families_of_roberta(family):
    loaded = load("mlm", str(family("Data2VecText")))
    assert first_position(loaded.model) == 2
    loaded.tokenizer.model_max_length = 1000
    assert longest_input(loaded) == 68


def test_a_model_that_sees_later_tokens_is_no_causal_one(tiny_bert, tiny_gpt2):
    with pytest.raises(ModelError, match="sees later tokens too"):
        load("causal", str(tiny_bert))
    assert load("causal", str(tiny_gpt2)).model.config.model_type == "gpt2"
