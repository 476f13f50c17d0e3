"""transformers models behind the comparison's protocols: fp32, no gradients, no stored logits."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siftset.schemas.errors import RecipeError
from siftset.schemas.plurals import format_count
from siftset.schemas.results.comparison import Token
from siftset.trainer.data.masks import EVALUATION, keyed_uniform
from siftset.trainer.inference.protocols import TokenVocabulary
from siftset.trainer.inference.word_lists import MASKS, fill_sentence, strip_mark
from siftset.trainer.metrics.bootstrap import Array, Flags, Integers
from siftset.trainer.models.sparse_head import logits_at

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS_AT_ONCE = 4096
"""Padded tokens of one evaluation batch."""

LOGITS_AT_ONCE = 16_000_000
"""Logits held at once (64 MB), so that a large vocabulary means smaller batches."""


def iter_batches(lengths: Sequence[int], budget: int) -> Iterator[Integers]:
    """Yield the places of texts in batches of like length, of at most `budget` padded tokens.

    A text longer than the budget is a batch by itself.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")[::-1]
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[int(order[start])]))
        yield order[start : start + size]
        start += size


@dataclass(frozen=True, slots=True)
class MaskFill:
    """One mask of one model: log-probabilities of the whole vocabulary, while they are needed."""

    log_probs: Array
    order: Integers

    @classmethod
    def rank_tokens(cls, log_probs: Array) -> MaskFill:
        """Rank the tokens, likeliest first; equal ones by id."""
        log_probs = np.asarray(log_probs, dtype=np.float64)
        return cls(log_probs, np.argsort(-log_probs, kind="stable"))

    @property
    def probs(self) -> Array:
        """Return the probabilities."""
        return np.exp(self.log_probs)

    def find_rank(self, token: int) -> int:
        """Return the rank of a token, from 1."""
        return int((self.log_probs > self.log_probs[token]).sum()) + 1

    def measure_entropy(self) -> float:
        """Return the entropy in nats."""
        return float(-(self.probs * np.maximum(self.log_probs, -700)).sum())


def likeliest_tokens(
    fill: MaskFill, vocabulary: TokenVocabulary, place: tuple[str, int], n: int
) -> tuple[Token, ...]:
    """Return the n likeliest tokens at a mask of a prompt, each with the whole sentence."""
    prompt, mask = place
    return tuple(
        Token(
            token=strip_mark(vocabulary.tokens[i]),
            probability=float(np.exp(fill.log_probs[i])),
            sentence=fill_sentence(prompt, mask, vocabulary.tokens[i]),
        )
        for i in fill.order[:n]
    )


class EvaluationModel:
    """A model and its tokenizer, ready to be asked: evaluation mode, fp32."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int = 128,
    ) -> None:

        self.model = model
        model.train(False)
        for tensors in (model.parameters(), model.buffers()):
            for tensor in tensors:
                tensor.data = tensor.data.float() if tensor.is_floating_point() else tensor.data
        self.tokenizer = tokenizer
        limit = getattr(model.config, "max_position_embeddings", None) or max_length
        self.max_length = min(max_length, limit, tokenizer.model_max_length)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenize, cut to `max_length`."""
        if not len(texts):
            return []
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)
        return [list(ids) for ids in encoded["input_ids"]]

    def pad_rows(
        self, rows: Sequence[Sequence[int]], *, left: bool = False
    ) -> dict[str, torch.Tensor]:
        """Return input_ids and attention_mask of rows of one batch."""
        import torch

        width = max(1, *(len(row) for row in rows)) if rows else 1
        padding = self.tokenizer.pad_token_id
        ids = torch.full((len(rows), width), 0 if padding is None else padding)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            where = slice(width - len(row), width) if left else slice(0, len(row))
            ids[i, where] = torch.tensor(row, dtype=torch.long)
            mask[i, where] = 1
        device = self.model.device
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}

    def answer_batches(
        self, rows: Sequence[Sequence[int]], answer: Callable[[Integers], Array], budget: int
    ) -> Array:
        """Answer batches of like length; return the answers in the order of the rows."""
        import torch

        parts, places = [], []
        with torch.inference_mode():
            for place in iter_batches([len(row) for row in rows], budget):
                parts.append(answer(place))
                places.append(place)
        back = np.argsort(np.concatenate(places))
        return np.concatenate(parts)[back]

    def embed_texts(self, texts: Sequence[str]) -> Array:
        """Return the mean of the last hidden state over each text's tokens (texts, width)."""
        rows = self.tokenize(texts)
        if not rows:
            return np.empty((0, int(self.model.config.hidden_size)))

        def pool_batch(place: Integers) -> Array:
            batch = self.pad_rows([rows[i] for i in place])
            hidden = self.model.base_model(**batch)[0]
            weights = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
            return np.asarray(pooled.double().cpu().numpy())

        return self.answer_batches(rows, pool_batch, TOKENS_AT_ONCE)


def draw_frozen_mask(seed: int, key: str, usable: Flags, probability: float = 0.15) -> Flags:
    """Return which tokens of a row are masked: a function of seed and key alone.

    At least one usable token is masked, so that every row that has one is asked.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=7).digest()
    row = np.array([int.from_bytes(digest, "little")])
    drawn = keyed_uniform((seed, EVALUATION), row, np.arange(usable.size))
    draws = np.where(usable, drawn, 2.0)
    chosen: Flags = draws < probability
    if usable.any() and not chosen.any():
        chosen[draws.argmin()] = True
    return chosen


class MaskedLM(EvaluationModel):
    """A masked language model."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int = 128,
        probability: float = 0.15,
    ) -> None:
        super().__init__(model, tokenizer, max_length=max_length)
        self.probability = probability

    @functools.cached_property
    def vocabulary(self) -> TokenVocabulary:
        """Return the tokens, one for each logit."""
        size = int(self.model.config.vocab_size)
        known = min(size, len(self.tokenizer))
        tokens = list(self.tokenizer.convert_ids_to_tokens(list(range(known))))
        if any(token.startswith("\u0120") for token in tokens):
            decoded = self.tokenizer.batch_decode([[i] for i in range(known)])
            tokens = [
                "\u0120" + text.strip() if token.startswith("\u0120") else text
                for token, text in zip(tokens, decoded, strict=True)
            ]
        special = frozenset(self.tokenizer.all_special_ids) | frozenset(range(known, size))
        tokens += [f"[extra {i}]" for i in range(known, size)]
        return TokenVocabulary(tuple(tokens), special, str(self.tokenizer.mask_token))

    def fill_masks(self, prompts: Sequence[str]) -> list[Array]:
        """Return log-probabilities (masks, vocabulary) of each prompt.

        Raises RecipeError for a prompt without a mask, or one so long that a mask is cut off.
        """
        import torch

        rows = self.tokenize([MASKS.sub(self.vocabulary.mask, prompt) for prompt in prompts])
        filled: list[Array] = []
        with torch.inference_mode():
            for prompt, row in zip(prompts, rows, strict=True):
                batch = self.pad_rows([row])
                masked = batch["input_ids"] == self.tokenizer.mask_token_id
                check_masks(prompt, int(masked.sum()), self.max_length)
                logits = logits_at(self.model, batch, masked.flatten().nonzero()[:, 0])
                filled.append(np.asarray(logits.double().log_softmax(-1).cpu().numpy()))
        return filled

    def score_masked(self, texts: Sequence[str], keys: Sequence[str], seed: int) -> Array:
        """Return loss, tokens, hits at 1, hits at 5 and reciprocal ranks, summed by row."""
        rows = self.tokenize(texts)
        if not rows:
            return np.empty((0, 5))
        special = np.asarray(sorted(self.tokenizer.all_special_ids))
        masks = [
            draw_frozen_mask(seed, key, ~np.isin(row, special), self.probability)
            for row, key in zip(rows, keys, strict=True)
        ]

        def score_batch(place: Integers) -> Array:
            import torch

            batch = self.pad_rows([rows[i] for i in place])
            masked = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
            for i, mask in enumerate(masks[n] for n in place):
                masked[i, : mask.size] = torch.from_numpy(mask)
            targets = batch["input_ids"][masked]
            batch["input_ids"] = batch["input_ids"].masked_fill(
                masked, self.tokenizer.mask_token_id
            )
            logits = logits_at(self.model, batch, masked.flatten().nonzero()[:, 0])
            wanted = logits.gather(1, targets.unsqueeze(1))
            ranks = (logits > wanted).sum(1) + 1
            loss = logits.logsumexp(1) - wanted.squeeze(1)
            ones = torch.ones_like(loss)
            columns = torch.stack([loss, ones, ranks == 1, ranks <= 5, 1 / ranks], 1).double()
            sums = torch.zeros((len(place), 5), dtype=torch.double, device=loss.device)
            sums.index_add_(0, masked.nonzero()[:, 0], columns)
            return np.asarray(sums.cpu().numpy())

        logits = int(LOGITS_AT_ONCE / self.probability / len(self.vocabulary))
        return self.answer_batches(rows, score_batch, min(TOKENS_AT_ONCE, logits))


def check_masks(prompt: str, found: int, max_length: int) -> None:
    """Raise RecipeError unless every mask of a prompt was found among its tokens."""
    written = len(MASKS.findall(prompt))
    if written == 0:
        raise RecipeError(f"prompt '{prompt[:60]}' has no mask: write [MASK] or <mask> in it")
    if found != written:
        raise RecipeError(
            f"prompt '{prompt[:60]}' has {written} masks, but {found} within the "
            f"{format_count(max_length, 'token')} that the model reads: shorten it"
        )


class TextClassifier(EvaluationModel):
    """A sequence classifier; `multi_label` models give independent probabilities."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the label names in the order of the logits."""
        names = {
            int(place): str(name) for place, name in (self.model.config.id2label or {}).items()
        }
        return tuple(names[place] for place in sorted(names))

    @property
    def multi_label(self) -> bool:
        """Return whether every label is a question of its own."""
        return getattr(self.model.config, "problem_type", None) == "multi_label_classification"

    def predict_probabilities(self, texts: Sequence[str]) -> Array:
        """Return probabilities (texts, labels)."""
        rows = self.tokenize(texts)
        if not rows:
            return np.empty((0, len(self.labels)))

        def classify_batch(place: Integers) -> Array:
            logits = self.model(**self.pad_rows([rows[i] for i in place])).logits.double()
            probs = logits.sigmoid() if self.multi_label else logits.softmax(-1)
            return np.asarray(probs.cpu().numpy())

        return self.answer_batches(rows, classify_batch, TOKENS_AT_ONCE)
