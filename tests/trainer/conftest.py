"""Tiny models with random weights, tokenizers made of the test's own words, and small sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from siftset.schemas.progress import Silent
from siftset.schemas.results.lineage import Lineage, TrainingData

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

NOUNS = ("shoe", "shirt", "sock", "jacket", "ball", "glove", "hat", "bag")
GOOD = ("good", "great", "light", "soft", "strong", "warm")
BAD = ("bad", "poor", "heavy", "rough", "weak", "cold")
WORDS = (*NOUNS, *GOOD, *BAD, "the", "is", "and", "very", "not", "a", "it", "was", ".", "##s")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    import torch

    torch.set_num_threads(1)


def sentences(n: int, *, start: int = 0) -> list[tuple[str, str]]:
    """Return n different sentences with their labels."""
    out = []
    for i in range(start, start + n):
        words, label = (GOOD, "pos") if i % 2 == 0 else (BAD, "neg")
        noun, other = NOUNS[i % 8], NOUNS[(i // 8) % 8]
        tail = f" and it was {words[(i // 7) % 6]}" if i % 3 else ""
        out.append((f"the {noun} and the {other} is very {words[i % 6]}{tail} .", label))
    return out


def wordpiece(folder: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    vocabulary = {word: i for i, word in enumerate((*names, *WORDS))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    ).save_pretrained(folder)


def plain_words(folder: Path) -> None:
    """Save a decoder's tokenizer: no special tokens but the end, and no pad token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    extra = ("question", "answer", "Question", "Answer", ":", "what", "<unk>")
    vocabulary = {word: i for i, word in enumerate(("<end>", *extra, *WORDS))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<end>", unk_token="<unk>", model_max_length=64
    ).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """Folder of a tiny BERT with a masked-LM head."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("models") / "bert"
    wordpiece(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory) -> Path:
    """Folder of a tiny GPT-2 without a pad token."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("models") / "gpt2"
    plain_words(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=8 + len(WORDS),
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


Rows = Mapping[str, Sequence[object]]


@pytest.fixture
def make_data(tmp_path) -> Callable[[dict[str, Rows]], TrainingData]:
    """Write splits as Parquet and return them as the pipeline hands them over."""

    def write(splits: dict[str, Rows]) -> TrainingData:
        files = {}
        for split, columns in splits.items():
            frame = pl.DataFrame(dict(columns))
            ids = pl.Series([f"{split}{i:06}" for i in range(frame.height)], dtype=pl.String)
            path = tmp_path / f"{split}.parquet"
            frame.with_columns(row_id=ids).write_parquet(path)
            files[split] = (path,) if frame.height else ()
        lineage = Lineage("tests", "hash", "set", 1, "run", "keep", "formula")
        return TrainingData(files, lineage)

    return write


def labelled(n: int, *, start: int = 0) -> Rows:
    made = sentences(n, start=start)
    return {"text": [text for text, _ in made], "label": [label for _, label in made]}


@pytest.fixture
def small_set(make_data) -> TrainingData:
    """96 training and 24 validation sentences with labels."""
    return make_data({"train": labelled(96), "validation": labelled(24, start=200)})


@pytest.fixture
def rows_of() -> Callable[..., Rows]:
    return labelled


class Recorded(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def progress() -> Recorded:
    return Recorded()
