"""Coarse language, by a word list that can be replaced."""

from __future__ import annotations

from pydantic import Field

from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal
from siftset.signals.words.phrases import Phrases


class Profanity(Thresholds):
    """Parameters of `profanity`."""

    list: str = Field("profanity", description="A shipped list, or a file beside the recipe.")


@family(
    Profanity,
    positional="list",
    definition="whole words of the list, any case; a list knows neither context nor intent",
    examples=[
        ({"max": 0}, "What a classic assessment of Scunthorpe", True),
        ({}, "Damn, this shit is broken", 2.0),
        ({}, None, None),
    ],
)
def profanity(parameters: Profanity, build: Build) -> Signal:
    """How many coarse words the text holds; `max: 0` asks for none."""
    return build.row(Phrases(build.words(parameters.list)).count_matches, returns="score")
