"""Questions to a local model: tokens, class probabilities, confidence, entropy, perplexity."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import Field

from siftset.schemas.errors import SignalError
from siftset.signals.builtin.local_model import load_model, model_folder, score_in_batches
from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal

if TYPE_CHECKING:
    import torch


class TokenCount(Thresholds):
    """Parameters of `tokens`."""

    model: str = Field("minilm", description="The embedded model, or a folder of a tokenizer.")


@family(TokenCount, positional="model", definition="the tokenizer's count, special tokens left out")
def tokens(parameters: TokenCount, build: Build) -> Signal:
    """How many tokens a text has for a tokenizer."""
    folder = model_folder(build, parameters.model)

    @cache
    def load_tokenizer() -> object:
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(folder / "tokenizer.json"))

    def count_tokens(texts: pl.Series) -> pl.Series:
        made = load_tokenizer()
        made.no_truncation()  # type: ignore[attr-defined]
        made.no_padding()  # type: ignore[attr-defined]
        found = made.encode_batch_fast(  # type: ignore[attr-defined]
            texts.to_list(), add_special_tokens=False
        )
        return pl.Series([len(encoding.ids) for encoding in found], dtype=pl.Float64)

    return build.batch(count_tokens, returns="score")


class ClassProbability(Thresholds):
    """Parameters of `classifier`."""

    model: str = Field(description="The folder of a sequence classifier in safetensors.")
    label: str = Field(description="The class whose probability is the score.")
    max_length: int = Field(256, ge=8, description="Tokens; longer texts are cut.")


class Certainty(Thresholds):
    """Parameters of `confidence`."""

    model: str = Field(description="The folder of a sequence classifier in safetensors.")
    measure: Literal["confidence", "entropy"] = Field(
        "confidence", description="Greatest class probability, or entropy in nats."
    )
    max_length: int = Field(256, ge=8, description="Tokens; longer texts are cut.")


def class_probabilities(folder: Path, texts: list[str], max_length: int) -> torch.Tensor:
    """Return class probabilities, one row a text."""
    model, tokenizer = load_model(folder, "AutoModelForSequenceClassification")
    given = tokenizer(
        texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt"
    )
    return model(**given).logits.float().softmax(-1)  # type: ignore[no-any-return]


@family(ClassProbability, definition="softmax of the model's logits for the label")
def classifier(parameters: ClassProbability, build: Build) -> Signal:
    """Probability of a class by a local sequence classifier."""
    folder = model_folder(build, parameters.model)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    labels = {str(text): int(index) for index, text in config.get("id2label", {}).items()}
    if parameters.label not in labels:
        raise SignalError(
            f"signal '{build.name}': the model in {folder} has no label '{parameters.label}'; "
            f"it has: {', '.join(labels) or 'none'}"
        )
    index = labels[parameters.label]

    def label_probability(texts: pl.Series) -> pl.Series:
        return score_in_batches(
            texts, lambda batch: class_probabilities(folder, batch, parameters.max_length)[:, index]
        )

    return build.batch(label_probability, returns="score")


@family(
    Certainty,
    definition="maximum softmax probability (Hendrycks and Gimpel 2017); Shannon entropy in nats",
)
def confidence(parameters: Certainty, build: Build) -> Signal:
    """How sure a local sequence classifier is: for finding edge cases worth training on."""
    folder = model_folder(build, parameters.model)

    def score_certainty(batch: list[str]) -> torch.Tensor:
        found = class_probabilities(folder, batch, parameters.max_length)
        if parameters.measure == "confidence":
            return found.max(-1).values
        return -(found * found.clamp_min(1e-12).log()).sum(-1)

    return build.batch(lambda texts: score_in_batches(texts, score_certainty), returns="score")


class Perplexity(Thresholds):
    """Parameters of `perplexity`."""

    model: str = Field(description="The folder of a causal language model in safetensors.")
    max_length: int = Field(512, ge=8, description="Tokens; longer texts are cut.")


@family(
    Perplexity,
    definition="exp of the mean negative log-likelihood of all tokens but the first (Jelinek 1977)",
)
def perplexity(parameters: Perplexity, build: Build) -> Signal:
    """Perplexity of a text under a local causal language model; unknown under two tokens."""
    folder = model_folder(build, parameters.model)

    def batch_perplexity(texts: list[str]) -> torch.Tensor:
        import torch

        model, tokenizer = load_model(folder, "AutoModelForCausalLM")
        given = tokenizer(
            texts, padding=True, padding_side="right", truncation=True,
            max_length=parameters.max_length, return_tensors="pt",
        )  # fmt: skip
        logits = model(**given).logits.float()[:, :-1]
        targets, real = given["input_ids"][:, 1:], given["attention_mask"][:, 1:]
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), targets, reduction="none"
        )
        count = real.sum(-1)
        mean = (losses * real).sum(-1) / count
        return torch.where(count > 0, mean.exp(), torch.nan)

    def measure_perplexity(texts: pl.Series) -> pl.Series:
        found = score_in_batches(texts, batch_perplexity)
        return found.fill_nan(None)

    return build.batch(measure_perplexity, returns="score")
