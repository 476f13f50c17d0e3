"""The heuristics by the rules of datatrove, held against what that library itself answers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from siftset.signals.registry import load_builtin
from siftset.signals.words.english_tokens import split_words


def load_beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCUMENTS = pl.DataFrame({"text": load_beside("made_documents").made_documents(400)})
ANSWERS: dict[str, str] = load_beside("datatrove_answers").ANSWERS


def answers(kind: str, **parameters: object) -> list[bool]:
    limits = {"max": 1} if kind == "gopher_repetition" else {}
    made = load_builtin(kind).build("made", {**limits, **parameters}, folder=Path())
    return made.decide(DOCUMENTS).keep.to_list()


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer_is_that_of_the_library(kind: str) -> None:
    expected = [bit == "1" for bit in ANSWERS[kind]]
    assert 40 < sum(expected) < 360
    assert answers(kind, rules="datatrove") == expected
    assert answers(kind) != expected  # the paper's words and lines are others


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I can't, Mr. Smith.", ["I", "ca", "n't", ",", "Mr.", "Smith", "."]),
        ('"Well-known" (3.5kg)...', ['"', "Well", "-", "known", '"', "(", "3.5", "kg", ")", "..."]),
        (
            "They\u2019ll be $20 and/or #1",
            ["They", "\u2019ll", "be", "$", "20", "and/or", "#", "1"],
        ),
        ("see www.a.com/b, U.S. :)", ["see", "www.a.com/b", ",", "U.S.", ":)"]),
        (" \n", []),
    ],
)
def test_words_are_cut_as_the_library_cuts_them(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_the_limits_are_those_of_the_recipe() -> None:
    strict = answers("gopher_quality", rules="datatrove")
    loose = answers("gopher_quality", rules="datatrove", min_words=1, min_alphabetic=0)
    assert sum(loose) > sum(strict)
    assert all(now or not before for before, now in zip(strict, loose, strict=True))
    none = answers("c4_quality", rules="datatrove", min_sentences=1_000)
    assert not any(none)
