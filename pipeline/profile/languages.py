"""The languages of a few texts, where the extra `language` is installed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from siftset.schemas.errors import MissingExtraError

ROWS: Final = 250
_FEWEST_LETTERS: Final = 12
_SURE: Final = 0.9
TOO_SHORT: Final = "too short to tell"
UNSURE: Final = "unsure"


def count_languages(texts: Sequence[str]) -> dict[str, int] | None:
    """Count the texts by their likeliest language (ISO 639-1); None without the extra."""
    from siftset.signals.builtin.language_model import load_identifier

    try:
        told = load_identifier()
    except MissingExtraError:
        return None
    found: Counter[str] = Counter()
    for text in texts:
        if sum(map(str.isalpha, text[:200])) < _FEWEST_LETTERS:
            found[TOO_SHORT] += 1
            continue
        name, probability = told.classify(text)
        found[name if probability >= _SURE else UNSURE] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
