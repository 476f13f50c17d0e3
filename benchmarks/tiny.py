"""A tiny BERT with random weights, for what is about training and not about models."""

from __future__ import annotations

from pathlib import Path


def tiny_model(folder: Path) -> int:
    """Make a tiny BERT with random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*names, "good", "bad", "text", "number", *"0123456789"]
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=32, **dict(zip(special, names, strict=True))
    ).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=len(words), intermediate_size=32, max_position_embeddings=32, **size
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return 0
