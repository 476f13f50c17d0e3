"""A causal language model behind the comparison's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from siftset.schemas.errors import ModelError
from siftset.schemas.plurals import format_count
from siftset.trainer.data.chat import ChatTemplate, LearnedText
from siftset.trainer.data.chat_tokens import ChatEncoder
from siftset.trainer.data.pairs import encode_pairs, encode_prompts
from siftset.trainer.data.tokens import Specials, encode_whole_texts
from siftset.trainer.inference.adapters import (
    LOGITS_AT_ONCE,
    TOKENS_AT_ONCE,
    EvaluationModel,
    iter_batches,
)
from siftset.trainer.metrics.bootstrap import Array, Integers
from siftset.trainer.models.sparse_head import logits_at

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_ANSWER_KEYS: Final = "--max-new-tokens, or compare.max_new_tokens,"


def count_prompt_room(length: int, max_new_tokens: int, key: str = _ANSWER_KEYS) -> int:
    """Return how many tokens a prompt may have; raise ModelError, naming `key`, if none is left."""
    if max_new_tokens >= length:
        raise ModelError(
            f"{key} {max_new_tokens} leaves no room for a prompt in the model's "
            f"{format_count(length, 'token')}: lower it"
        )
    return length - max_new_tokens


class CausalLM(EvaluationModel):
    """A causal language model: greedy answers, and the loss of answers and texts."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int = 2048,
    ) -> None:
        super().__init__(model, tokenizer, max_length=max_length)
        self.cut_prompts = 0
        """Prompts that were cut on the left so far."""
        self._chats: ChatEncoder | None = None

    def read_chats(self, template: ChatTemplate) -> None:
        """Take prompts and answers from now on as a chat template has written them.

        Such texts hold all special tokens that they need, and are cut nowhere but where they say.
        """
        self._chats = ChatEncoder(self.tokenizer, template, length=self.max_length)

    def prompt_tokens(self, prompts: Sequence[str], max_new_tokens: int) -> list[list[int]]:
        """Tokenize prompts, cut on the left so that the answer still fits."""
        room = count_prompt_room(self.max_length, max_new_tokens)
        if self._chats is None:
            rows = encode_prompts(self.tokenizer, prompts)
        else:
            encoded = self.tokenizer(list(prompts), add_special_tokens=False, verbose=False)
            rows = [list(ids) for ids in encoded["input_ids"]]
        self.cut_prompts += sum(len(row) > room for row in rows)
        return [row[-room:] for row in rows]

    @property
    def end_tokens(self) -> list[int]:
        """The tokens that end an answer: the tokenizer's, the model's, and the chat template's."""
        saved = getattr(self.model.generation_config, "eos_token_id", None)
        found = [self.tokenizer.eos_token_id, *(saved if isinstance(saved, list) else [saved])]
        found += [] if self._chats is None else [self._chats.find_end()]
        return [int(one) for one in dict.fromkeys(found) if one is not None]

    def generate_answers(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Return greedy answers without the prompt: left padding, real attention mask."""
        import torch
        from transformers import GenerationConfig

        rows = self.prompt_tokens(prompts, max_new_tokens) if len(prompts) else []
        answers = [""] * len(rows)
        ends = self.end_tokens
        padding = self.tokenizer.pad_token_id
        if padding is None and ends:
            padding = ends[0]
        settings = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=ends or None,
            pad_token_id=0 if padding is None else padding,
        )
        lengths = [len(row) + max_new_tokens for row in rows]
        with torch.inference_mode():
            for place in iter_batches(lengths, TOKENS_AT_ONCE):
                batch = self.pad_rows([rows[i] for i in place], left=True)
                made = self.model.generate(**batch, generation_config=settings)  # type: ignore[operator]
                new = made[:, batch["input_ids"].shape[1] :]
                texts = self.tokenizer.batch_decode(new, skip_special_tokens=True)
                for i, text in zip(place, texts, strict=True):
                    answers[int(i)] = text.strip()
        return answers

    def answer_loss(self, prompts: Sequence[str], answers: Sequence[str]) -> Array:
        """Return (rows, 2): the summed loss of each answer's tokens and its end, and their number.

        They are the tokens that training on answers alone learns, cut as there.
        """
        if self._chats is not None:
            return self._chat_loss(self._chats, prompts, answers)
        pairs = encode_pairs(self.tokenizer, prompts, answers)
        specials = Specials.of_tokenizer(self.tokenizer)
        ends = self.tokenizer.eos_token_id
        ends = self.tokenizer.pad_token_id if ends is None else ends
        fitted = [pair.fit(specials, ends, self.max_length) for pair in pairs]
        rows = [ids for ids, _, _ in fitted]
        return self._sum_losses(rows, [len(ids) - max(start, 1) for ids, start, _ in fitted])

    def _chat_loss(
        self, chats: ChatEncoder, prompts: Sequence[str], answers: Sequence[str]
    ) -> Array:
        """Return the loss of answers as training learns them; what is too long loses its start."""
        texts = [
            LearnedText(prompt + answer, ((len(prompt), len(prompt) + len(answer)),), True)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        rows, counted = [], []
        for one in chats.tokenize(texts):
            [(first, last)] = one.spans
            row = one.ids[:last][-self.max_length :]
            rows.append(row)
            counted.append(min(last - first, len(row) - 1))
        return self._sum_losses(rows, counted)

    def text_loss(self, texts: Sequence[str]) -> Array:
        """Return (rows, 2): the summed loss of every token but the first, and their number.

        The end of a text is one of its tokens, unless the text was cut.
        """
        specials = Specials.of_tokenizer(self.tokenizer)
        rows = encode_whole_texts(self.tokenizer, texts, self.max_length, specials).input_ids
        return self._sum_losses(rows, [max(0, len(row) - 1) for row in rows])

    def _sum_losses(self, rows: Sequence[Sequence[int]], counted: Sequence[int]) -> Array:
        """Return loss and number of the last `counted` tokens of each row."""
        if not rows:
            return np.empty((0, 2))

        def score_batch(place: Integers) -> Array:
            import torch

            some = [(rows[i], counted[i]) for i in place]
            batch = self.pad_rows([row for row, _ in some])
            wanted = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
            for i, (row, n) in enumerate(some):
                wanted[i, len(row) - 1 - n : len(row) - 1] = n > 0
            targets = batch["input_ids"].roll(-1, 1)[wanted]
            sums = torch.zeros((len(some), 2), dtype=torch.double, device=targets.device)
            if targets.numel():  # the head sees only the positions that count
                logits = logits_at(self.model, batch, wanted.flatten().nonzero()[:, 0])
                loss = logits.logsumexp(1) - logits.gather(1, targets[:, None])[:, 0]
                columns = torch.stack([loss, torch.ones_like(loss)], 1).double()
                sums.index_add_(0, wanted.nonzero()[:, 0], columns)
            return np.asarray(sums.cpu().numpy())

        vocabulary = int(self.model.config.vocab_size)
        return self.answer_batches(
            rows, score_batch, min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // vocabulary)
        )
