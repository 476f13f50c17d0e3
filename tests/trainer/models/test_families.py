"""Every family of models is trained by the command: tiny configurations with random weights."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest
import torch
import transformers
from tokenizers import Tokenizer, processors
from typer.testing import CliRunner

from siftset.pipeline.cli import app

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 70,
    "pad_token_id": 0,
}
MLM, CAUSAL = "mlm ForMaskedLM", "causal ForCausalLM"
CLASSES = "classification ForSequenceClassification"
FAMILIES = {
    "DebertaV2": (MLM, {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "FNet": (MLM, {}),
    "T5": (CLASSES, {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 2,
                     "eos_token_id": 3, "decoder_start_token_id": 0}),
    "Llama": (CAUSAL, {"num_key_value_heads": 1, "eos_token_id": 3, "bos_token_id": 2}),
    "Data2VecText": (MLM, {"pad_token_id": 1}),
    "Bert": (CLASSES, {}),
    "MPNet": (MLM, {"pad_token_id": 1}),
    "Deberta": (MLM, {}),
    "MegatronBert": (MLM, {}),
    "RemBert": (MLM, {"input_embedding_size": 16, "output_embedding_size": 16}),
    "RoFormer": (MLM, {"embedding_size": 32}),
    "ConvBert": (MLM, {"embedding_size": 32}),
    "IBert": (MLM, {"pad_token_id": 1}),
    "Roberta": (MLM, {"pad_token_id": 1}),
    "XLMRoberta": (MLM, {"pad_token_id": 1}),
    "DistilBert": (MLM, {"dim": 32, "hidden_dim": 48, "n_layers": 1, "n_heads": 2}),
    "Albert": (MLM, {"embedding_size": 16}),
    "Electra": (MLM, {"embedding_size": 16}),
    "ModernBert": (MLM, {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2,
                         "eos_token_id": 3}),
    "GPT2": (CAUSAL, {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}),
    "GPTNeoX": (CAUSAL, {"eos_token_id": 3, "bos_token_id": 2}),
}  # fmt: skip
"""The head that is trained, and what a configuration needs besides SHAPE."""
QUICK = ("DebertaV2", "FNet", "T5", "Llama")
ENDS = ("T5", "Llama", "GPT2", "GPTNeoX")
"""Families whose tokenizers have an end token."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A curated set of 24 rows with labels."""
    folder = tmp_path_factory.mktemp("families")
    rows = [(f"the {noun} is {word} .", label) for noun in ("shoe", "hat", "bag", "sock")
            for word, label in (("good", "pos"), ("great", "pos"), ("warm", "pos"),
                                ("bad", "neg"), ("poor", "neg"), ("cold", "neg"))]  # fmt: skip
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_ndjson(folder / "rows.jsonl")
    document = {
        "name": "families",
        "output": str(folder / "out"),
        "source": {"files": {"paths": ["rows.jsonl"], "label": "label"}},
        "signals": {"some": {"length": {"min": 1}}},
        "keep": "some",
        "split": {"train": 0.7, "validation": 0.3},
        "train": {"task": "mlm", "model": "m", "max_steps": 1, "line_by_line": True},
        "compare": {
            "resamples": 10,
            "positive": None,
            "negative": None,
            "baselines": [],
            "max_new_tokens": 4,
        },
    }
    (folder / "r.json").write_text(json.dumps(document))
    done = CliRunner().invoke(app, ["curate", str(folder / "r.json")])
    assert done.exit_code == 0, done.stderr
    return folder / "r.json"


@pytest.fixture
def train_family(recipe, tiny_bert, tmp_path):
    """Save a tiny model with the tokenizer of the tiny BERT, and train it by the command."""

    def train(name, *, marks_ends=True):
        task, head = FAMILIES[name][0].split()
        folder = tmp_path / name
        shutil.copytree(tiny_bert, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        end = {"eos_token": "[SEP]"} if name in ENDS else {}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings | end))
        if not marks_ends:
            made = Tokenizer.from_file(str(folder / "tokenizer.json"))
            made.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
            made.save(str(folder / "tokenizer.json"))
        torch.manual_seed(0)
        shape = SHAPE | FAMILIES[name][1]
        config = getattr(transformers, f"{name}Config")(vocab_size=100, **shape)
        kind = "GPT2LMHeadModel" if name == "GPT2" else f"{name}{head}"
        getattr(transformers, kind)(config).save_pretrained(folder)
        sets = (f"train.task={task}", f"train.model={folder}")
        options = [part for one in sets for part in ("--set", one)]
        return CliRunner().invoke(app, ["train", str(recipe), *options, "--json"])

    return train


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES],
)
def test_every_family_trains_with_the_attention_that_it_has(name, train_family):
    done = train_family(name)
    assert done.exit_code == 0, done.stderr or done.exception
    result = json.loads(done.stdout)
    assert result["steps"] == 1
    assert result["hardware"]["attention"] in ("eager", "sdpa")
    assert result["metrics"]["after"]["loss"] > 0


def test_a_reader_of_the_end_token_needs_one(train_family):
    done = train_family("T5", marks_ends=False)
    assert done.exit_code == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "classifies by the end token" in line
