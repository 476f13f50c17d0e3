"""Columns of a source keep their names and values, whatever the stages call what they add."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.refresh import refresh

NAMES = ("place", "keeper", "kind", "key", "duplicate_of", "clause", "reason", "rule", "at", "row")
RECIPE = """
name: columns
output: out
source: {files: {paths: ["in/*.csv"], text: text}}
signals: {long: {length: {unit: chars, min: 3}}}
keep: long
dedupe: {exact: true, near: 0.8}
"""


def _write(folder: Path, day: str, texts: list[str]) -> Path:
    named = {name: [f"{name} {day}{i}" for i in range(len(texts))] for name in NAMES}
    (folder / "in").mkdir(exist_ok=True)
    pl.DataFrame({"text": texts} | named).write_csv(folder / "in" / f"{day}.csv")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder / "recipe.yaml"


def _published(folder: Path, version: int) -> pl.DataFrame:
    return pl.read_parquet(folder / f"out/versions/{version}/*.parquet").sort("text")


@pytest.mark.parametrize("command", [curate, refresh])
def test_columns_keep_their_names(tmp_path: Path, command) -> None:
    recipe = _write(tmp_path, "a", ["a fine day", "a fine day", "another good one", "x"])
    result = command(recipe)
    assert _published(tmp_path, 0).select(NAMES).rows() == [
        tuple(f"{name} a{i}" for name in NAMES) for i in (0, 2)
    ]
    aside = pl.read_parquet(result.report.parent / "duplicates" / "*.parquet")
    assert aside["kind"].to_list() == ["exact"]
    assert aside["source_column_kind"].to_list() == ["kind a1"]
    metrics = read_metrics(result.report.with_name(METRICS))
    assert [group.kind for group in metrics.duplicates.groups] == ["exact"]


def test_columns_keep_their_names_when_rows_come_and_change(tmp_path: Path) -> None:
    recipe = _write(tmp_path, "a", ["a fine day", "another good one"])
    refresh(recipe)
    _write(tmp_path, "b", ["a fine day", "something new here"])
    refresh(recipe)
    assert _published(tmp_path, 1)["place"].to_list() == ["place a0", "place a1", "place b1"]
    _write(tmp_path, "a", ["another good one", "a fine day"])  # the places change sides
    refresh(recipe)
    assert _published(tmp_path, 2)["place"].to_list() == ["place a1", "place a0", "place b1"]
