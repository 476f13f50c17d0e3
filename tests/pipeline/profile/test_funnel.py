"""Counts of the funnel add up over shards although the planner changes its order meanwhile."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from siftset import keyword
from siftset.pipeline.profile import funnel
from siftset.pipeline.profile.funnel import Sifted, analyse_frame, describe_funnel
from siftset.signals.analysis import Analysis, analyse
from siftset.signals.decider import Decider
from siftset.signals.formula.formula import parse


def test_analyses_before_and_after_a_new_order_add_up():
    words = {name: keyword(words=[name]) for name in ("alpha", "beta", "gamma")}
    decider = Decider(parse("alpha & beta & gamma"), words)
    texts = ["alpha beta", "alpha", "alpha gamma", "alpha beta gamma"]
    frame = pl.DataFrame({"text": texts * 5_000})
    before = analyse_frame(decider, frame)
    written = list(decider.plan(decider.root))
    decider.decide(frame)
    assert list(decider.plan(decider.root)) != written
    after = analyse_frame(decider, frame)
    described = describe_funnel(decider, Sifted(decider.statistics(), {}), before + after)
    assert [(step.clause, step.entered, step.passed) for step in described.steps] == [
        ("alpha", 40_000, 40_000),
        ("beta", 40_000, 20_000),
        ("gamma", 20_000, 10_000),
    ]


def test_of_many_signals_some_rows_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand signals of a whole batch took 600 MB on every core."""
    words = {name: keyword(words=[name]) for name in ("alpha", "beta", "gamma")}
    decider = Decider(parse("alpha & (beta | gamma)"), words)
    texts = ["alpha beta", "alpha", "alpha gamma", "alpha beta gamma"]
    frame = pl.DataFrame({"text": texts * 25})
    whole = analyse_frame(decider, frame)
    sizes: list[int] = []

    def counted(*given: Any, **more: Any) -> Analysis:
        sizes.append(given[2].height)
        return analyse(*given, **more)

    monkeypatch.setattr(funnel, "analyse", counted)
    monkeypatch.setattr(funnel, "_ANSWERS", 30 * len(words))
    monkeypatch.setattr(funnel, "_FEWEST_ROWS", 1)
    assert analyse_frame(decider, frame) == whole
    assert sizes == [30, 30, 30, 10]
