"""One rule tells which labels are the same class, for one value and for a column."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.schemas.recipe.section import label_text
from siftset.signals.labels import label_column, labels_as_text

SAME = [
    ([1, 1.0, "1", "1.0", "1.00"], "1"),
    ([True, "true", "True", "TRUE"], "true"),
    ([-2, -2.0, "-2.0"], "-2"),
    (["1.5", 1.5], "1.5"),
    (["1.50"], "1.50"),
    (["01"], "01"),
    (["1.10"], "1.10"),
    (["truer"], "truer"),
]


@pytest.mark.parametrize(("values", "text"), SAME)
def test_labels_that_are_written_differently_are_one(values, text):
    assert {label_text(value) for value in values} == {text}
    for value in values:
        column = pl.DataFrame({"label": [value, None]}).select(labels_as_text(pl.col("label")))
        assert column["label"].to_list() == [text, None]


labels = (
    st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.integers(-(10**6), 10**6).map(float)
    | st.sampled_from(["1", "1.0", "01", "TRUE", "x", "-0", "1.10", "", "1.0 "])
)


@given(labels)
def test_a_column_and_a_value_have_the_same_text(value):
    found = pl.DataFrame({"label": [value]}).select(labels_as_text(pl.col("label"))).item()
    assert found == label_text(value)


def test_several_labels_of_a_row_are_shown_together():
    frame = pl.DataFrame({"label": [[1.0, 2.0], [], None]})
    assert frame.select(label_column(frame))["label"].to_list() == ["1, 2", "", None]
