"""Versions through time: by number or date, brought back, kept by policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from siftset.pipeline.approval.resolve_version import commit_time, resolve_version
from siftset.pipeline.commands.export import export_set
from siftset.pipeline.refresh import refresh
from siftset.pipeline.refresh.versions import (
    list_history,
    roll_back_set,
)
from siftset.pipeline.remote_output.retention import remove_old_versions
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError


@pytest.fixture
def world(new_world):
    """A world with three versions, of one, two and three rows."""
    world = new_world()
    for number in range(3):
        world.texts(f"f{number}", f"text number {number}")
        world.refresh()
    return world


def store_of(world):
    return Store(world.folder / "out")


def test_the_history_tells_what_made_each_version(world):
    versions = list_history(world.path())
    assert [v["version"] for v in versions] == [2, 1, 0]
    assert [v["rows"] for v in versions] == [3, 2, 1]
    assert all(v["available"] for v in versions)
    assert versions[0]["published"] >= versions[1]["published"]  # type: ignore[operator]


def test_a_version_is_found_by_number_and_by_time(world):
    store = store_of(world)
    times = {commit.version: commit_time(commit) for commit in store.history()}
    assert resolve_version(store, "1") == 1
    assert resolve_version(store, times[1].isoformat()) == 1
    assert resolve_version(store, (times[2] + timedelta(hours=1)).isoformat()) == 2
    assert resolve_version(store, f"{times[2]:%Y-%m-%d}") == 2


WRONG = [
    ("7", "has no version 7"),
    ("1999-01-01", "had no version at 1999-01-01"),
    ("yesterday", "neither a version nor a date"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_version_that_is_not_there_is_told(world, text, message):
    with pytest.raises(OutputError, match=message):
        resolve_version(store_of(world), text)


def test_an_earlier_version_comes_back_as_a_new_one(world):
    assert roll_back_set(world.path(), 0) == 3
    assert world.set()["text"].to_list() == ["text number 0"]
    assert roll_back_set(world.path(), 3) == 3
    assert world.refresh().set_rows == 3
    assert world.set().equals(world.full())
    assert pl.read_parquet(world.folder / "out/versions/2/*.parquet").height == 3


def test_old_versions_go_but_not_those_that_a_model_was_trained_on(world):
    model = world.folder / "out/models/v0-mlm-12345678"
    model.mkdir(parents=True)
    (model / "training.json").write_text("{}")
    world.texts("f1", "another text now")
    world.change(refresh={"keep_versions": 1, "removed": "delete"})
    refresh(world.path())
    kept = {v["version"]: v["available"] for v in list_history(world.path())}
    assert kept == {3: True, 2: False, 1: False, 0: True}
    folders = sorted(path.name for path in (world.folder / "out/versions").iterdir())
    assert folders == ["0", "3"]
    for version, rows in ((0, 1), (3, 3)):
        assert export_set(world.path(), world.folder / "x.jsonl", version=version) == rows
    with pytest.raises(OutputError, match="were removed"):
        resolve_version(store_of(world), "1")
    with pytest.raises(OutputError, match="were removed"):
        roll_back_set(world.path(), 2)
    assert world.set().equals(world.full())


def test_what_no_version_needs_and_is_a_day_old_goes(world, monkeypatch):
    left = world.folder / "out/set/left-by-a-killed-run"
    left.mkdir()
    (left / "train-00000.parquet").write_bytes(b"half")
    assert remove_old_versions(store_of(world), 3) == []

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(UTC) + timedelta(days=2)

    monkeypatch.setattr("siftset.pipeline.remote_output.retention.datetime", Tomorrow)
    assert remove_old_versions(store_of(world), 2) == [0]
    assert not left.exists()
    assert world.set().height == 3
