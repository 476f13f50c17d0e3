"""Rows that stand or fall together."""

from __future__ import annotations

import polars as pl

from siftset.pipeline.proof.groups import group_rows

LONG = "the quick brown fox jumps over the lazy dog and then sleeps in the warm sun"


def test_equal_texts_near_ones_and_named_groups_are_joined_through_each_other():
    texts = pl.Series(["A b.", "other", "a  B", LONG, LONG + " today", "alone", "", ""])
    named = pl.Series([None, "x", None, None, "x", None, None, None], dtype=pl.String)
    assert group_rows(texts, named, 0.8).tolist() == [0, 1, 0, 1, 1, 5, 6, 7]
    assert group_rows(texts, None, 0.8).tolist() == [0, 1, 0, 3, 3, 5, 6, 7]
