"""Lengths in tokens of the model that the recipe trains, where its tokenizer is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from siftset.schemas.recipe.train import Train

_FILE: Final = "tokenizer.json"
_BATCH: Final = 1_000


def tokenizer_file(train: Train | None) -> Path | None:
    """Return the tokenizer of an embedded or local model; nothing is ever fetched for it."""
    if train is None:
        return None
    path = Path(train.model) / _FILE
    if path.is_file():
        return path
    if train.model == "minilm":
        from siftset.trainer.models.embedded import embedded_folder, is_fetched

        path = embedded_folder() / _FILE
        return path if is_fetched() and path.is_file() else None
    return None


def count_tokens(texts: Sequence[str], tokenizer: Path) -> list[int] | None:
    """Return the length of every text with its special tokens; None without the extra `train`."""
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        return None
    loaded = Tokenizer.from_file(str(tokenizer))
    loaded.no_truncation()
    loaded.no_padding()
    return [
        len(one)
        for start in range(0, len(texts), _BATCH)
        for one in loaded.encode_batch_fast(list(texts[start : start + _BATCH]))
    ]
