"""Refreshes over other sources than one folder of files."""

from __future__ import annotations

import gzip

import polars as pl
import pytest

from siftset.schemas.errors import SourceError

TWO = [
    {"files": {"name": "first", "paths": ["in/x*.jsonl"]}},
    {"files": {"name": "second", "paths": ["in/y*.jsonl"], "text": "body"}},
]


def test_two_sources_keep_their_order(new_world):
    world = new_world(source=TWO, refresh={"removed": "delete"})
    world.write("x1", [{"text": "the same text"}])
    world.write("y1", [{"body": "the same text"}, {"body": "of the second"}])
    world.refresh()
    world.write("y0", [{"body": "of the second"}])
    world.write("x2", [{"text": "of the second"}])
    world.refresh()
    assert world.set().equals(world.full())
    assert world.set()["source"].struct.field("file").unique().sort().to_list() == [
        "x1.jsonl", "x2.jsonl",
    ]  # fmt: skip


def test_a_file_that_is_compressed_stays_the_same_input(new_world):
    world = new_world(source={"files": {"paths": ["in/*"]}})
    world.texts("a", "the first text", "the second text")
    world.refresh()
    before = world.set()["row_id"].to_list()
    plain = world.folder / "in/a.jsonl"
    (world.folder / "in/a.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    world.refresh()
    assert world.set()["row_id"].to_list() == before
    assert world.set().equals(world.full())


def test_a_synthesis_that_grows(new_world):
    nike = {"synthesize": {"lexicon": "nike", "rows": 3000}}
    world = new_world(source=nike, signals={"nike": {"keyword": {"words": ["nike"]}}}, keep="nike")
    world.refresh()
    world.change(source={"synthesize": {"lexicon": "nike", "rows": 4000}})
    world.refresh()
    assert world.set().equals(world.full())


def test_a_delta_table_that_is_appended_to(new_world):
    world = new_world(source={"delta": {"path": "table"}})
    table = str(world.folder / "table")
    pl.DataFrame({"text": ["the first text", "the second text"]}).write_delta(table)
    world.refresh()
    pl.DataFrame({"text": ["the third text", "the first text"]}).write_delta(table, mode="append")
    assert world.refresh().rows.read == 2
    assert world.set().sort("text")["text"].to_list() == [
        "the first text", "the second text", "the third text",
    ]  # fmt: skip
    assert world.set().equals(world.full())


def test_row_groups_of_a_file_that_grew_are_not_read_again(new_world, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.sources.formats.columnar.PART_ROWS", 4)
    world = new_world(source={"files": {"paths": ["in/a.parquet"]}})
    path = world.folder / "in/a.parquet"

    def write(*texts):
        pl.DataFrame({"text": texts}).write_parquet(path, row_group_size=4, statistics=False)

    first = [f"text number {n}" for n in range(8)]
    write(*first)
    assert world.refresh().rows.read == 8
    write(*first, "text number 1", "text number 20")
    assert world.refresh().rows.read == 2
    assert world.set().equals(world.full())
    write(*first[:4], *["text number 30"] * 4, "text number 1", "text number 20")
    assert world.refresh().rows.read == 6
    assert world.set().equals(world.full())
    write("text number 40", *first[1:4], *["text number 30"] * 4, "text number 1")
    assert world.refresh().rows.read == 9
    assert world.set().equals(world.full())


def test_an_input_that_breaks_leaves_the_set(new_world):
    world = new_world(source={"files": {"paths": ["in/*"]}})
    world.texts("a", "the first text")
    world.refresh()
    (world.folder / "in/b.parquet").write_bytes(b"PAR1 this is not whole")
    with pytest.raises(SourceError, match=r"b\.parquet"):
        world.refresh()
    assert world.set().height == 1
    (world.folder / "in/b.parquet").unlink()
    assert not world.refresh().new
