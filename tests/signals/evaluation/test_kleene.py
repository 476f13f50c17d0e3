"""The tables of the three answers are those of polars, whose null is our unknown."""

from __future__ import annotations

import itertools
import operator

import polars as pl
import pytest

from siftset.signals.evaluation.bodies import FALSE, TRUE, UNKNOWN
from siftset.signals.evaluation.kleene import DECIDES, TABLES

CODES = {True: TRUE, False: FALSE, None: UNKNOWN}
OPERATORS = {"&": operator.and_, "|": operator.or_, "^": operator.xor}


@pytest.mark.parametrize("symbol", TABLES)
def test_a_table_answers_as_polars_does(symbol: str):
    pairs = list(itertools.product(CODES, CODES))
    left, right = (pl.Series([pair[at] for pair in pairs], dtype=pl.Boolean) for at in (0, 1))
    wanted = [CODES[answer] for answer in OPERATORS[symbol](left, right)]
    assert [TABLES[symbol][CODES[a], CODES[b]] for a, b in pairs] == wanted


@pytest.mark.parametrize("symbol", ["&", "|"])
def test_a_term_that_decides_leaves_the_others_nothing_to_say(symbol: str):
    decided = DECIDES[symbol]
    assert set(TABLES[symbol][decided].tolist()) == {decided}
    assert all(set(row) != {code} for code, row in enumerate(TABLES[symbol]) if code != decided)
