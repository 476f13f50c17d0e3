"""Vectors of texts, kept by content: each text is embedded once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import polars_hash as plh

from siftset.pipeline.proof.regression import Vectors
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.progress import Progress

STATIC: Final = "static"
MINILM: Final = "minilm"
MAX_LENGTH: Final = 256
"""Tokens of a text that MiniLM reads, as its makers do."""
_BLOCK: Final = 256
_MEASURED: Final = 1024
"""Texts after which it is known how long all take."""
_SAVED: Final = 4096
"""Texts after which vectors are kept on disk."""


class TooSlowError(Exception):
    """So many texts would take longer than there is time."""

    def __init__(self, texts: int, rate: float) -> None:
        self.texts, self.rate = texts, rate


def embed_static(texts: pl.Series) -> Vectors:
    """Return unit vectors from the table of static vectors (texts, dimensions)."""
    from siftset.signals.static_vectors.model import load_static

    return load_static().embed(texts).astype(np.float32)


def embed_minilm(
    texts: pl.Series, folder: Path, progress: Progress, *, seconds: float | None = None
) -> Vectors:
    """Return unit vectors of the embedded MiniLM (texts, dimensions); `folder` keeps them.

    Raises TooSlowError where the texts that are not kept would take longer than `seconds`.
    """
    from siftset.trainer.inference.embeddings import load_encoder

    hashed = texts.to_frame("text").select(plh.col("text").nchash.xxh3_64()).to_series()
    keys = hashed.to_numpy()
    known = _read_kept(folder)
    first = np.unique(keys, return_index=True)[1]
    missing = first[~np.isin(keys[first], known[0])]
    if len(missing):
        encoder = load_encoder(MINILM, max_length=MAX_LENGTH)
        order = np.random.default_rng(0).permutation(missing)  # so that the first tell of the rest
        _embed_missing(
            lambda rows: encoder.embed_texts(texts.gather(rows).to_list()).astype(np.float32),
            (keys, order), folder, progress, seconds,
        )  # fmt: skip
        known = _read_kept(folder)
    sorted_keys = np.argsort(known[0])
    found = known[1][sorted_keys[np.searchsorted(known[0], keys, sorter=sorted_keys)]]
    vectors = found.astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


def _embed_missing(
    embed: Callable[[np.ndarray], Vectors],
    asked: tuple[np.ndarray, np.ndarray],
    folder: Path,
    progress: Progress,
    seconds: float | None,
) -> None:
    keys, rows = asked
    waiting: list[tuple[np.ndarray, Vectors]] = []
    began = time.monotonic()
    with progress.stage("vectors of MiniLM", len(rows)) as stage:
        try:
            for start in range(0, len(rows), _BLOCK):
                some = rows[start : start + _BLOCK]
                waiting.append((keys[some], embed(some)))
                stage.advance(len(some))
                if start == 0:  # which also readies the model, and tells little of the rest
                    began = time.monotonic()
                elif seconds is not None and start >= _MEASURED:
                    rate = start / (time.monotonic() - began)
                    if len(rows) / rate > seconds:
                        raise TooSlowError(len(rows), rate)
                if len(waiting) * _BLOCK >= _SAVED:
                    _keep(folder, waiting)
                    waiting = []
        finally:
            _keep(folder, waiting)


def _keep(folder: Path, found: list[tuple[np.ndarray, Vectors]]) -> None:
    if not found:
        return
    folder.mkdir(parents=True, exist_ok=True)
    keys, vectors = (np.concatenate(part) for part in zip(*found, strict=True))
    number = len(list(folder.glob("*.npz")))
    with atomic_write(folder / f"{number:05}.npz") as draft, draft.open("wb") as file:
        np.savez(file, keys=keys, vectors=vectors.astype(np.float16))


def _read_kept(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    keys, vectors = [np.empty(0, np.uint64)], []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as kept:
            keys.append(kept["keys"])
            vectors.append(kept["vectors"])
    return np.concatenate(keys), np.concatenate(vectors) if vectors else np.empty((0, 0))
