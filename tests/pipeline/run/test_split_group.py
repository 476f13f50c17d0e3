"""Groups that stay on one side: over refreshes in any order, in figures and on the report."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset import curate
from siftset.pipeline.profile.scalars import list_scalars
from siftset.pipeline.refresh.incremental import refresh_set
from siftset.pipeline.reports.run.findings import find_statements
from siftset.schemas.results.metrics import RunMetrics

RECIPE: dict[str, Any] = {
    "name": "groups",
    "output": "out",
    "source": {"files": {"paths": ["in/*.jsonl"]}},
    "signals": {"some": {"length": {"min": 1}}},
    "keep": "some",
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2, "group": "meta.thread"},
}


def read_metrics(report: Path) -> RunMetrics:
    return RunMetrics.model_validate_json(report.with_name("metrics.json").read_text("utf-8"))


def kept_rows(output: Path, version: int) -> pl.DataFrame:
    return pl.read_parquet(output / f"versions/{version}/*.parquet")


def test_no_group_is_ever_on_two_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_or_all: Any
):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    days = few_or_all(5, 30)
    order = random.Random(7).sample(range(days), days)
    seen: dict[int, str] = {}
    for version, day in enumerate(order):
        lines = [
            {"text": f"turn {day} {at}", "meta": {"thread": (day * 7 + at) % 40}}
            for at in range(20)
        ]
        Path(f"in/{day:02d}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        result = refresh_set(RECIPE)
        rows = kept_rows(result.output, version)
        threads = rows["meta"].str.json_path_match("$.thread").cast(pl.Int64)
        for thread, split in zip(threads, rows["split"], strict=True):
            assert seen.setdefault(thread, split) == split
    assert len(set(seen.values())) == 3
    metrics = read_metrics(result.report)
    assert metrics.split is not None
    assert metrics.split.groups == len(seen)
    assert list_scalars(metrics)["leaked_groups"] == 0


def test_what_a_large_group_does_to_shares_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    authors = ["a17"] * 60 + [f"b{at}" for at in range(30)] + [None] * 10
    frame = pl.DataFrame({"text": [f"text {at}" for at in range(100)], "author": authors})
    recipe = {**RECIPE, "source": {"frame": {}}}
    recipe["split"] = {"train": 0.5, "validation": 0.5, "group": "author"}
    metrics = read_metrics(curate(recipe, frame).report)
    claims = [one.claim for one in find_statements(metrics)]
    assert any("group author 'a17' alone holds 60.0%" in claim for claim in claims)
    assert "10 of 100 rows have no group (author)." in claims
    assert list_scalars(metrics)["ungrouped_share"] == pytest.approx(0.1)


def test_an_official_split_is_checked_for_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    frame = pl.DataFrame(
        {
            "text": ["a", "b", "c", "d"],
            "author": ["x", "x", "y", "y"],
            "side": ["train", "test", "train", "train"],
        }
    )
    recipe = {**RECIPE, "source": {"frame": {}}, "split": {"column": "side", "group": "author"}}
    metrics = read_metrics(curate(recipe, frame).report)
    assert list_scalars(metrics)["leaked_groups"] == 1
    claims = [one.claim for one in find_statements(metrics)]
    assert "1 of 1 row of test has a group (author) that is also in train." in claims


def test_equal_texts_of_two_groups_stay_on_one_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    recipe = {**RECIPE, "dedupe": {"exact": False}}

    def write(day: int) -> None:
        rows = [{"text": f"same {at % 3}", "meta": {"thread": f"{day} {at}"}} for at in range(30)]
        Path(f"in/{day}.jsonl").write_text("\n".join(map(json.dumps, rows)))

    write(5)
    first = kept_rows(refresh_set(recipe).output, 0)
    assert first.group_by("text").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 3
    write(1)  # before the rows that are published, which stay all the same
    result = refresh_set(recipe)
    second = kept_rows(result.output, 1)
    assert set(first["row_id"]) <= set(second["row_id"])
    assert second.group_by("text").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 3
    assert second.height > first.height
    manifest = json.loads(result.report.with_name("manifest.json").read_text("utf-8"))
    assert manifest["duplicates"]["leak"] > 0
    free = {**recipe, "output": "free", "dedupe": {"exact": False, "across_splits": False}}
    assert kept_rows(refresh_set(free).output, 0).height == 60
