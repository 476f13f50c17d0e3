"""Readability of English."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal

_SILENT_E = r"(?i)[^aeiouy\W\d_]e(?:s|d)?\b"
_VOWELS = r"(?i)[aeiouy]+"


class Readability(Thresholds):
    """Parameters of `readability`."""

    formula: Literal["reading_ease", "grade"] = Field(
        "reading_ease", description="Flesch reading ease, or Flesch-Kincaid grade level."
    )


def count_syllables(text: pl.Expr) -> pl.Expr:
    """Estimate the syllables: groups of vowels less silent endings, one a word at least."""
    words = text.str.count_matches(r"\p{L}+")
    groups = text.str.count_matches(_VOWELS).cast(pl.Int64)
    silent = text.str.count_matches(_SILENT_E).cast(pl.Int64)
    return pl.max_horizontal(groups - silent, words)


@family(
    Readability,
    version=2,
    definition=(
        "Flesch 1948, A New Readability Yardstick; Kincaid et al. 1975; syllables estimated from "
        "groups of vowels; sentences end in . ! or ?"
    ),
    examples=[
        ({"min": 90}, "The cat sat on the mat. It was fat.", True),
        ({"formula": "grade", "max": 5}, "The cat sat on the mat.", True),
        ({}, "", None),
        ({}, "\U0001f600 5!", None),
        ({}, None, None),
    ],
)
def readability(parameters: Readability, build: Build) -> Signal:
    """How easy a text is to read: higher is easier for the ease, harder for the grade.

    A text without a letter is unknown.
    """

    def measure_ease(text: pl.Expr) -> pl.Expr:
        words = text.str.count_matches(r"\p{L}+").clip(lower_bound=1)
        sentences = text.str.count_matches(r"[.!?]+(?:\s|$)").clip(lower_bound=1)
        length, weight = words / sentences, count_syllables(text) / words
        score = 206.835 - 1.015 * length - 84.6 * weight
        if parameters.formula == "grade":
            score = 0.39 * length + 11.8 * weight - 15.59
        return pl.when(text.str.contains(r"\p{L}")).then(score)

    return build.expression(measure_ease, returns="score")
