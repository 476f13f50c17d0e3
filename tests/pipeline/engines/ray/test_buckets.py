"""Rows parted into buckets come back whole, each from its own bucket, in the order of the tasks."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from siftset.pipeline.engines.ray.buckets import (
    BUCKET,
    name_of,
    read_bucket,
    write_buckets,
    write_found,
)

BUCKETS = 5


def rows(task: int) -> pl.DataFrame:
    """Rows of a task; bucket 3 gets none of them, and the last task has none at all."""
    numbers = [] if task == 11 else [n for n in range(40) if n % BUCKETS != 3]
    return pl.DataFrame(
        {"key": [f"{task}-{n}" for n in numbers], BUCKET: [n % BUCKETS for n in numbers]},
        schema={"key": pl.String, BUCKET: pl.UInt32},
    )


def test_each_bucket_holds_its_rows_in_the_order_of_tasks(tmp_path: Path):
    tasks = (10, 2, 11, 9)
    for task in tasks:
        write_buckets(name_of(tmp_path, task), rows(task), BUCKETS)
    parted = pl.concat([rows(task) for task in sorted(tasks)])
    for bucket in range(BUCKETS):
        wanted = parted.filter(pl.col(BUCKET) == bucket)["key"].to_list()
        found = [key for frame in read_bucket(tmp_path, bucket) for key in frame["key"]]
        assert found == wanted
        assert bool(wanted) is (bucket != 3)
    assert len(list(tmp_path.iterdir())) == len(tasks), "a file for each task, and no draft left"


def test_a_bucket_without_rows_yields_no_frame(tmp_path: Path):
    write_buckets(name_of(tmp_path, 0), rows(0), BUCKETS)
    assert list(read_bucket(tmp_path, 3)) == []
    assert all(BUCKET not in frame.columns for frame in read_bucket(tmp_path, 0))


def test_what_is_found_is_read_back(tmp_path: Path):
    found = pl.DataFrame({"key": ["a", "b"], "keeper": ["a", "a"]})
    assert pl.read_ipc(write_found(tmp_path / "found.arrow", found)).equals(found)
