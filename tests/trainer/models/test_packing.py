from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MPNetConfig,
    MPNetForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from siftset.schemas.errors import TrainingError
from siftset.schemas.recipe.train import Train
from siftset.trainer.models.hardware import choose_hardware
from siftset.trainer.models.packing import (
    first_position,
    pack_rows,
    use_packed,
    use_padded,
    wants_packing,
)
from siftset.trainer.models.sparse_head import logits_at
from siftset.trainer.training.session import Session

SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "pad_token_id": 1,
    "max_position_embeddings": 40,
}

FAMILIES = [
    (BertForMaskedLM, BertConfig(**SMALL)),
    (RobertaForMaskedLM, RobertaConfig(**SMALL)),
    (
        DistilBertForMaskedLM,
        DistilBertConfig(vocab_size=300, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    ),
    (AlbertForMaskedLM, AlbertConfig(**SMALL, embedding_size=16)),
    (ElectraForMaskedLM, ElectraConfig(**SMALL, embedding_size=16)),
    (GPT2LMHeadModel, GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=2, n_positions=40)),
    (GPTNeoXForCausalLM, GPTNeoXConfig(**SMALL)),
    (LlamaForCausalLM, LlamaConfig(**SMALL, num_key_value_heads=2)),
]


@pytest.fixture
def hardware():
    return replace(choose_hardware(Train(task="mlm")), device="cpu", precision="fp32")


def batch():
    generator = torch.Generator().manual_seed(3)
    lengths = torch.tensor([20, 17, 9, 20, 1, 12])
    mask = (torch.arange(20)[None] < lengths[:, None]).long()
    ids = torch.randint(5, 300, (6, 20), generator=generator).masked_fill(mask == 0, 1)
    chosen = (torch.rand(ids.shape, generator=generator) < 0.2) & (mask == 1)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "positions": chosen.flatten().nonzero()[:, 0],
        "targets": ids[chosen],
    }


def gradients(model, logits, targets):
    model.zero_grad(set_to_none=True)
    loss = torch.nn.functional.cross_entropy(logits, targets)
    loss.backward()
    return loss.item(), {
        n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize(("kind", "config"), FAMILIES, ids=lambda x: getattr(x, "__name__", ""))
def test_packed_loss_and_gradients_equal_padded_ones(kind, config, hardware):
    torch.manual_seed(0)
    model, given = kind(config).eval(), batch()
    inputs = {name: given[name] for name in ("input_ids", "attention_mask")}
    expected, stock = gradients(
        model, logits_at(model, inputs, given["positions"]), given["targets"]
    )
    assert use_packed(model, hardware, 36)
    packed = pack_rows(given, first_position(model))
    assert packed.inputs["input_ids"].shape == (1, int(given["attention_mask"].sum()))
    found, own = gradients(
        model, logits_at(model, packed.inputs, packed.positions), given["targets"]
    )
    assert abs(found - expected) < 5e-6
    assert own.keys() == stock.keys()
    for name, gradient in stock.items():
        assert (own[name] - gradient).abs().max().item() < 1e-6, name
    use_padded(model, "sdpa")
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (MPNetForMaskedLM, MPNetConfig(**SMALL)),
        (DebertaV2ForMaskedLM, DebertaV2Config(**SMALL)),
    ],
    ids=["mpnet", "deberta"],
)
def test_models_with_an_attention_of_their_own_stay_padded(kind, config, hardware):
    torch.manual_seed(0)
    model = kind(config).eval()
    before = model.config._attn_implementation
    assert not use_packed(model, hardware, 30)
    assert model.config._attn_implementation == before


def test_a_text_does_not_see_its_neighbours(hardware):
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(**SMALL)).eval()
    assert use_packed(model, hardware, 30)
    given = batch()
    other = dict(given, input_ids=given["input_ids"].clone())
    other["input_ids"][0] = 7
    with torch.no_grad():
        one, two = (model(**pack_rows(b).inputs).logits[0] for b in (given, other))
    assert not torch.equal(one[:20], two[:20])
    assert torch.equal(one[20:], two[20:])


@pytest.mark.parametrize("task", ["mlm", "causal"])
def test_a_packed_run_ends_where_a_padded_one_does(
    task, tiny_bert, tiny_gpt2, small_set, tmp_path, progress
):
    def fit(packing):
        config = Train(
            task=task,
            model=str(tiny_bert if task == "mlm" else tiny_gpt2),
            line_by_line=True,
            max_steps=4,
            packing=packing,
            dropout=0.0,
        )
        made = Session(config, small_set, tmp_path / str(packing), seed=3, progress=progress)
        with made.quiet_libraries():
            made.prepare(resume=False)
            made.fit()
        return made

    padded, packed = fit(False), fit(True)
    assert "attention: rows are packed without padding" in progress.lines
    assert packed.task.packed_from == 0
    assert packed.loop.tokens_seen == padded.loop.tokens_seen
    one, other = padded.take_trained().model, packed.take_trained().model
    assert other.config._attn_implementation == "sdpa"
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5), name


@pytest.mark.parametrize(
    ("settings", "device", "packs"),
    [
        ({}, "cpu", False),
        ({}, "cuda", False),
        ({"dropout": 0.0}, "cuda", True),
        ({"packing": True}, "cuda", True),
        ({"packing": False, "dropout": 0.0}, "cuda", False),
        ({"packing": True}, "cpu", True),
    ],
)
def test_when_rows_are_packed(settings, device, packs, hardware):
    model = BertForMaskedLM(BertConfig(**SMALL))
    there = replace(hardware, device=device, precision="bf16", attention="sdpa")
    assert wants_packing(Train(task="mlm", **settings), there, model) == packs


def test_classification_is_not_packed(hardware):
    model = BertForMaskedLM(BertConfig(**SMALL))
    with pytest.raises(TrainingError, match="packs rows of mlm and causal"):
        wants_packing(Train(task="classification", packing=True), hardware, model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", [BertForMaskedLM, LlamaForCausalLM], ids=["bert", "llama"])
def test_the_kernel_agrees_with_padded_batches(kind, hardware):
    torch.manual_seed(0)
    shape = SMALL | {"hidden_size": 128}
    model = kind((BertConfig if kind is BertForMaskedLM else LlamaConfig)(**shape)).eval()
    assert use_packed(model, replace(hardware, device="cuda", precision="bf16"), 36)
