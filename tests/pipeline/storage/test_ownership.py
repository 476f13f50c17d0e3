"""An output belongs to one recipe, and what others do to it is noticed."""

from __future__ import annotations

import json

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from siftset.pipeline.commands.check import check_recipe
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh_set
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError, RecipeError


def texts(world) -> list[str]:
    return sorted(world.set()["text"])


@pytest.fixture
def world(new_world):
    """A world with a set of one row."""
    made = new_world()
    made.texts("a", "the first text")
    made.refresh()
    return made


@pytest.mark.parametrize("run", [curate, refresh_set, check_recipe])
def test_the_output_of_another_recipe_is_refused(world, run):
    world.change(name="stranger", keep="long")
    with pytest.raises(OutputError, match=r"output of the recipe 'world', .*--take-over"):
        run(world.path())
    assert texts(world) == ["the first text"]


def test_an_output_is_taken_over_where_that_is_said(world):
    world.change(name="stranger")
    world.texts("b", "the second text")
    assert world.refresh(take_over=True).set_rows == 2
    assert world.refresh().new is False
    world.change(name="world")
    with pytest.raises(OutputError, match="output of the recipe 'stranger'"):
        world.refresh()


def test_a_set_without_the_name_of_its_recipe_is_known_by_its_manifest(world, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.storage.ownership.OWNER", "siftset_unknown")
    world.change(name="stranger")
    with pytest.raises(OutputError, match="output of the recipe 'world'"):
        world.refresh()


@pytest.mark.parametrize(
    ("paths", "output"),
    [
        (["."], "out"),
        (["in"], "in/out"),
        (["in/**/*.parquet"], "in/out"),
        (["in/*/versions/0/*.parquet"], "in/out"),
        (["*/set/*/*.parquet"], "out"),
    ],
)
def test_an_output_inside_its_own_input_is_refused(new_world, paths, output):
    world = new_world(source={"files": {"paths": paths}}, output=output)
    world.texts("a", "the first text")
    with pytest.raises(RecipeError, match="lies inside the input"):
        check_recipe(world.path())


@pytest.mark.parametrize("paths", [["in"], ["in/*.jsonl"], ["**/*.jsonl"]])
def test_an_output_that_no_input_covers_is_none_of_it(new_world, paths):
    world = new_world(source={"files": {"paths": paths}})
    world.texts("a", "the first text")
    assert world.refresh().set_rows == 1
    assert world.refresh().new is False


def test_the_own_set_as_a_source_is_refused(world):
    world.change(source={"delta": {"path": "out/set"}})
    with pytest.raises(RecipeError, match="part of the recipe's own output"):
        world.refresh()


def test_rows_that_another_program_appends_are_noticed_and_never_erased_unsaid(world):
    table = DeltaTable(world.folder / "out/set")
    row = pl.read_delta(table).with_columns(text=pl.lit("from outside"))
    write_deltalake(table, row.to_arrow(), mode="append")
    world.texts("b", "the second text")
    for run in (curate, refresh_set, check_recipe):
        with pytest.raises(OutputError, match=r"another program changed .*added 1 row in 1 file"):
            run(world.path())
    assert pl.read_delta(str(world.folder / "out/set")).height == 2
    assert curate(world.path(), options=CurateOptions(take_over=True)).set_rows == 2
    assert texts(world) == ["the first text", "the second text"]


def test_a_vacuum_is_no_news_and_no_version(world):
    curate(world.path(), options=CurateOptions(fresh_set=True))
    table = DeltaTable(world.folder / "out/set")
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    table.update_incremental()
    assert table.version() > 1
    store = Store(world.folder / "out")
    assert store.version() == 1
    assert world.refresh().new is False
    assert store.version() == 1
    world.texts("b", "the second text")
    result = world.refresh()
    assert result.version == store.version()
    assert texts(world) == ["the first text", "the second text"]
    manifest = json.loads((result.report.parent / "manifest.json").read_text())
    assert manifest["base_version"] == 1
