"""Tokens as words: how they read in a sentence, which lists they belong to, which are junk."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from siftset.schemas.errors import RecipeError
from siftset.schemas.results.comparison import WordListInfo
from siftset.trainer.inference.protocols import TokenVocabulary
from siftset.trainer.metrics.bootstrap import Flags

MASKS = re.compile(r"\[MASK\]|<mask>")
"""How a prompt may write its masks, whatever the model calls its own."""

_STARTS = ("\u0120", "\u2581")
"""Marks of a word's first piece: byte-level BPE and SentencePiece."""


def strip_mark(token: str) -> str:
    """Return a token without the mark of a word's start."""
    return token.lstrip("".join(_STARTS)) if token.startswith(_STARTS) else token


def fill_sentence(prompt: str, mask: int, token: str) -> str:
    """Return the prompt with one mask replaced; a word piece joins the word on its left."""
    matches = list(MASKS.finditer(prompt))
    left, right = prompt[: matches[mask].start()], prompt[matches[mask].end() :]
    if token.startswith("##"):
        return left.rstrip() + token[2:] + right
    return left + strip_mark(token) + right


def read_words(name: str, *, key: str = "compare", folder: Path | None = None) -> tuple[str, ...]:
    """Return the words of a list: a file (one word a line, # comments), or a shipped list's name.

    Raises RecipeError, naming the recipe's `key`, where there is no such list.
    """
    path = (folder or Path()) / name
    shipped = files("siftset.data") / "lists" / f"{name}.txt"
    if path.is_file():
        text = path.read_text(encoding="utf-8")
    elif shipped.is_file():
        text = shipped.read_text(encoding="utf-8")
    else:
        raise RecipeError(
            f"{key}: no word list '{name}': expected a file or the name of a shipped list"
        )
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


@functools.lru_cache(maxsize=8)
def _index_words(vocabulary: TokenVocabulary) -> dict[str, tuple[int, ...]]:
    """Return the ids of every whole word, by its case-folded form."""
    marked = marks_starts(vocabulary.tokens)
    places: dict[str, list[int]] = {}
    for i, token in enumerate(vocabulary.tokens):
        whole = token.startswith(_STARTS) if marked else not token.startswith("##")
        if whole and i not in vocabulary.special:
            places.setdefault(strip_mark(token).casefold(), []).append(i)
    return {word: tuple(ids) for word, ids in places.items()}


@functools.lru_cache(maxsize=8)
def marks_starts(tokens: tuple[str, ...]) -> bool:
    """Return whether the vocabulary marks the first piece of a word (BPE, SentencePiece)."""
    return sum(token.startswith(_STARTS) for token in tokens) > len(tokens) / 20


def find_token_ids(word: str, vocabulary: TokenVocabulary) -> tuple[int, ...]:
    """Return the ids of the tokens that are this whole word, in any case."""
    return _index_words(vocabulary).get(word.casefold(), ())


def find_members(
    name: str, words: Sequence[str], vocabulary: TokenVocabulary
) -> tuple[WordListInfo, Flags]:
    """Return which words of a list are one token, and a flag for each token of the vocabulary."""
    flags = np.zeros(len(vocabulary), dtype=np.bool_)
    used: list[str] = []
    skipped: list[str] = []
    for word in words:
        ids = find_token_ids(word, vocabulary)
        (used if ids else skipped).append(word)
        flags[list(ids)] = True
    return WordListInfo(name=name, words=tuple(used), skipped=tuple(skipped)), flags


def flag_junk(vocabulary: TokenVocabulary) -> Flags:
    """Return which tokens are no word: special, punctuation, or a piece inside a word."""
    marked = marks_starts(vocabulary.tokens)
    flags = np.zeros(len(vocabulary), dtype=np.bool_)
    for i, token in enumerate(vocabulary.tokens):
        piece = not token.startswith(_STARTS) if marked else token.startswith("##")
        flags[i] = (
            piece or i in vocabulary.special or not any(c.isalnum() for c in strip_mark(token))
        )
    return flags
