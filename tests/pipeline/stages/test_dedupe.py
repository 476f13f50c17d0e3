from __future__ import annotations

import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import siftset.pipeline.stages.dedupe as dedupe
from siftset.pipeline.run.content_key import TEXT_KEY, text_key
from siftset.pipeline.stages.dedupe import (
    exact_duplicates,
    id_key,
    merge_findings,
    no_repeats,
    repeated_ids,
    split_duplicates,
)
from siftset.pipeline.storage.part_files import Part
from siftset.schemas.errors import SourceError


def parts_of(folder: Path, texts: list[str | None], cuts: list[int]) -> list[Part]:
    """Write texts as candidate parts, cut at the given places."""
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String}).with_row_index("n")
    frame = frame.select("text", row_id=pl.format("r{}", "n")).with_columns(text_key())
    edges = [0, *sorted({c for c in cuts if 0 < c < len(texts)}), len(texts)]
    parts = []
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        path = folder / f"{len(texts)}-{number}.parquet"
        frame.slice(start, end - start).write_parquet(path)
        parts.append(Part(path, end - start))
    return parts


def outcome(parts: list[Part], repeated: pl.DataFrame) -> tuple[list[str], dict[str, str]]:
    settled = list(split_duplicates(parts, repeated))
    kept = [row for part in settled for row in part.kept["row_id"]]
    pairs = [
        row
        for part in settled
        for row in zip(part.duplicates["row_id"], part.pointers["duplicate_of"], strict=True)
    ]
    return kept, dict(pairs)


SAME = [
    ("composed and decomposed", "caf\u00e9", "cafe\u0301"),
    ("runs of white space", "a b", "a  \t b"),
    ("another white space", "a b", "a\u00a0b"),
    ("a line end", "a b", "a\nb"),
    ("around", "a b", "  a b\n"),
    ("nothing and blanks", "", " \t"),
]
DIFFERENT = [
    ("case", "Nike", "nike"),
    ("punctuation", "good", "good!"),
    ("compatibility forms", "\ufb01ne", "fine"),
    ("glued words", "ab", "a b"),
]


@pytest.mark.parametrize(("what", "one", "other"), SAME)
def test_equal_after_folding(tmp_path, what, one, other):
    parts = parts_of(tmp_path, [one, "x", other], [1])
    assert outcome(parts, exact_duplicates(parts)) == (["r0", "r1"], {"r2": "r0"})


@pytest.mark.parametrize(("what", "one", "other"), DIFFERENT)
def test_not_equal(tmp_path, what, one, other):
    parts = parts_of(tmp_path, [one, other], [])
    assert exact_duplicates(parts).height == 0


def test_rows_without_a_text_are_no_duplicates(tmp_path):
    parts = parts_of(tmp_path, [None, None, "a", None, "a"], [2])
    assert outcome(parts, exact_duplicates(parts)) == (["r0", "r1", "r2", "r3"], {"r4": "r2"})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b ", " b", "c", None, "d\n", "d"]), min_size=1, max_size=40),
    st.lists(st.integers(1, 39), max_size=5),
    st.integers(1, 7),
)
def test_the_keeper_is_the_lowest_whatever_the_cuts_and_passes(tmp_path_factory, texts, cuts, rows):
    parts = parts_of(tmp_path_factory.mktemp("parts"), texts, cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedupe, "_ROWS_PER_PASS", rows)
        kept, pairs = outcome(parts, exact_duplicates(parts))
    first: dict[str, str] = {}
    expected: dict[str, str] = {}
    for number, text in enumerate(texts):
        if text is not None and text.strip() in first:
            expected[f"r{number}"] = first[text.strip()]
        elif text is not None:
            first[text.strip()] = f"r{number}"
    assert pairs == expected
    assert kept == [f"r{n}" for n in range(len(texts)) if f"r{n}" not in expected]


def ids_of(folder: Path, rows: list[tuple[str, int, bool]]) -> list[Part]:
    frame = pl.DataFrame(rows, schema=["row_id", "content", "candidate"], orient="row")
    frame = frame.with_columns(id_key(), file=pl.lit("f"), record=pl.int_range(pl.len())).drop(
        "row_id"
    )
    parts = []
    for number, start in enumerate(range(0, frame.height, 2)):
        path = folder / f"ids-{number}.parquet"
        frame.slice(start, 2).write_parquet(path)
        parts.append(Part(path, min(2, frame.height - start)))
    return parts


def candidates(folder: Path, ids: list[str], texts: list[str]) -> list[Part]:
    path = folder / "candidates.parquet"
    pl.DataFrame({"row_id": ids, "text": texts}).with_columns(text_key()).write_parquet(path)
    return [Part(path, len(ids))]


def test_a_repeated_id_with_equal_content_is_a_duplicate(tmp_path):
    parts = candidates(tmp_path, ["x", "y", "x"], ["t", "u", "t"])
    ids = ids_of(tmp_path, [("x", 1, True), ("y", 2, True), ("z", 3, False), ("x", 1, True)])
    found = repeated_ids(parts, ids)
    assert found.rows() == [(2, 0, "id")]
    assert outcome(parts, merge_findings(found, exact_duplicates(parts))) == (
        ["x", "y"],
        {"x": "x"},
    )


def test_a_repeated_id_with_other_content_is_refused(tmp_path):
    parts = candidates(tmp_path, ["x"], ["t"])
    ids = ids_of(tmp_path, [("x", 1, True), ("y", 2, False), ("x", 9, False)])
    with pytest.raises(SourceError, match="f record 0 and f record 2 have one id") as caught:
        repeated_ids(parts, ids)
    assert "merge: upsert" in str(caught.value)


def test_the_latest_wins_on_request(tmp_path):
    parts = candidates(tmp_path, ["x", "y", "x"], ["old", "u", "new"])
    ids = ids_of(tmp_path, [("x", 1, True), ("y", 2, True), ("x", 9, True)])
    found = repeated_ids(parts, ids, latest_wins=True)
    assert outcome(parts, found)[0] == ["y", "x"]
    assert next(iter(split_duplicates(parts, found))).kept["text"].to_list() == ["u", "new"]


def test_the_latest_may_be_a_rejected_row(tmp_path):
    parts = candidates(tmp_path, ["x"], ["old"])
    ids = ids_of(tmp_path, [("x", 1, True), ("x", 9, False)])
    assert outcome(parts, repeated_ids(parts, ids, latest_wins=True)) == ([], {"x": "x"})


def test_unique_ids_cost_nothing_more(tmp_path):
    parts = candidates(tmp_path, ["x", "y"], ["t", "t"])
    assert repeated_ids(parts, ids_of(tmp_path, [("x", 1, True), ("y", 1, True)])).equals(
        no_repeats()
    )
    assert TEXT_KEY in pl.read_parquet_schema(parts[0].path)
