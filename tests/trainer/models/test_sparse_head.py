from __future__ import annotations

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
    ModernBertConfig,
    ModernBertForMaskedLM,
    MPNetConfig,
    MPNetForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from siftset.trainer.models.sparse_head import logits_at

SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "pad_token_id": 0,
}

FAMILIES = [
    (BertForMaskedLM, BertConfig(**SMALL)),
    (RobertaForMaskedLM, RobertaConfig(**SMALL)),
    (XLMRobertaForMaskedLM, XLMRobertaConfig(**SMALL)),
    (
        DistilBertForMaskedLM,
        DistilBertConfig(vocab_size=300, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    ),
    (AlbertForMaskedLM, AlbertConfig(**SMALL, embedding_size=16)),
    (ElectraForMaskedLM, ElectraConfig(**SMALL, embedding_size=16)),
    (DebertaV2ForMaskedLM, DebertaV2Config(**SMALL)),
    (MPNetForMaskedLM, MPNetConfig(**SMALL)),
    (
        ModernBertForMaskedLM,
        ModernBertConfig(**SMALL, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2),
    ),
]


def batch():
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(5, 300, (6, 20), generator=generator)
    mask = (torch.arange(20)[None] < torch.tensor([20, 17, 9, 20, 5, 12])[:, None]).long()
    ids = ids * mask
    chosen = (torch.rand(ids.shape, generator=generator) < 0.2) & (mask == 1)
    return {"input_ids": ids, "attention_mask": mask}, ids.masked_fill(~chosen, -100), chosen


@pytest.mark.parametrize(("kind", "config"), FAMILIES, ids=lambda x: getattr(x, "__name__", ""))
def test_loss_and_gradients_equal_the_stock_head(kind, config):
    torch.manual_seed(0)
    model = kind(config).eval()
    inputs, labels, chosen = batch()

    stock = model(**inputs, labels=labels).loss
    stock.backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)

    logits = logits_at(model, inputs, chosen.flatten().nonzero()[:, 0])
    loss = torch.nn.functional.cross_entropy(logits, labels[chosen])
    loss.backward()

    assert logits.shape == (int(chosen.sum()), 300)
    assert abs(loss.item() - stock.item()) < 5e-6
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max().item() < 1e-6, name


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (GPT2LMHeadModel, GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=2)),
        (GPTNeoXForCausalLM, GPTNeoXConfig(**SMALL)),
    ],
    ids=["gpt2", "gpt_neox"],
)
def test_causal_logits_at_positions_equal_the_stock_ones(kind, config):
    torch.manual_seed(0)
    model = kind(config).eval()
    inputs, _, chosen = batch()
    with torch.no_grad():
        expected = model(**inputs).logits[chosen]
        found = logits_at(model, inputs, chosen.flatten().nonzero()[:, 0])
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_hook_is_gone_after_an_error():
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(**SMALL)).eval()
    inputs, _, _ = batch()
    with pytest.raises(IndexError):
        logits_at(model, inputs, torch.tensor([10**6]))
    assert model(**inputs).logits.shape == (6, 20, 300)
