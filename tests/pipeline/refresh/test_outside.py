"""What other tools do to the table of the set never changes what siftset publishes."""

from __future__ import annotations

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.model_registry.inputs import training_data
from siftset.pipeline.refresh import refresh, refresh_set
from siftset.pipeline.remote_output.retention import remove_old_versions
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError
from siftset.schemas.recipe.loading import load_recipe


@pytest.fixture
def world(new_world):
    world = new_world()
    world.texts("a", "text number 0", "text number 1")
    refresh(world.path())
    return world


def append(world):
    rows = pl.read_delta(str(world.folder / "out/set")).head(1)
    rows.with_columns(row_id=pl.lit("0" * 32), text=pl.lit("a row of theirs")).write_delta(
        str(world.folder / "out/set"), mode="append"
    )


@pytest.mark.parametrize("run", [refresh_set, curate])
def test_a_run_that_takes_over_publishes_its_own_rows(world, run):
    append(world)
    store = Store(world.folder / "out")
    data = training_data(load_recipe(world.path()), store, None)
    assert (data.lineage.version, sum(data.lineage.rows.values())) == (0, 2)
    world.texts("b", "text number 2")
    with pytest.raises(OutputError, match="another program changed the set"):
        run(world.path())
    found = run(world.path(), options=CurateOptions(take_over=True))
    assert (found.version, found.set_rows) == (2, 3)
    assert world.set().equals(world.full())
    theirs = pl.read_delta(str(world.folder / "out/set"), version=1)
    assert "a row of theirs" in set(theirs["text"])
    assert not run(world.path()).new


def test_retention_leaves_what_another_tool_wrote(world):
    world.texts("b", "text number 2")
    refresh(world.path())
    append(world)
    assert remove_old_versions(Store(world.folder / "out"), 1) == [0]
    assert "a row of theirs" in set(pl.read_delta(str(world.folder / "out/set"))["text"])


def test_files_that_another_tool_removed_are_named(world):
    for path in (world.folder / "out/set").rglob("*.parquet"):
        path.unlink()
    store = Store(world.folder / "out")
    with pytest.raises(OutputError, match=r"is gone .* --fresh"):
        store.local_files()
    world.texts("b", "text number 2")
    assert curate(world.path()).set_rows == 3
    assert world.set().equals(world.full())
