from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

WORDS = (
    "the shoes are very good bad nice comfortable expensive cheap nike makes well and not a film "
    "was great dull boring fun i liked it . , ! ##s ##ly to run in"
).split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def wordpiece() -> PreTrainedTokenizerFast:
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *WORDS])}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad", "unk", "cls", "sep", "mask")
    tokens = {f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)}
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=32, **tokens)


@pytest.fixture(scope="session")
def decoder_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer without special tokens around a text, as decoders have."""
    words = ["<end>", "<unk>", *(w for w in WORDS if not w.startswith("##"))]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=64, eos_token="<end>", unk_token="<unk>"
    )


def _bert(tokenizer: PreTrainedTokenizerFast, **more: object) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        pad_token_id=0,
        **more,
    )


@pytest.fixture(scope="session")
def masked_model(wordpiece) -> Callable[[int], BertForMaskedLM]:
    def build(seed: int) -> BertForMaskedLM:
        torch.manual_seed(seed)
        return BertForMaskedLM(_bert(wordpiece, initializer_range=0.5)).eval()

    return build


@pytest.fixture(scope="session")
def classifier_model(wordpiece) -> Callable[[int], BertForSequenceClassification]:
    def build(seed: int) -> BertForSequenceClassification:
        torch.manual_seed(seed)
        labels = {"id2label": {0: "neg", 1: "pos"}, "label2id": {"neg": 0, "pos": 1}}
        config = _bert(wordpiece, initializer_range=0.5, **labels)
        return BertForSequenceClassification(config).eval()

    return build


@pytest.fixture(scope="session")
def causal_model(decoder_tokenizer) -> Callable[[int], GPT2LMHeadModel]:
    def build(seed: int) -> GPT2LMHeadModel:
        torch.manual_seed(seed)
        config = GPT2Config(
            vocab_size=len(decoder_tokenizer),
            n_positions=64,
            n_embd=16,
            n_layer=2,
            n_head=2,
            initializer_range=0.5,
            bos_token_id=0,
            eos_token_id=0,
        )
        return GPT2LMHeadModel(config).eval()

    return build
