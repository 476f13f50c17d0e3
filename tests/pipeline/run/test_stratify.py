"""Stratified splits: shares in every class, and rows that never move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from siftset import CurateOptions, curate
from siftset.pipeline.refresh.incremental import refresh_set
from siftset.pipeline.run.frozen_split import POINT, STRATUM, find_edges
from siftset.pipeline.run.split import stratum_columns
from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.recipe.integrity import Split

SHARES = [0.8, 0.1, 0.1]
SPLIT: dict[str, Any] = {"train": 0.8, "validation": 0.1, "test": 0.1, "stratify": "label"}
RECIPE: dict[str, Any] = {
    "name": "strata",
    "output": "out",
    "source": {"files": {"paths": ["in/*.jsonl"], "label": "label", "id": "id"}},
    "signals": {"some": {"length": {"min": 1}}},
    "keep": "some",
    "split": SPLIT,
    "refresh": {"merge": "upsert"},
}


def counts(points: pl.Series, edges: tuple[float, ...]) -> list[int]:
    return np.bincount(np.searchsorted(edges, points.to_numpy(), "right"), minlength=3).tolist()


def test_a_class_of_twenty_has_rows_on_each_side_for_every_seed():
    labels = ["rare"] * 20 + ["common"] * 180
    texts = [f"{label} {at}" for at, label in enumerate(labels)]
    ids = [f"{at:032x}" for at in range(200)]
    frame = pl.DataFrame({"row_id": ids, "text": texts, "label": labels})
    for seed in range(200):
        rows = frame.select(stratum_columns(Split(**SPLIT), seed, frame.schema))
        rare = rows.filter(pl.col(STRATUM) == "rare")[POINT]
        assert counts(rare, find_edges(rare, SHARES)) == [16, 2, 2]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_edges_leave_every_split_a_point_and_no_point_on_an_edge(values: list[int]):
    points = pl.Series("p", [value / 31 for value in values])
    edges = find_edges(points, SHARES)
    assert list(edges) == sorted(edges)
    assert not set(edges) & set(points) - {0.0}
    if points.n_unique() >= 3:
        assert min(counts(points, edges)) > 0


def write_day(day: int, rows: list[dict[str, Any]]) -> None:
    Path("in").mkdir(exist_ok=True)
    Path(f"in/{day}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def read_version(output: Path, version: int) -> dict[int, tuple[str | None, str]]:
    rows = pl.read_parquet(output / f"versions/{version}/*.parquet")
    return {key: (label, split) for key, label, split in rows.select("id", "label", "split").rows()}


def read_strata(output: Path) -> Any:
    latest = max((output / "runs").iterdir())
    return json.loads((latest / "manifest.json").read_text())["strata"]["edges"]


def test_edges_are_fixed_by_the_version_that_meets_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    label = ["a"] * 100 + ["b"] * 20 + [None] * 10
    first = [{"id": at, "text": f"text {at}", "label": one} for at, one in enumerate(label)]
    write_day(1, first)
    output = refresh_set(RECIPE).output
    one = read_version(output, 0)
    for stratum, sizes in (("a", (80, 10, 10)), ("b", (16, 2, 2)), (None, (8, 1, 1))):
        here = [split for found, split in one.values() if found == stratum]
        assert tuple(here.count(name) for name in ("train", "validation", "test")) == sizes
    edges = read_strata(output)
    # a class that is met later, more rows of known ones, and rows whose class changed
    more = [{"id": 200 + at, "text": f"more {at}", "label": "ac"[at % 2]} for at in range(60)]
    changed = [{**row, "label": "b"} for row in first[:40]]
    write_day(2, [*more, *changed])
    refresh_set(RECIPE)
    two = read_version(output, 1)
    assert {key: two[key][1] for key in one} == {key: split for key, (_, split) in one.items()}
    assert [two[key][0] for key in range(40)] == ["b"] * 40
    later = read_strata(output)
    assert [edge for edge in later if edge in edges] == edges
    assert [stratum for stratum, _ in later if stratum not in ("a", "b", None)] == ["c"]
    new = [split for found, split in two.values() if found == "c"]
    assert [new.count(name) for name in ("train", "validation", "test")] == [24, 3, 3]
    # the whole read anew leaves everything where it is
    again = curate(RECIPE, options=CurateOptions(fresh=True))
    assert again.version is not None
    assert read_version(output, again.version) == two
    assert read_strata(output) == later


def test_what_cannot_be_stratified_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    frame = pl.DataFrame(
        {"text": [f"text {at}" for at in range(1_002)], "label": range(1_002), "author": "x"}
    )
    plain = {key: value for key, value in RECIPE.items() if key != "source"}
    with pytest.raises(RecipeError, match="'label' has 1,002 values, expected at most 1,000"):
        curate(plain, frame)
    grouped = {**plain, "split": {**SPLIT, "group": "author"}}
    with pytest.raises(RecipeError, match="one 'label' a group, and 1 group has several"):
        curate(grouped, frame.head(5))
    with pytest.raises(SourceError, match=r"split\.stratify: the source has no column 'kind'"):
        curate({**plain, "split": {**SPLIT, "stratify": "kind"}}, frame)
    with pytest.raises(ValidationError, match="holds the split already"):
        Split(column="side", stratify="label")
