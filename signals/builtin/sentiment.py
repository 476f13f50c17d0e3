"""Sentiment by VADER: the compound score of NLTK, and the three moods that its authors name."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from pydantic import JsonValue

from siftset.signals.family import Build, Parameters, Thresholds, family
from siftset.signals.sentiment_vader.scorer import VaderScorer
from siftset.signals.signal import Signal

_DEFINITION = (
    "compound of NLTK 3.10.4's SentimentIntensityAnalyzer with the lexicon of vaderSentiment "
    "3.3.2 (Hutto and Gilbert, ICWSM 2014)"
)


class Sentiment(Thresholds):
    """Parameters of `sentiment`."""


class Mood(Parameters):
    """Parameters of `positive`, `negative` and `neutral`."""


@cache
def shared_scorer() -> VaderScorer:
    """Share one scorer in a process: it remembers tokens and counts towards the kernel."""
    return VaderScorer()


@family(
    Sentiment,
    definition=_DEFINITION,
    examples=[
        ({}, "VADER is smart, handsome, and funny!", 0.8439),
        ({"min": 0.05}, "These shoes are great", True),
        ({"max": -0.05}, "not good", True),
        ({"min": 0.05}, "expensive", False),
        ({"min": 0.0, "max": 0.0}, "a chair", True),
        ({}, None, None),
    ],
)
def sentiment(parameters: Sentiment, build: Build) -> Signal:
    """Mood of the text from -1 to 1 by VADER; `min` and `max` count as inside.

    The score is that of NLTK's analyser, float for float, and differs on 6 to 25 % of texts from
    that of the package vaderSentiment. Words outside the lexicon are neutral, `expensive` and
    `durable` among them: join a word list where they matter, as in
    `(positive | praise) & ~criticism`.
    """
    return build.batch(shared_scorer(), returns="score")


@family(
    Mood,
    definition=f"{_DEFINITION}, at least 0.05",
    examples=[({}, "great", True), ({}, "a chair", False), ({}, "awful", False), ({}, None, None)],
)
def positive(parameters: Mood, build: Build) -> Signal:
    """Whether the sentiment is 0.05 or more."""
    return _build_mood(parameters, build, {"min": 0.05})


@family(
    Mood,
    definition=f"{_DEFINITION}, at most -0.05",
    examples=[({}, "awful", True), ({}, "a chair", False), ({}, "great", False), ({}, None, None)],
)
def negative(parameters: Mood, build: Build) -> Signal:
    """Whether the sentiment is -0.05 or less."""
    return _build_mood(parameters, build, {"max": -0.05})


@family(
    Mood,
    definition=f"{_DEFINITION}, between -0.05 and 0.05, which are outside; scores have four places",
    examples=[({}, "a chair", True), ({}, "great", False), ({}, "awful", False), ({}, None, None)],
)
def neutral(parameters: Mood, build: Build) -> Signal:
    """Whether the sentiment is above -0.05 and below 0.05."""
    return _build_mood(parameters, build, {"min": -0.0499, "max": 0.0499})


def _build_mood(parameters: Mood, build: Build, limits: dict[str, JsonValue]) -> Signal:
    """Make a sentiment with limits, whose scores all moods share."""
    made = sentiment.build(build.name, {"column": parameters.column, **limits}, folder=build.folder)
    return replace(made, description=build.family.summary)
