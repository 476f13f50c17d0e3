"""Folders named key=value as columns."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.sources import Sources, open_sources
from siftset.schemas.errors import SourceError
from siftset.schemas.recipe.loading import load_recipe

rows = Sources.frame
CASE = Path(__file__).parents[4] / "shared" / "cases" / "shapes" / "08_hive"
NULL = "lang=__HIVE_DEFAULT_PARTITION__"


def write_folders(folder: Path, *names: str, form: str = "csv") -> None:
    for at, name in enumerate(names):
        path = folder / "in" / name / f"part-0.{form}"
        path.parent.mkdir(parents=True)
        if form == "csv":
            path.write_text(f"text\nrow {at}\n")
        else:
            pl.DataFrame({"text": [f"row {at}"]}).write_parquet(path)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_folders_are_columns_and_no_part_of_ids(form: str, tmp_path: Path, opened: Any):
    write_folders(tmp_path, f"year=2023/{NULL}", "year=2024/lang=de%20AT", form=form)
    (tmp_path / "in/_SUCCESS").touch()
    sources = opened("in", partitions="hive")
    assert sources.schema == {"text": pl.String, "year": pl.Int64, "lang": pl.String}
    found = rows(sources)
    assert found.select(sources.schema.names()).rows() == [
        ("row 0", 2023, None),
        ("row 1", 2024, "de AT"),
    ]
    plain = opened("in")
    assert rows(plain)["row_id"].equals(found["row_id"])
    assert plain.warnings == (
        "in: folders are named year=..., lang=...: set source.files.partitions: hive to read them "
        "as columns",
    )
    assert opened("in", partitions="none").warnings == ()


def test_shards_are_read_alike_on_another_node(tmp_path: Path, opened: Any):
    write_folders(tmp_path, "year=2023", "year=2024")
    sources = opened("in", partitions="hive")
    moved = [pickle.loads(pickle.dumps(shard)) for shard in sources.shards]
    found = pl.concat([batch.frame for shard in moved for batch in shard.read_batches()])
    assert found.equals(rows(sources))


def test_hidden_keys_absent_keys_and_types(tmp_path: Path, opened: Any):
    write_folders(tmp_path, "_year=007", "_year=1/day=2")
    (tmp_path / "in/_delta=no").mkdir()
    found = rows(opened("in", partitions="hive", dtypes={"day": "number"}))
    assert found.select("_year", "day").rows() == [("007", None), ("1", 2.0)]


def test_a_path_that_begins_inside_counts_its_folders(tmp_path: Path, opened: Any):
    write_folders(tmp_path, "year=2023", "year=2024")
    assert rows(opened("in/year=2024/*.csv", partitions="hive"))["year"].to_list() == [2024]


def test_the_folder_of_the_recipe_does_not_count(tmp_path: Path, opened: Any):
    write_folders(tmp_path / "run=7", "year=2023")
    from siftset.pipeline.sources.files import open_files
    from siftset.schemas.recipe.source import Files

    files = open_files(Files(paths=("in",), partitions="hive"), tmp_path / "run=7")
    assert files.files[0].added.constants == {"year": "2023"}


def test_the_folder_wins_over_the_file_and_is_said(tmp_path: Path, opened: Any):
    path = tmp_path / "in/text=x/year=2024/a.csv"
    path.parent.mkdir(parents=True)
    path.write_text("text,year\nhello,1\n")
    sources = opened("in", partitions="hive")
    assert rows(sources).select("text", "year").rows() == [("x", 2024)]
    assert len(sources.warnings) == 2
    assert "column 'year' is in the file and in its folder's name" in sources.warnings[1]


def test_a_folder_of_another_type_is_said(tmp_path: Path, opened: Any):
    write_folders(tmp_path, "year=x")
    with pytest.raises(SourceError, match="year: integer, but a folder is named year=x"):
        opened("in", partitions="hive", dtypes={"year": "integer"})


@pytest.mark.skipif(not CASE.is_dir(), reason="the cases are not beside this checkout")
def test_the_case_of_folders_comes_out_as_it_expects(tmp_path: Path, told: Any):
    folder = Path(shutil.copytree(CASE, tmp_path / "case"))
    expected = json.loads((folder / "expect.json").read_text("utf-8"))
    loaded = load_recipe(folder / "recipe.yaml")
    found = open_sources(loaded.recipe, folder).frame()
    for at, row in expected["rows"].items():
        assert found.row(int(at), named=True).items() >= row.items()
    balance = told("curate", folder / "recipe.yaml")["rows"]
    assert balance["read"] == expected["read"]
    assert balance["kept"] == expected["balance"]["kept"]
    text = (folder / "recipe.yaml").read_text("utf-8")
    (folder / "plain.yaml").write_text(
        text.replace(", partitions: hive, dtypes: {year: string}", "")
    )
    plain = open_sources(load_recipe(folder / "plain.yaml").recipe, folder)
    assert plain.warnings == (expected["without_partitions"]["warning"],)
    assert plain.frame()["row_id"].equals(found["row_id"])
