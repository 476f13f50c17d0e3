"""Similarity to example texts, by embeddings."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from siftset.schemas.cache import embedded_model
from siftset.schemas.model_files import digest_model_files
from siftset.signals.builtin.local_model import (
    by_length,
    load_model,
    model_folder,
    score_in_batches,
)
from siftset.signals.family import Build, Thresholds, family
from siftset.signals.kernels.arrays import to_series
from siftset.signals.signal import Signal
from siftset.signals.static_vectors.model import NAME, load_static, static_file

if TYPE_CHECKING:
    import torch


MINILM_SIZE: Final = 384
"""Dimensions of the embedded model's vectors."""


class Similar(Thresholds):
    """Parameters of `similar`."""

    to: tuple[str, ...] = Field(min_length=1, description="Example texts.")
    model: str = Field(
        "minilm",
        description=(
            "The embedded encoder, a folder of one, or `static`: vectors of words added up, ten "
            "thousand times faster, without torch. Scores of one model mean nothing to another."
        ),
    )
    max_length: int = Field(128, ge=8, description="Tokens; longer texts are cut, but by `static`.")


def embed_texts(folder: Path, texts: list[str], max_length: int) -> torch.Tensor:
    """Return unit vectors, one row a text: the mean over its tokens."""
    import torch

    model, tokenizer = load_model(folder, "AutoModel")
    given = tokenizer(
        texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt"
    )
    states = model(**given).last_hidden_state.float()
    mask = given["attention_mask"][..., None]
    mean = (states * mask).sum(1) / mask.sum(1).clamp_min(1)
    return torch.nn.functional.normalize(mean, dim=-1)


def embed_minilm(texts: pl.Series) -> NDArray[np.float32]:
    """Return unit vectors of texts, a null as if it were empty, by the embedded model.

    A vector depends a little, as sums of floats do, on the texts of its batch.
    """
    import torch

    vectors = np.zeros((len(texts), MINILM_SIZE), np.float32)
    with torch.inference_mode():
        for places, batch in by_length(texts.fill_null("").to_list()):
            vectors[places] = embed_texts(embedded_model(), batch, 128).cpu().numpy()
    return vectors


def _cosine_to_nearest(examples: tuple[str, ...], texts: pl.Series) -> pl.Series:
    table = load_static()
    cosines = table.embed(texts) @ table.embed(pl.Series(examples)).T
    return to_series(texts.name, cosines.max(axis=1).astype(np.float64))


@family(
    Similar,
    positional="to",
    definition=(
        "greatest cosine between mean-pooled embeddings (Reimers and Gurevych 2019, Sentence-BERT)"
    ),
)
def similar(parameters: Similar, build: Build) -> Signal:
    """How similar a text is to the nearest of the example texts."""
    if parameters.model == NAME:
        build.depends(digest_model_files(static_file().parent))
        return build.batch(partial(_cosine_to_nearest, parameters.to), returns="score")
    folder = model_folder(build, parameters.model)

    @cache
    def embed_examples() -> torch.Tensor:
        return embed_texts(folder, list(parameters.to), parameters.max_length)

    def nearest_cosine(batch: list[str]) -> torch.Tensor:
        return (
            (embed_texts(folder, batch, parameters.max_length) @ embed_examples().T).max(-1).values
        )

    return build.batch(lambda texts: score_in_batches(texts, nearest_cosine), returns="score")
