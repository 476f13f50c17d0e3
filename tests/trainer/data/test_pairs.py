"""Prompts with answers are tokenized as the running text that a pretrained model saw."""

from __future__ import annotations

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from siftset.trainer.data.pairs import EncodedPair, encode_pairs, encode_prompts
from siftset.trainer.data.tokens import Specials

TEXTS = [
    "Question: what is the shoe\nAnswer: it is good and light .",
    "Question: what was the hat\nAnswer: it was bad and very cold .",
    "Input: the ball\nOutput: the ball is warm",
] * 3


def wrap(made: Tokenizer, **specials: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=made, **specials)


def byte_pairs() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    return wrap(made)


def word_pieces() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    names = ["[UNK]", "[CLS]", "[SEP]"]
    made.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=150, special_tokens=names, show_progress=False)
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return wrap(made, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


def sentence_pieces() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    names = ["<unk>", "<s>"]
    made.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=names, unk_token="<unk>", show_progress=False
        ),
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return wrap(made, unk_token="<unk>", bos_token="<s>")


KINDS = (byte_pairs, word_pieces, sentence_pieces)
PROMPT = "Question: what is the shoe\nAnswer:"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("blank", ["", " ", "\n", "  \n"])
def test_a_pair_is_cut_out_of_one_text(kind, blank):
    tokenizer = kind()
    (pair,) = encode_pairs(tokenizer, [PROMPT + blank], ["it is good"])
    whole = tokenizer(PROMPT + blank + "it is good", add_special_tokens=False)["input_ids"]
    assert pair.prompt + pair.answer == list(whole)
    assert tokenizer.decode(pair.answer).split() == ["it", "is", "good"]
    assert pair.prompt == list(tokenizer(PROMPT, add_special_tokens=False)["input_ids"])


def test_a_blank_goes_with_the_word_after_it():
    tokenizer = byte_pairs()
    (pair,) = encode_pairs(tokenizer, [PROMPT + " "], ["it is good"])
    assert tokenizer.convert_ids_to_tokens(pair.answer)[0] == "Ġit"
    assert not tokenizer.convert_ids_to_tokens(pair.prompt)[-1].startswith("Ġ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_alone_begins_as_its_pair(kind):
    tokenizer = kind()
    (asked,) = encode_prompts(tokenizer, [PROMPT + " "])
    (pair,) = encode_pairs(tokenizer, [PROMPT + " "], ["it is good"])
    assert asked == [*Specials.of_tokenizer(tokenizer).before, *pair.prompt]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_without_offsets_cuts_at_the_same_place(kind, monkeypatch):
    fast = kind()
    expected = encode_pairs(fast, [PROMPT + " "], ["the ball is warm"])
    monkeypatch.setattr(type(fast), "is_fast", property(lambda _: False))
    assert encode_pairs(fast, [PROMPT + " "], ["the ball is warm"]) == expected


@pytest.mark.parametrize(
    ("prompt", "answer", "length", "expected"),
    [
        ([1, 2], [3, 4], 9, ([7, 1, 2, 3, 4, 0], 3, False)),
        ([1, 2, 3, 4], [5, 6], 6, ([7, 3, 4, 5, 6, 0], 3, True)),
        ([1], [2, 3, 4, 5, 6], 4, ([7, 1, 2, 3], 2, True)),
    ],
)
def test_what_is_too_long_keeps_room_for_the_answer(prompt, answer, length, expected):
    assert EncodedPair(prompt, answer).fit(Specials((7,), ()), 0, length) == expected
