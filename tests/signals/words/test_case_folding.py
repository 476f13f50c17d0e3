from __future__ import annotations

import sys

import numpy as np
import polars as pl

from siftset.signals.words import case_folding


def test_letters_and_cases_lie_where_the_tables_look_for_them():
    """The tables look at a quarter of all code points: beyond them there is no letter."""
    beyond = range(case_folding._BEYOND_CASE, sys.maxunicode + 1)
    characters = np.arange(beyond.start, beyond.stop, dtype="<u4").tobytes().decode("utf-32-le")
    assert characters.casefold() == characters == characters.lower()

    looked_at = np.zeros(sys.maxunicode + 1, np.bool_)
    for some in (*case_folding._ASSIGNED, range(0xD800, 0xE000)):
        looked_at[some.start : some.stop] = True
    others = np.flatnonzero(~looked_at).astype("<u4").tobytes().decode("utf-32-le")
    assert not pl.Series([others]).str.contains(r"\w").item()


def test_points_are_those_that_a_pattern_finds():
    points = case_folding.find_points(r"[b\x{e9}\x{1f600}\x{e0100}]")
    assert np.flatnonzero(points).tolist() == [ord("b"), 0xE9, 0x1F600, 0xE0100]
