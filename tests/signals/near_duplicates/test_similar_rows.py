from __future__ import annotations

import random

import polars as pl
import pytest

from siftset.signals.kernels.compiled import has_numba
from siftset.signals.near_duplicates.similar_rows import first_similar


def edited(texts: list[str], draw: random.Random) -> list[str]:
    """Return the texts, in another order, with up to four words of each changed."""
    made = []
    for text in texts:
        words = text.split()
        for _ in range(draw.randrange(5)):
            words[draw.randrange(len(words))] = draw.choice(("otherwise", "caf\u00e9", "\u5c71"))
        made.append(" ".join(words))
    draw.shuffle(made)
    return made


def trigrams(text: str) -> frozenset[tuple[str, ...]]:
    words = text.split()
    return frozenset(zip(words, words[1:], words[2:], strict=False) if len(words) >= 10 else ())


@pytest.mark.parametrize("use_numba", [False, True] if has_numba() else [False])
@pytest.mark.parametrize("threshold", [0.3, 0.8, 1.0])
def test_the_first_similar_row_is_that_of_comparing_all_pairs(threshold, use_numba):
    draw = random.Random(5)
    vocabulary = [f"w{number}" for number in range(60)]
    # beginnings that many rows share, so that shingles are common
    texts = [
        " ".join([*vocabulary[:8][: draw.randrange(9)], *draw.choices(vocabulary, k=k)])
        for k in draw.choices(range(40), k=150)
    ]
    others = edited([text for text in texts if text] * 2, draw)
    sets = [trigrams(text) for text in others]

    def compare_all(text: str) -> int | None:
        own = trigrams(text)
        alike = (len(own & one) / len(own | one) if own else 0.0 for one in sets)
        return next((row for row, share in enumerate(alike) if share >= threshold), None)

    expected = [compare_all(text) for text in texts]
    assert 20 < len([row for row in expected if row is not None]) < len(texts)
    given = pl.Series("text", [*texts, None])
    found = first_similar(given, pl.Series(others), threshold, use_numba=use_numba)
    assert found.to_list() == [*expected, None]
    assert (found.name, found.dtype) == ("text", pl.Int64)


def test_nothing_is_similar_to_nothing():
    none = pl.Series([], dtype=pl.String)
    some = pl.Series(["one two three four five six seven eight nine ten"])
    assert first_similar(none, some, 0.8).to_list() == []
    assert first_similar(some, none, 0.8).to_list() == [None]
