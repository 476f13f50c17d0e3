from __future__ import annotations

import string
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.run.split import check_official, split_expr
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.integrity import Split


def splits(texts: list[str | None], split: Split | None = None, seed: int = 0) -> list[str]:
    frame = pl.DataFrame(
        {"text": texts, "row_id": [f"{i:032x}" for i in range(len(texts))]},
        schema={"text": pl.String, "row_id": pl.String},
    )
    chosen = split_expr(
        split or Split(train=0.5, validation=0.5), seed, pl.Schema({"text": pl.String()})
    )
    return frame.with_columns(chosen)["split"].to_list()


def test_shares_are_met():
    found = splits([f"text {i}" for i in range(20_000)], Split(train=0.7, validation=0.2, test=0.1))
    shares = [found.count(name) / 20_000 for name in ("train", "validation", "test")]
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.015)


def test_the_split_is_frozen():
    # These four must never change: a published row keeps its split for ever.
    assert splits(["a", "b", "c", "d"], seed=7) == FROZEN


FROZEN = ["train", "validation", "validation", "validation"]


@given(st.text(), st.lists(st.sampled_from(string.punctuation + " \t"), max_size=5))
def test_case_and_punctuation_never_straddle(text, marks):
    noise = "".join(marks)
    variants = [text, text.upper(), text.lower(), noise + text, text + noise, text.swapcase()]
    # str.upper of Python may change letters that polars keeps apart; compare only where both agree
    variants = [v for v in variants if v.casefold() == text.casefold()] + [noise + text]
    assert len(set(splits([text, *variants]))) == 1


def test_no_text_is_split_by_row_id_and_seeds_differ():
    assert set(splits([None] * 200)) == {"train", "validation"}
    texts = [f"{i}" for i in range(64)]
    assert splits(texts, seed=1) != splits(texts, seed=2)
    assert splits(texts, Split(train=1, validation=0)) == ["train"] * 64
    assert splits(texts, Split(train=0, validation=0, test=1)) == ["test"] * 64


def test_an_official_column():
    frame = pl.DataFrame({"row_id": ["a"], "text": ["x"], "source_column_split": ["val"]})
    expr = split_expr(Split(column="split"), 0, frame.schema)
    assert check_official(frame.with_columns(expr)["split"]).to_list() == ["validation"]
    assert check_official(pl.Series(["Train", " test", "dev"])).to_list() == [
        "train", "test", "validation"
    ]  # fmt: skip
    with pytest.raises(SourceError, match="no column 'fold', expected one of: text"):
        split_expr(Split(column="fold"), 0, pl.Schema({"text": pl.String()}))
    with pytest.raises(SourceError, match="split column holds 'unlabelled'"):
        check_official(pl.Series(["train", "unlabelled"]))


GROUPED = Split(train=0.5, validation=0.3, test=0.2, group="author")


def sides(frame: pl.DataFrame, split: Split = GROUPED, seed: int = 3) -> list[str]:
    return frame.select(split_expr(split, seed, frame.schema)).to_series().to_list()


def authors(values: list[Any]) -> pl.DataFrame:
    ids = [f"{at:032x}" for at in range(len(values))]
    texts = [f"text {at}" for at in range(len(values))]
    return pl.DataFrame({"row_id": ids, "text": texts, "author": values}, strict=False)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_a_group_is_on_one_side_whatever_the_type_of_its_column(values: list[int]):
    whole = sides(authors(values))
    assert len(set(zip(values, whole, strict=True))) == len(set(values))
    assert sides(authors([float(value) for value in values])) == whole
    assert sides(authors([str(value) for value in values])) == whole


def test_a_row_without_a_group_is_split_by_its_text():
    frame = authors([None] * 50)
    assert sides(frame) == sides(frame, GROUPED.model_copy(update={"group": None}))
    several = GROUPED.model_copy(update={"group": ("author", "text")})
    assert sides(frame, several) != sides(frame)
    assert sides(frame.with_columns(text=pl.lit("same")), several).count("train") in (0, 50)


def test_a_group_may_be_a_path_and_a_missing_one_is_said():
    frame = authors([0, 1, 2, 3] * 5)
    nested = frame.select("row_id", "text", meta=pl.struct("author"))
    texts = frame.select("row_id", "text", meta=pl.struct("author").struct.json_encode())
    by_path = GROUPED.model_copy(update={"group": "meta.author"})
    assert sides(nested, by_path) == sides(texts, by_path) == sides(frame)
    with pytest.raises(SourceError, match=r"split\.group: the source has no column 'writer'"):
        sides(frame, GROUPED.model_copy(update={"group": "writer"}))


def test_the_split_of_a_group_is_frozen():
    # These must never change: a published group keeps its split for ever.
    assert sides(authors(["a", "b", "c", "d", "e", "f"])) == FROZEN_GROUPS


FROZEN_GROUPS = ["train", "train", "train", "train", "validation", "train"]
