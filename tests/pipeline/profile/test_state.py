from __future__ import annotations

import json
import math
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.profile.lengths import EXACT, Lengths, bin_middle, measure_lengths
from siftset.pipeline.profile.state import (
    ProfileState,
    Spec,
    merge_states,
    profile_batches,
    profile_frame,
)
from siftset.pipeline.profile.vocabulary import SAMPLE, count_words, gini_index

ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["", "  ", "caf\u00e9 noir"])),
        st.sampled_from(["pos", "neg", None]),
        st.sampled_from(["a.csv", "b.csv"]),
    ),
    max_size=40,
)


def _frame(rows) -> pl.DataFrame:
    schema = {"text": pl.String, "label": pl.String, "file": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(source=pl.struct("file")).drop("file")


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 40), st.integers(0, 40))
def test_parts_add_up_to_the_whole(rows, first: int, second: int) -> None:
    frame = _frame(rows)
    left, right = sorted((first, second))
    parts = [
        profile_frame(frame[:left]),
        profile_frame(frame[left:right]),
        profile_frame(frame[right:]),
    ]
    assert merge_states(parts) == profile_frame(frame)
    assert merge_states(reversed(parts)) == profile_frame(frame)


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_a_state_survives_json(rows) -> None:
    state = profile_frame(_frame(rows))
    assert ProfileState.model_validate(json.loads(state.model_dump_json())) == state


def test_missing_values_are_counted_apart() -> None:
    state = profile_frame(
        pl.DataFrame({"text": [None, "", " \t\u00a0", "x"], "n": [1, None, 3, 4]})
    )
    text, number = state.columns["text"], state.columns["n"]
    assert (text.null, text.empty, text.blank) == (1, 1, 1)
    assert (number.null, number.empty, number.blank, number.type) == (1, 0, 0, "Int64")


def test_batches_give_what_one_pass_gives() -> None:
    frame = _frame([(f"row number {i % 301}", "pos", "a.csv") for i in range(120_000)])
    assert profile_batches(frame.lazy()) == profile_frame(frame)


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_a_length_falls_into_a_bin_whose_middle_is_near(lengths: list[int]) -> None:
    for length in lengths:
        ((least, rows),) = measure_lengths(pl.Series([length])).bins.items()
        assert rows == 1
        assert least <= length
        assert bin_middle(least) == pytest.approx(length, rel=0 if length < EXACT else 0.011)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2 * EXACT), min_size=1, max_size=200),
    st.sampled_from([Fraction(1, 100), Fraction(1, 20), Fraction(1, 2), Fraction(19, 20)]),
)
def test_quantiles_are_those_of_the_rows(lengths: list[int], q: Fraction) -> None:
    numpy = pytest.importorskip("numpy")
    found = measure_lengths(pl.Series(lengths)).quantile(q)
    ranked = sorted(lengths)
    exact = ranked[max(0, math.ceil(q * len(ranked)) - 1)]
    assert (
        exact == numpy.quantile(lengths, float(q), method="inverted_cdf") or len(ranked) % 20 == 0
    )
    assert found == pytest.approx(exact, rel=0 if exact < EXACT else 0.011)


def test_lengths_of_an_older_siftset_are_read(corpora) -> None:
    older = {"counts": {"3": 2, "16": 5, "40": 1}, "total": 500, "min": 3, "max": 131}
    found = Lengths.model_validate(older)
    assert found.rows == 8
    assert found.quantile(Fraction(1, 2)) == 16
    assert found.quantile(Fraction(1)) == pytest.approx(131, rel=0.05)


def test_profiles_do_not_depend_on_the_order_of_rows(corpora) -> None:
    rows = pl.read_parquet(corpora / "pros_cons.parquet").select(
        "text", "label", row_id=pl.format("r{}", "id")
    )
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    assert profile_batches(rows.lazy()) == profile_batches(shuffled.lazy())


def test_the_vocabulary_is_estimated_and_its_parts_merge(corpora) -> None:
    texts = pl.read_parquet(corpora / "gutenberg.parquet")["text"]
    true = texts.str.to_lowercase().str.extract_all(r"\w+").explode().n_unique()
    whole = count_words(texts.to_frame().lazy())
    both = count_words(texts[:15_000].to_frame().lazy()) + count_words(
        texts[15_000:].to_frame().lazy()
    )
    assert not whole.exact
    assert len(whole.sample) == SAMPLE
    assert whole.distinct == pytest.approx(true, rel=0.05)
    assert (both.sample, both.bound, both.tokens) == (whole.sample, whole.bound, whole.tokens)
    assert list(both.top)[:20] == list(whole.top)[:20]


@pytest.mark.parametrize(
    ("counts", "expected"), [([], None), ([5, 5, 5], 0.0), ([0, 0, 9], 2 / 3), ([1, 3], 0.25)]
)
def test_gini(counts: list[int], expected: float | None) -> None:
    assert gini_index(counts) == (None if expected is None else pytest.approx(expected))


def test_labels_by_source_stay_bounded() -> None:
    rows = [("x", f"label {i % 500}", f"{i}.csv") for i in range(2_000)]
    labels = profile_frame(_frame(rows)).labels
    assert len(labels) == 50
    assert sum(sum(one.values()) for one in labels.values()) == 2_000
    assert max(len(one) for one in labels.values()) <= 50


def test_columns_of_ours_are_not_profiled() -> None:
    frame = pl.DataFrame({"text": ["x"], "row_id": ["1"], "run_id": ["r"], "price": [1.0]})
    assert list(profile_frame(frame).columns) == ["text", "price"]
    assert list(profile_frame(frame, Spec(columns=["price"])).columns) == ["price"]
