"""What the comparison needs of a model, so that it can be tested with small functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from siftset.trainer.data.chat import ChatTemplate
from siftset.trainer.metrics.bootstrap import Array

LOSS, TOKENS, HITS_1, HITS_5, RECIPROCAL = range(5)
"""Columns of what MaskedModel.score returns."""


@runtime_checkable
class MaskedModel(Protocol):
    """A masked language model."""

    @property
    def vocabulary(self) -> TokenVocabulary:
        """What its tokens are."""

    def fill_masks(self, prompts: Sequence[str]) -> Sequence[Array]:
        """Return log-probabilities (masks, vocabulary) of each prompt, its masks in order."""

    def score_masked(self, texts: Sequence[str], keys: Sequence[str], seed: int) -> Array:
        """Mask tokens as (seed, key) say; return sums by row (rows, 5).

        The columns are loss (nats), masked tokens, hits at 1, hits at 5, reciprocal ranks.
        """


@runtime_checkable
class ClassifierModel(Protocol):
    """A classifier of texts."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of the columns of `probabilities`."""

    def predict_probabilities(self, texts: Sequence[str]) -> Array:
        """Return probabilities (texts, labels)."""


@runtime_checkable
class Answerer(Protocol):
    """A causal language model."""

    @property
    def cut_prompts(self) -> int:
        """How many prompts were cut so far to leave room for their answers."""

    def generate_answers(self, prompts: Sequence[str], max_new_tokens: int) -> Sequence[str]:
        """Return one answer per prompt, without the prompt."""

    def answer_loss(self, prompts: Sequence[str], answers: Sequence[str]) -> Array:
        """Return (rows, 2): the summed loss of an answer's tokens and end (nats), their number."""

    def text_loss(self, texts: Sequence[str]) -> Array:
        """Return (rows, 2): the summed loss of each token and end but the first, their number."""


@runtime_checkable
class ChatAnswerer(Protocol):
    """A causal language model that can be asked in conversations."""

    def read_chats(self, template: ChatTemplate) -> None:
        """Take prompts and answers from now on as a chat template has written them."""


class Encoder(Protocol):
    """Anything that turns texts into vectors."""

    def embed_texts(self, texts: Sequence[str]) -> Array:
        """Return vectors (texts, width)."""


@dataclass(frozen=True, slots=True)
class TokenVocabulary:
    """The tokens of a model as it writes them, and which of them are special."""

    tokens: tuple[str, ...]
    special: frozenset[int] = frozenset()
    mask: str = "[MASK]"

    def __len__(self) -> int:
        return len(self.tokens)
