"""Signals, row rules and their messages on parts of nested columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset import curate
from siftset.schemas.errors import RecipeError, SignalError

ROWS = [
    {"text": "warm", "meta": {"shop": {"name": "north"}, "stars": 5}, "tags": [{"tag": "coat"}]},
    {"text": "tore", "meta": {"shop": {"name": "south"}, "stars": 1}, "tags": []},
    {"text": "fits", "meta": {"shop": {"name": ""}, "stars": 4}, "tags": [{"tag": "coat"}]},
    {"text": "none", "meta": None, "tags": None},
]
RECIPE: dict[str, Any] = {
    "name": "paths",
    "output": "out",
    "signals": {"north": {"keyword": {"words": ["north"], "column": "meta.shop.name"}},
                "coat": {"keyword": {"words": ["coat"], "column": "tags[0].tag"}}},
    "keep": "north & coat",
    "integrity": {"rows": {"meta.shop.name": {"not_blank": True}}},
}  # fmt: skip


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_signals_and_rules_read_parts(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    if form == "jsonl":
        Path("a.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    else:
        pl.DataFrame(ROWS).write_parquet("a.parquet")
    recipe = {**RECIPE, "source": {"files": {"paths": [f"a.{form}"]}}}
    result = curate(recipe)
    counts = result.rows
    assert (counts.kept, counts.rejected, counts.quarantined) == (1, 2, 1)
    kept = pl.read_parquet(result.output / "versions/0/*.parquet")
    assert kept["text"].to_list() == ["warm"]
    assert "meta.shop.name" not in kept.columns, "parts are computed, not stored"
    [aside] = (result.output / "runs").glob("*/quarantine")
    assert pl.read_parquet(aside)["_reasons"].to_list() == [["meta.shop.name: blank"]]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"integrity": {"rows": {"meta.shp": {"not_null": True}}}}, RecipeError, "no such column"),
        (
            {"signals": {"north": {"keyword": {"words": ["a"], "column": "meta.shp"}},
                         "coat": {"keyword": {"words": ["coat"]}}}},
            SignalError,
            "reads column 'meta.shp', which the data lacks",
        ),
    ],
)  # fmt: skip
def test_a_part_that_the_type_lacks_is_said(change, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        curate({**RECIPE, **change}, pl.DataFrame(ROWS))
