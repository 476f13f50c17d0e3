"""Vectors of texts that a run has already asked its base model for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from siftset.schemas.plurals import format_count
from siftset.trainer.inference.protocols import Encoder
from siftset.trainer.metrics.bootstrap import Array


@dataclass(frozen=True, slots=True)
class RememberingEncoder:
    """An encoder that looks up the texts it knows and asks `encoder` for the others."""

    encoder: Encoder
    places: dict[str, int]
    """Where the vector of a text is."""
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    """(texts, width)."""

    @classmethod
    def know_texts(
        cls,
        encoder: Encoder,
        texts: Sequence[str],
        vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    ) -> RememberingEncoder:
        """Return an encoder that knows the vectors of `texts`, one each."""
        if len(texts) != len(vectors):
            raise ValueError(f"{format_count(len(texts), 'text')} have {len(vectors)} vectors")
        return cls(encoder, {text: place for place, text in enumerate(texts)}, vectors)

    def embed_texts(self, texts: Sequence[str]) -> Array:
        """Return vectors (texts, width)."""
        places = np.array([self.places.get(text, -1) for text in texts], dtype=np.intp)
        (new,) = np.nonzero(places < 0)
        found = np.asarray(self.vectors[places], dtype=np.float64)
        if new.size:
            found[new] = self.encoder.embed_texts([texts[i] for i in new.tolist()])
        return found
