from __future__ import annotations

import polars as pl
import pytest

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.train import Compare
from siftset.trainer.comparison import gather_questions
from siftset.trainer.data.groups import find_groups


def test_equal_texts_are_one_group():
    texts = ["Good  shoes!", "good shoes", "bad shoes", "", "!!", "??", "", "g\u0065\u0301"]
    frame = pl.DataFrame({"text": texts})
    assert find_groups(frame).tolist() == [0, 0, 1, 2, 3, 4, 2, 5]
    assert find_groups(frame.filter(pl.col("text").is_unique())[1:3]) is None


def test_a_column_joins_groups_through_rows_between():
    frame = pl.DataFrame({"text": ["a", "b", "b", "c", "d"], "author": ["x", "x", "y", "y", None]})
    assert find_groups(frame, "author").tolist() == [0, 0, 0, 0, 1]
    assert find_groups(frame.with_columns(author=pl.Series(range(5))), "author").tolist() == [
        0,
        1,
        1,
        2,
        3,
    ]


def test_a_group_that_is_no_column_is_said(tmp_path):
    rows = pl.DataFrame({"row_id": ["1"], "text": ["a"]})
    with pytest.raises(RecipeError, match="the rows have no column 'author'"):
        gather_questions(Compare(group="author", slices=()), rows, folder=tmp_path)
