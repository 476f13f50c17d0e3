"""Kernels compiled ahead of the runs that would need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from siftset.schemas.errors import MissingExtraError
from siftset.schemas.progress import Progress
from siftset.signals.kernels.compiled import has_numba, is_cached

NEAR: Final = "near duplicates"
_TEXTS: Final = pl.Series(["one good day has more than the ten words that are asked of a text"])


def _sentiment() -> None:
    from siftset.signals.sentiment_vader.scorer import VaderScorer

    VaderScorer().score_compiled(_TEXTS)


def _words() -> None:
    from siftset.signals.words.wordset import WordSet

    WordSet(["good"]).find_compiled(_TEXTS, every=True)


def _near() -> None:
    from siftset.signals.near_duplicates.finder import NearDuplicates

    NearDuplicates(0.9).add(_TEXTS)


_KERNELS: Final[dict[str, tuple[str, Callable[[], None]]]] = {
    "sentiment": ("compounds", _sentiment),
    "word lists": ("find_entries", _words),
    NEAR: ("match_rows", _near),
}
"""What a kernel is for: the function that is compiled last, and what compiles all it needs."""


def compile_kernels(progress: Progress) -> None:
    """Compile what lies in no cache yet; raises MissingExtraError without numba."""
    if not has_numba():
        raise MissingExtraError("compiled kernels", "fast")
    with progress.stage("compile kernels", len(_KERNELS)) as stage:
        for _, make in _KERNELS.values():
            make()
            stage.advance(1)


def is_compiled(use: str) -> bool:
    """Tell whether the machine code for a use can be loaded from the cache."""
    return has_numba() and is_cached(_KERNELS[use][0])


def compiled_kernels() -> dict[str, bool]:
    """Tell what each kernel is for, and whether its machine code is in the cache."""
    return {use: is_compiled(use) for use in _KERNELS}
