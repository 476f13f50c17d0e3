"""Prompts and answers as tokens: one text, cut between the two at the character."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from siftset.trainer.data.tokens import Specials

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """The tokens of a prompt and of its answer."""

    prompt: list[int]
    answer: list[int]

    def fit(self, specials: Specials, end: int | None, length: int) -> tuple[list[int], int, bool]:
        """Return at most `length` tokens, where the answer starts in them, and whether it was cut.

        The first special tokens come before, `end` after. What is too long loses the answer's end,
        then the prompt's beginning, so that half of `length` stays for the answer if it needs that.
        """
        first, last = list(specials.before), [] if end is None else [end]
        said = [*self.answer, *last]
        kept = said[: max(length // 2, length - len(self.prompt) - len(first))]
        room = length - len(kept) - len(first)
        shown = self.prompt[max(len(self.prompt) - room, 0) :]
        cut = len(kept) + len(shown) < len(said) + len(self.prompt)
        return [*first, *shown, *kept], len(first) + len(shown), cut


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], answers: Sequence[str]
) -> list[EncodedPair]:
    """Tokenize each prompt with its answer as one text, without special tokens.

    White space between the two belongs to the answer, as it does in running text, where byte-pair
    tokens begin with the blank before a word: a prompt that ends in a blank of its own is one that
    a pretrained model never saw. A token that reaches into the answer is the answer's.
    """
    if not prompts:
        return []
    heads = [prompt.rstrip() for prompt in prompts]
    texts = [
        head + prompt[len(head) :] + answer
        for head, prompt, answer in zip(heads, prompts, answers, strict=True)
    ]
    options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
    if not tokenizer.is_fast:
        known = tokenizer(heads, **options)["input_ids"]
        both = zip(known, tokenizer(texts, **options)["input_ids"], strict=True)
        return [_cut_where_they_part(head, ids) for head, ids in both]
    encoded = tokenizer(texts, return_offsets_mapping=True, **options)
    pairs = []
    for head, ids, spans in zip(
        heads, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        start = next((i for i, (_, end) in enumerate(spans) if end > len(head)), len(ids))
        pairs.append(EncodedPair(list(ids[:start]), list(ids[start:])))
    return pairs


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[list[int]]:
    """Tokenize prompts as they are before an answer: no white space and no special token after."""
    before = list(Specials.of_tokenizer(tokenizer).before)
    pairs = encode_pairs(tokenizer, prompts, [""] * len(prompts))
    return [[*before, *pair.prompt] for pair in pairs]


def _cut_where_they_part(head: Sequence[int], ids: Sequence[int]) -> EncodedPair:
    """Cut where the tokens of the whole text leave those of the prompt alone."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(head, ids, strict=False))
    start = sum(1 for _ in same)
    return EncodedPair(list(ids[:start]), list(ids[start:]))
