"""Rows whose input is gone stay as they are, whatever today's files hold."""

from __future__ import annotations

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh
from siftset.schemas.errors import SourceError


def csv(world, name, text):
    (world.folder / "in").mkdir(exist_ok=True)
    (world.folder / f"in/{name}.csv").write_text(text)


def archive(world, name):
    (world.folder / f"in/{name}.csv").unlink()


@pytest.fixture
def world(new_world):
    return new_world(source={"files": {"paths": ["in/*.csv"], "label": "stars"}})


def published(world):
    return world.set().sort("text").drop("formula").to_dicts()


ARCHIVED = [
    "text,stars\nlong text a,4.5\nlong text b,1.5\n",
    "text,stars\nlong text a,good\n",
    "text,stars\nlong text a,1.0\nlong text b,\n",
    "text,stars,only\nlong text a,1,here\n",
    "text,only,stars\nlong text a,2.5,1\n",
    "text,stars\nlong text a,9007199254740993\n",
    "text,stars\nlong text a,true\n",
]


@pytest.mark.parametrize("text", ARCHIVED)
def test_archiving_an_input_changes_no_row_that_stays(world, text):
    csv(world, "a", text)
    csv(world, "b", "text,stars\nlong text c,3\n")
    first = refresh(world.path())
    before = published(world)
    archive(world, "a")
    assert not refresh(world.path()).new
    csv(world, "c", "text,stars\nlong text d,5\n")
    found = refresh(world.path())
    assert found.rows.read == 1, "what stays is not read again"
    assert found.version == first.version + 1
    assert [row for row in published(world) if row["text"] != "long text d"] == before
    world.change(keep="long")
    refresh(world.path())
    assert [row for row in published(world) if row["text"] != "long text d"] == before


def test_without_a_ledger_the_set_itself_tells_the_columns(world):
    import shutil

    csv(world, "a", "text,stars,only\nlong text a,4.5,x\n")
    csv(world, "b", "text,stars\nlong text c,3\n")
    refresh(world.path())
    before = published(world)
    archive(world, "a")
    shutil.rmtree(world.folder / "out/ledger")
    csv(world, "c", "text,stars\nlong text d,5\n")
    refresh(world.path())
    assert [row for row in published(world) if row["text"] != "long text d"] == before


def test_an_emptied_inbox_is_nothing_new(world):
    csv(world, "a", "text,stars\nlong text a,4.5\n")
    refresh(world.path())
    before = published(world)
    archive(world, "a")
    assert not refresh(world.path()).new
    assert published(world) == before
    csv(world, "b", "text,stars\nlong text d,5\n")
    assert refresh(world.path()).rows.read == 1
    assert published(world)[0] == before[0]


def test_an_inbox_that_was_always_empty_is_an_error(world):
    with pytest.raises(SourceError, match="no file matches"):
        refresh(world.path())


def test_an_emptied_inbox_is_an_error_where_its_rows_would_go(world):
    csv(world, "a", "text,stars\nlong text a,4.5\n")
    world.change(refresh={"removed": "delete"})
    refresh(world.path())
    archive(world, "a")
    with pytest.raises(SourceError, match="no file matches"):
        refresh(world.path())


EMPTY = ["header.csv", "rows.parquet", "rows.arrow"]


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("alone", [True, False])
def test_an_input_without_rows_is_read_like_any_other(name, alone, new_world):
    world = new_world(source={"files": {"paths": ["in"]}})
    empty = pl.DataFrame(schema={"text": pl.String, "n": pl.Int64})
    path = world.folder / "in" / name
    write = {".csv": empty.write_csv, ".parquet": empty.write_parquet, ".arrow": empty.write_ipc}
    write[path.suffix](path)
    if not alone:
        world.texts("z", "a long text")
    kept = 0 if alone else 1
    assert curate(world.path()).rows.kept == kept
    refresh(world.path())
    world.texts("more", "another long text")
    refresh(world.path())
    assert world.set().height == kept + 1
