"""The language of a text."""

from __future__ import annotations

from pydantic import Field

from siftset.schemas.errors import SignalError
from siftset.schemas.recipe.section import Share
from siftset.signals.builtin.language_model import load_identifier
from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal


class Language(Thresholds):
    """Parameters of `language`."""

    code: str = Field("en", pattern="^[a-z]{2,3}$", description="ISO 639-1 code.")
    sure: Share = Field(
        0.3,
        description="Unknown where the likeliest language is less probable than this; 0 always "
        "gives the probability.",
    )


@family(
    Language,
    positional="code",
    definition="py3langid (Lui and Baldwin 2012, langid.py): probability over its languages",
    examples=[
        ({"min": 0.5}, "This is certainly a sentence in English.", True),
        ({"code": "de", "min": 0.5}, "Das ist ganz bestimmt ein deutscher Satz.", True),
        ({"code": "de", "min": 0.5}, "This is certainly a sentence in English.", False),
        ({"min": 0.5}, "ok", None),
        ({"code": "de", "min": 0.5, "sure": 0}, "ok", False),
        ({}, None, None),
    ],
    version=2,
)
def language(parameters: Language, build: Build) -> Signal:
    """Probability that a text is in a language; unknown where a text is too short to tell."""
    codes = load_identifier().labels
    if parameters.code not in codes:
        raise SignalError(
            f"signal '{build.name}': language '{parameters.code}' is unknown; "
            f"known: {', '.join(sorted(codes))}"
        )

    def language_probability(text: str) -> float | None:
        ranked = load_identifier().rank(text)
        if ranked[0][1] < parameters.sure:
            return None
        return float(dict(ranked)[parameters.code])

    return build.row(language_probability, returns="score")
