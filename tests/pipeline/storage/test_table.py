from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.storage.atomic_files import atomic_write, link_or_copy, make_writable_folder
from siftset.pipeline.storage.delta_types import cast_storable
from siftset.pipeline.storage.table import DataFile, Store
from siftset.schemas.errors import OutputError


def part(output: Path, split: str, ids: list[str], **extra: object) -> DataFile:
    path = output / "work" / f"{split}-00000.parquet"
    path.parent.mkdir(exist_ok=True, parents=True)
    frame = pl.DataFrame({"row_id": ids, "text": [f"text {i}" for i in ids]})
    cast_storable(frame.with_columns(split=pl.lit(split), **extra)).write_parquet(path)
    return DataFile(path, split, len(ids))


def publish(store: Store, run: str, *files: DataFile) -> int:
    return store.publish(files, run_id=run, key=f"key {run}", base=store.version())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "out put")
    version = publish(
        store,
        "r0",
        part(store.output, "train", ["a", "b", "c"]),
        part(store.output, "validation", ["d"]),
    )
    assert version == 0
    return store


def test_nothing_is_published_at_first(tmp_path):
    store = Store(tmp_path)
    assert store.version() is None
    assert store.current() is None
    with pytest.raises(OutputError, match="no set yet: run  siftset curate"):
        store.files()


def test_a_replacement_is_a_new_version_and_the_old_one_stays(store):
    new = part(store.output, "train", ["x"], stars=pl.lit(5))
    assert publish(store, "r1", new) == 1
    assert store.scan().collect()["row_id"].to_list() == ["x"]
    assert sorted(store.scan(0).collect()["row_id"]) == ["a", "b", "c", "d"]
    current = store.current()
    assert current is not None
    assert (current.run_id, current.key) == ("r1", "key r1")
    assert [c.version for c in store.history()] == [1, 0]


def test_two_writers_on_one_base_are_not_both_let_in(store):
    publish(store, "r1", part(store.output, "train", ["x"]))
    late = part(store.output, "train", ["y"])
    with pytest.raises(OutputError, match="run again"):
        store.publish([late], run_id="r2", key="k", base=0)
    assert store.scan().collect()["row_id"].to_list() == ["x"]


def test_readers_find_the_splits(store):
    import duckdb
    from datasets import load_dataset

    publish(store, "r1", part(store.output, "train", ["x"]), part(store.output, "test", ["y"]))
    for number, expected in ((0, {"train": 3, "validation": 1}), (1, {"train": 1, "test": 1})):
        folder = store.lay_version(number)
        loaded = load_dataset(str(folder), cache_dir=str(store.output / "cache"))
        assert {name: len(rows) for name, rows in loaded.items()} == expected
        glob = f"{folder}/*.parquet"
        counted = duckdb.sql(f"SELECT count(*) FROM read_parquet('{glob}')").fetchall()
        assert counted == [(sum(expected.values()),)]


def test_delta_readers_see_the_current_version(tmp_path):
    store = Store(tmp_path / "plain")
    publish(store, "r0", part(store.output, "train", ["a", "b"]))
    publish(store, "r1", part(store.output, "train", ["x"]))
    assert pl.scan_delta(str(store.path)).collect()["row_id"].to_list() == ["x"]
    assert pl.read_delta(str(store.path), version=0).height == 2


def test_a_laid_version_is_linked_and_laid_once(store):
    folder = store.lay_version(0)
    laid = {path: path.stat().st_ino for path in folder.iterdir()}
    assert {path.stat().st_ino for path in store.files(0)} == set(laid.values())
    store.lay_version(0)
    assert {path: path.stat().st_ino for path in folder.iterdir()} == laid


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_args: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("x")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "x"


@pytest.mark.parametrize("version", [7, 99])
def test_an_unknown_version_names_those_there_are(store, version):
    with pytest.raises(OutputError, match="expected one of: 0"):
        store.commit_of(version)
    with pytest.raises(OutputError, match="siftset history"):
        store.files(version)


def test_types_that_delta_lacks_become_ones_it_has(tmp_path):
    frame = pl.DataFrame(
        {"a": [2**63 + 1], "b": [1], "c": ["x"], "d": [None], "e": [[1]]},
        schema={"a": pl.UInt64, "b": pl.UInt8, "c": pl.Enum(["x"]), "d": pl.Null,
                "e": pl.List(pl.UInt16)},
    )  # fmt: skip
    path = tmp_path / "train-00000.parquet"
    cast_storable(frame).write_parquet(path)
    store = Store(tmp_path)
    store.publish([DataFile(path, "train", 1)], run_id="r", key="k", base=None)
    row = store.scan().collect().row(0, named=True)
    assert int(row["a"]) == 2**63 + 1
    assert (row["b"], row["c"], row["d"], row["e"]) == (1, "x", None, [1])


def test_a_file_is_whole_or_absent(tmp_path):
    target = tmp_path / "x.json"

    def half() -> None:
        with atomic_write(target) as draft:
            draft.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert list(tmp_path.iterdir()) == []
    with atomic_write(target) as draft:
        draft.write_text("all")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        make_writable_folder(tmp_path / "file" / "out")


KILLED = """
import os, signal, sys
import polars as pl
from pathlib import Path
from siftset.pipeline.storage.table import DataFile, Store
import siftset.pipeline.storage.table as module
store = Store(Path(sys.argv[1]))
path = store.output / "train-00000.parquet"
pl.DataFrame({"row_id": ["x"], "text": ["t"], "split": ["train"]}).write_parquet(path)
def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "before":
    Store._commit_files = die
store.publish([DataFile(path, "train", 1)], run_id="r1", key="k1", base=0)
die()
"""


@pytest.mark.parametrize(("moment", "version"), [("before", 0), ("after", 1)])
def test_a_kill_leaves_the_old_version_or_the_new_one(store, moment, version):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(store.output), moment], check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert store.version() == version
    assert store.scan().collect().height == (4, 1)[version]
    assert publish(store, "r2", part(store.output, "train", ["z"])) == version + 1
