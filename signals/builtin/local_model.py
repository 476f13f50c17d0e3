"""A model folder on this machine, loaded for signals: safetensors only, never remote code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from siftset.schemas.cache import embedded_model
from siftset.schemas.errors import MissingExtraError, SignalError
from siftset.schemas.model_files import digest_model_files, list_model_files
from siftset.signals.family import Build
from siftset.signals.kernels.arrays import to_series

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Head = Literal["AutoModel", "AutoModelForSequenceClassification", "AutoModelForCausalLM"]

BATCH = 32
"""Texts of one forward pass; they are sorted by length, so that little is padding."""


def model_folder(build: Build, name: str) -> Path:
    """Find a model by the embedded name or a folder beside the recipe, and depend on its files.

    Raises MissingExtraError without transformers, SignalError where no safetensors model is there.
    """
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise MissingExtraError(f"the signal '{build.name}', which asks a model,", "train")
    folder = embedded_model() if name == "minilm" else build.folder / name
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        hint = "run  siftset doctor --fetch" if name == "minilm" else "give a saved model's folder"
        raise SignalError(
            f"signal '{build.name}': {folder} has no config.json with *.safetensors; {hint}"
        )
    build.depends(digest_model_files(folder))
    return folder


def load_model(folder: Path, head: Head) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model for inference and its tokenizer, again only where a file of it has changed."""
    stats = [(path, path.stat()) for path in list_model_files(folder)]
    return _load_model(folder, head, tuple((p, s.st_mtime_ns, s.st_size) for p, s in stats))


@lru_cache(maxsize=4)
def _load_model(
    folder: Path, head: Head, _state: tuple[tuple[Path, int, int], ...]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = getattr(transformers, head).from_pretrained(
        folder, local_files_only=True, use_safetensors=True
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        model.config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer


def by_length(texts: Sequence[str]) -> Iterator[tuple[list[int], list[str]]]:
    """Yield batches of alike length with the places of their texts."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        yield places, [texts[place] for place in places]


def score_in_batches(texts: pl.Series, score: Callable[[list[str]], torch.Tensor]) -> pl.Series:
    """Score texts batch by batch; `score` gives one number for each text."""
    import torch

    scores = np.zeros(len(texts))
    with torch.inference_mode():
        for places, batch in by_length(texts.to_list()):
            scores[places] = score(batch).double().cpu().numpy()
    return to_series(texts.name, scores)
