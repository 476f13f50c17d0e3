"""The model `static`: a table of vectors for WordPieces, and unit vectors of texts by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from siftset.signals.kernels.arrow_text import text_bytes
from siftset.signals.kernels.compiled import can_compile, try_kernel
from siftset.signals.static_vectors.kernel import (
    BASE,
    INSIDE,
    MOST_BYTES,
    ROOM,
    LetterForms,
    Pieces,
    WordRoom,
    embed_texts,
    fill_slots,
    mix_piece,
    tokenize_texts,
)
from siftset.signals.static_vectors.wordpiece import WordPieces, is_special

Vectors = NDArray[np.float32]

NAME: Final = "static"
FILE: Final = "static.safetensors"
_LETTERS: Final = ("kinds", "offsets", "letters")


class StaticVectors:
    """Unit vectors of texts, of `size` dimensions; may be shared by threads."""

    def __init__(self, held: Mapping[str, NDArray[np.generic]]) -> None:
        self.entries = held["vocabulary"].tobytes().decode().split("\n")
        self._vectors = np.ascontiguousarray(held["vectors"], np.int8)
        self._scales = np.ascontiguousarray(held["scales"], np.float32)
        kinds, offsets, data = (held[name] for name in _LETTERS)
        self._letters = LetterForms(
            np.ascontiguousarray(kinds, np.uint8),
            np.ascontiguousarray(offsets, np.int32),
            np.ascontiguousarray(data, np.uint8),
        )
        self._pieces: Pieces | None = None
        self._plain: WordPieces | None = None

    @property
    def size(self) -> int:
        """The number of dimensions."""
        return int(self._vectors.shape[1])

    def embed(self, texts: pl.Series, *, use_numba: bool | None = None) -> Vectors:
        """Return one row a text, of length 1; zeros for a null or a text without any piece."""
        texts = texts.fill_null("")
        compiled = can_compile() if use_numba is None else use_numba
        found = try_kernel(lambda: self._embed_compiled(texts)) if compiled else None
        return self._embed_plain(texts) if found is None else found

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one row a text, as encoders of models do."""
        return self.embed(pl.Series(texts, dtype=pl.String)).astype(np.float64)

    def tokenize(
        self, texts: pl.Series, *, use_numba: bool | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the rows of all texts' pieces, and the place after each text's last."""
        texts = texts.fill_null("")
        compiled = can_compile() if use_numba is None else use_numba
        found = try_kernel(lambda: self._tokenize_compiled(texts)) if compiled else None
        if found is not None:
            return found
        bags = [self._plain_pieces().tokenize(text) for text in texts]
        ends = np.cumsum([len(bag) for bag in bags], dtype=np.int64)
        return np.array([row for bag in bags for row in bag], np.int32), ends

    def _embed_compiled(self, texts: pl.Series) -> Vectors:
        vectors = np.empty((len(texts), self.size), np.float32)
        embed_texts(text_bytes(texts), self._letters, self._hashed(), self._room(), vectors)
        return vectors

    def _tokenize_compiled(self, texts: pl.Series) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        text = text_bytes(texts)
        # a piece has a byte at least, but a letter may be folded into three; see LetterForms
        most = 3 * int(text.offsets[-1] - text.offsets[0]) + 1
        rows, ends = np.empty(most, np.int32), np.zeros(len(texts), np.int64)
        tokenize_texts(text, self._letters, self._hashed(), self._room(), rows, ends)
        return rows[: int(ends[-1]) if len(ends) else 0].copy(), ends

    def _embed_plain(self, texts: pl.Series) -> Vectors:
        pieces = self._plain_pieces()
        totals = np.zeros((len(texts), self.size), np.int32)
        for place, text in enumerate(texts):
            totals[place] = self._vectors[pieces.tokenize(text)].sum(0, dtype=np.int32)
        vectors = totals.astype(np.float32) * self._scales
        # not sum(), which adds in another order than the kernel
        norms = np.add.accumulate(vectors * vectors, axis=1)[:, -1:]
        np.divide(vectors, np.sqrt(norms), out=vectors, where=norms > 0)
        return vectors

    def _plain_pieces(self) -> WordPieces:
        if self._plain is None:
            self._plain = WordPieces(self.entries, self._letters)
        return self._plain

    def _hashed(self) -> Pieces:
        if self._pieces is None:
            hashes = _hash_entries(self.entries)
            slots = np.zeros(1 << (2 * len(hashes)).bit_length(), np.uint64)
            fill_slots(hashes, slots)
            longest = max(len(entry.removeprefix("##").encode()) for entry in self.entries)
            unknown = self.entries.index("[UNK]")
            self._pieces = Pieces(slots, self._vectors, self._scales, longest, unknown)
        return self._pieces

    def _room(self) -> WordRoom:
        powers = np.cumprod(np.r_[np.uint64(1), np.full(MOST_BYTES, BASE)], dtype=np.uint64)
        return WordRoom(
            np.zeros(MOST_BYTES + 1, np.uint64),
            powers,
            np.zeros(ROOM, np.int32),
            np.zeros(self.size, np.int16),
            np.zeros(self.size, np.int32),
        )


def _hash_entries(entries: Sequence[str]) -> NDArray[np.uint64]:
    """Return the mixed hash of each entry, as the kernel makes it of a word's bytes."""
    inside = np.array([entry.startswith("##") and len(entry) > 2 for entry in entries])
    bare = [(e[2:] if i else e).encode() for e, i in zip(entries, inside, strict=True)]
    lengths = np.array([len(entry) for entry in bare])
    data = np.array(bare, f"S{lengths.max()}").view(np.uint8).reshape(len(entries), -1)
    hashes = np.zeros(len(entries), np.uint64)
    for place in range(data.shape[1]):
        hashes = np.where(place < lengths, hashes * BASE + data[:, place], hashes)
    hashes[inside] ^= INSIDE
    special = np.flatnonzero([is_special(entry) for entry in entries])
    hashes[special] = ~special.astype(np.uint64)  # found by no word
    mixed: NDArray[np.uint64] = mix_piece(hashes)  # type: ignore[arg-type, assignment]
    return mixed


def static_file() -> Path:
    """Return where the table lies that ships."""
    return Path(str(resources.files("siftset.data"))) / "models" / NAME / FILE


@cache
def load_static() -> StaticVectors:
    """Load the table that ships, once a process."""
    from safetensors.numpy import load_file

    return StaticVectors(load_file(static_file()))
