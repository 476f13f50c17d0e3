from __future__ import annotations

import string

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
