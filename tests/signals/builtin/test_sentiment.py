from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pydantic import JsonValue

from siftset.schemas.errors import SignalError
from siftset.signals.evaluation.spec import Bounds
from siftset.signals.registry import KINDS, build_one, load_builtin
from siftset.signals.signal import Signal

MOODS = ("positive", "negative", "neutral")


def make(spec: dict[str, JsonValue]) -> Signal:
    return build_one("mood", spec, folder=Path())


@pytest.mark.parametrize("kind", ["sentiment", *MOODS])
def test_examples(kind: str) -> None:
    assert KINDS[kind] == "siftset.signals.builtin.sentiment"
    for sample in load_builtin(kind).examples:
        asked = make({kind: dict(sample.parameters)})
        if asked.bounds is None:
            scores = asked.function(pl.Series([sample.value], dtype=pl.String))
            assert isinstance(scores, pl.Series)
            assert scores.to_list() == [sample.expected], sample
        else:
            assert asked(sample.value) is sample.expected, sample


@pytest.mark.parametrize(
    ("text", "mood"),
    [("great", "positive"), ("not great", "negative"), ("", "neutral"), ("durable", "neutral")],
)
def test_each_text_has_one_mood(text: str, mood: str) -> None:
    found = [kind for kind in MOODS if make({kind: {}})(text)]
    assert found == [mood]


@pytest.mark.parametrize(
    ("mood", "bounds"),
    [
        ("positive", Bounds(0.05, None)),
        ("negative", Bounds(None, -0.05)),
        ("neutral", Bounds(-0.0499, 0.0499)),
    ],
)
def test_thresholds_are_those_of_the_authors(mood: str, bounds: Bounds) -> None:
    assert make({mood: {}}).bounds == bounds


def test_moods_share_their_scores() -> None:
    assert len({make({kind: {}}).score_fingerprint for kind in ("sentiment", *MOODS)}) == 1
    assert len({make({kind: {}}).fingerprint for kind in ("sentiment", *MOODS)}) == 4


def test_another_column() -> None:
    assert make({"positive": {"column": "title"}}).columns == ("title",)


def test_a_misspelt_parameter() -> None:
    with pytest.raises(SignalError, match=r"sentiment.mim: unknown key \(did you mean 'min'\?\)"):
        make({"sentiment": {"mim": 0.1}})
