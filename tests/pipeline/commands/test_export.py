"""What an exported file holds of every type, and of a set without rows."""

from __future__ import annotations

import base64
import csv
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.export import export_set
from siftset.schemas.errors import OutputError

VALUES: dict[str, tuple[pl.Series, str, object]] = {
    "texts": (pl.Series([["a", "é"]]), '["a","é"]', ["a", "é"]),
    "floats": (pl.Series([[1.5, None, float("inf")]]), '[1.5,null,"inf"]', [1.5, None, "inf"]),
    "struct": (pl.Series([{"a": 1, "b": None}]), '{"a":1,"b":null}', {"a": 1, "b": None}),
    "days": (pl.Series([[date(2024, 1, 2)]]), '["2024-01-02"]', ["2024-01-02"]),
    "bytes": (pl.Series([b"\x00\xff"]), "AP8=", "AP8="),
    "infinite": (pl.Series([float("-inf")]), "-inf", "-inf"),
    "missing": (pl.Series([float("nan")]), "NaN", None),
    "decimal": (pl.Series([Decimal("1.10")]), "1.10", "1.10"),
    "day": (pl.Series([date(2024, 1, 2)]), "2024-01-02", "2024-01-02"),
    "flag": (pl.Series([True]), "true", True),
    "whole": (pl.Series([2**53 + 1]), str(2**53 + 1), 2**53 + 1),
}


def curated(folder: Path, frame: pl.DataFrame, keep: str = "long") -> Path:
    frame.write_parquet(folder / "in.parquet")
    recipe = {
        "name": "export",
        "output": "out",
        "source": {"files": {"paths": ["in.parquet"]}},
        "signals": {"long": {"length": {"min": 1}}},
        "keep": keep,
        "allow_empty": True,
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe))
    curate(path)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def read_json_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_type_has_one_form_in_each_format(tmp_path: Path):
    columns = {name: series.rename(name) for name, (series, _, _) in VALUES.items()}
    recipe = curated(tmp_path, pl.DataFrame({"text": ["a text"], **columns}))
    for ending in ("csv", "jsonl", "parquet"):
        assert export_set(recipe, tmp_path / f"x.{ending}") == 1
    [fields] = read_csv(tmp_path / "x.csv")
    [values] = read_json_lines(tmp_path / "x.jsonl")
    for name, (_, field, value) in VALUES.items():
        assert fields[name] == field, name
        assert values[name] == value, name
    stored = pl.read_parquet(tmp_path / "x.parquet")
    for name, series in columns.items():
        assert stored[name].equals(series, null_equal=True) or name == "missing"
    assert base64.b64decode(fields["bytes"]) == b"\x00\xff"


def test_times_are_written_alike_in_both_ways(tmp_path: Path):
    at = datetime(2024, 1, 2, 3, 4, 5)
    for infinite in (1.0, float("inf")):
        recipe = curated(tmp_path, pl.DataFrame({"text": ["t"], "at": [at], "x": [infinite]}))
        export_set(recipe, tmp_path / "x.jsonl")
        [row] = read_json_lines(tmp_path / "x.jsonl")
        assert row["at"] == "2024-01-02 03:04:05"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_set_without_rows_is_exported(ending, tmp_path: Path):
    recipe = curated(tmp_path, pl.DataFrame({"text": ["a text"]}), keep="~long")
    assert export_set(recipe, tmp_path / f"x.{ending}") == 0
    if ending == "csv":
        assert "text" in (tmp_path / "x.csv").read_text().splitlines()[0].split(",")
    if ending == "parquet":
        assert "text" in pl.read_parquet(tmp_path / "x.parquet").columns


def test_an_empty_list_and_none_are_told_apart(tmp_path: Path):
    frame = pl.DataFrame(
        {"text": ["one", "two"], "tags": [[], None]}, schema_overrides={"tags": pl.List(pl.String)}
    )
    recipe = curated(tmp_path, frame)
    export_set(recipe, tmp_path / "x.csv")
    assert {r["text"]: r["tags"] for r in read_csv(tmp_path / "x.csv")} == {"one": "[]", "two": ""}


def test_cells_that_begin_like_formulas_are_made_harmless_on_demand(tmp_path: Path):
    texts = ["=1+1", "+1", "-1", "@x", "\t=1", "plain", "a=b"]
    recipe = curated(tmp_path, pl.DataFrame({"text": texts}))
    export_set(recipe, tmp_path / "plain.csv")
    assert sorted(r["text"] for r in read_csv(tmp_path / "plain.csv")) == sorted(texts)
    export_set(recipe, tmp_path / "safe.csv", for_spreadsheets=True)
    found = sorted(r["text"] for r in read_csv(tmp_path / "safe.csv"))
    assert found == sorted(["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "plain", "a=b"])
    with pytest.raises(OutputError, match="only CSV"):
        export_set(recipe, tmp_path / "safe.jsonl", for_spreadsheets=True)


def test_rows_that_a_run_left_out_are_exported_by_kind(tmp_path: Path):
    texts = ["good shoe", "good shoe", "bad", None, "fine"]
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "in.parquet")
    recipe = {
        "name": "export",
        "output": "out",
        "source": {"files": {"paths": ["in.parquet"]}},
        "signals": {"good": {"keyword": {"words": ["good", "fine"]}}},
        "keep": "good",
        "integrity": {"rows": {"text": {"not_null": True}}},
    }
    run = curate(recipe_file := write_recipe(tmp_path, recipe))
    out = tmp_path / "rows.csv"
    told = {}
    for kind in ("rejected", "quarantined", "duplicates", "unreadable"):
        assert export_set(recipe_file, out, kind=kind, run_id=run.run_id) == len(read_csv(out))
        told[kind] = [row.get("text") for row in read_csv(out)]
    assert told == {
        "rejected": ["bad"], "quarantined": [""], "duplicates": ["good shoe"], "unreadable": [],
    }  # fmt: skip
    with pytest.raises(OutputError, match="has not the run 'nope'; its latest runs: "):
        export_set(recipe_file, out, kind="rejected", run_id="nope")
    with pytest.raises(OutputError, match="add --rows"):
        export_set(recipe_file, out, run_id=run.run_id)
    with pytest.raises(OutputError, match="these rows have no split"):
        export_set(recipe_file, out, kind="rejected", split="train")


def write_recipe(folder: Path, recipe: dict[str, object]) -> Path:
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    return path
