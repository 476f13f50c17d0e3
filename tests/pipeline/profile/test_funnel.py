"""Counts of the funnel add up over shards although the planner changes its order meanwhile."""

from __future__ import annotations

import polars as pl

from siftset import keyword
from siftset.pipeline.profile.funnel import Sifted, analyse_frame, describe_funnel
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
    funnel = describe_funnel(decider, Sifted(decider.statistics(), {}), before + after)
    assert [(step.clause, step.entered, step.passed) for step in funnel.steps] == [
        ("alpha", 40_000, 40_000),
        ("beta", 40_000, 20_000),
        ("gamma", 20_000, 10_000),
    ]
