"""Kernels compiled ahead of the runs that would need them."""

from __future__ import annotations

from typing import Final

import polars as pl

from siftset.schemas.errors import MissingExtraError
from siftset.schemas.progress import Progress
from siftset.signals.kernels.compiled import has_numba, is_cached

NEAR: Final = "near duplicates"
SIMILAR: Final = "leaks between splits"
_TEXTS: Final = pl.Series(["one good day has more than the ten words that are asked of a text"])


_KERNELS: Final = {
    "sentiment": "compounds",
    "word lists": "find_entries",
    NEAR: "match_rows",
    SIMILAR: "find_similar",
}
"""What a kernel is for, and the function of it that is compiled last."""


def compile_kernels(progress: Progress) -> None:
    """Compile what lies in no cache yet; raises MissingExtraError without numba."""
    if not has_numba():
        raise MissingExtraError("compiled kernels", "fast")
    from siftset.signals.near_duplicates.finder import NearDuplicates
    from siftset.signals.near_duplicates.similar_rows import first_similar
    from siftset.signals.sentiment_vader.scorer import VaderScorer
    from siftset.signals.words.wordset import WordSet

    with progress.stage("compile kernels", len(_KERNELS)) as stage:
        VaderScorer().score_compiled(_TEXTS)
        stage.advance(1)
        WordSet(["good"]).find_compiled(_TEXTS, every=True)
        stage.advance(1)
        NearDuplicates(0.9).add(_TEXTS)
        stage.advance(1)
        first_similar(_TEXTS, _TEXTS, 0.9)
        stage.advance(1)


def is_compiled(use: str) -> bool:
    """Tell whether the machine code for a use can be loaded from the cache."""
    return has_numba() and is_cached(_KERNELS[use])


def compiled_kernels() -> dict[str, bool]:
    """Tell what each kernel is for, and whether its machine code is in the cache."""
    return {use: is_compiled(use) for use in _KERNELS}
