"""Coarse language, by a word list that can be replaced."""

from __future__ import annotations

from pydantic import Field

from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal
from siftset.signals.words.spelling import fold_entries, fold_spellings
from siftset.signals.words.wordset import WordSet


class Profanity(Thresholds):
    """Parameters of `profanity`."""

    list: str = Field("profanity", description="A shipped list, or a file beside the recipe.")


@family(
    Profanity,
    positional="list",
    version=2,
    definition="whole words of the list, any case; a list knows neither context nor intent",
    examples=[
        ({"max": 0}, "What a classic assessment of Scunthorpe", True),
        ({}, "Damn, this shit is broken", 2.0),
        ({}, None, None),
    ],
)
def profanity(parameters: Profanity, build: Build) -> Signal:
    """How many coarse words the text holds; `max: 0` asks for none."""
    words = WordSet(fold_entries(build.words(parameters.list)))
    return build.batch(lambda texts: words.count_matches(fold_spellings(texts)), returns="score")
