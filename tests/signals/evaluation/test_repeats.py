"""Signals that answer one row differently when they are asked again."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.run.score_store import StoredScores
from siftset.signals.decider import Decider
from siftset.signals.decorator import signal
from siftset.signals.evaluation.repeats import SAMPLE
from siftset.signals.formula.formula import parse
from siftset.signals.signal import Signal

FRAME = pl.DataFrame({"text": [f"text {number}" for number in range(100)]})


def moody(kind: str) -> Signal:
    ticks = itertools.count()

    def by_row(text: str) -> bool:
        time.sleep(1e-4)
        return next(ticks) % 3 == 0

    def by_batch(text: pl.Series) -> pl.Series:
        return pl.Series([next(ticks) % 3 == 0 for _ in text], dtype=pl.Boolean)

    def by_expression(text: pl.Expr) -> pl.Expr:
        return text.map_batches(by_batch, return_dtype=pl.Boolean)

    def now_and_then(text: str) -> bool:
        if next(ticks) == 3:
            raise ValueError(text)
        return True

    bodies = {"row": by_row, "batch": by_batch, "expression": by_expression, "raise": now_and_then}
    return signal(name="moody")(bodies[kind])


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("row", "on 'text 0' it said yes, then no"),
        ("batch", "on 'text 0' it said yes, then no"),
        ("expression", "on 'text 0' it said yes, then no"),
        ("raise", "on 'text 3' it raised an exception once and once not"),
    ],
)
def test_it_is_told_and_its_answers_are_not_stored(kind, told, tmp_path: Path):
    cache = StoredScores(tmp_path, worth=0)
    decider = Decider(parse("moody"), {"moody": moody(kind)}, cache=cache)
    decider.decide(FRAME)
    decider.decide(FRAME)
    (warning,) = decider.statistics().warnings
    assert told in warning
    cache.close()
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_function_of_its_input_is_asked_about_a_few_rows_more_once(tmp_path: Path):
    asked: list[str] = []

    @signal
    def steady(text: str) -> bool:
        asked.append(text)
        time.sleep(1e-4)
        return text.endswith("1")

    cache = StoredScores(tmp_path, worth=0)
    for _ in range(2):
        decider = Decider(parse("steady"), {"steady": steady}, cache=cache)
        decider.decide(FRAME)
        assert decider.statistics().warnings == ()
    assert len(asked) <= 2 * FRAME.height + SAMPLE
    cache.close()
    assert list(tmp_path.rglob("*.parquet"))
