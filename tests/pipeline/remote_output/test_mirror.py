"""The copy of a set in a store: the same table, whole at any moment."""

from __future__ import annotations

import random
import signal
import time

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.errors import OutputError


def test_the_copy_is_the_same_table(world):
    world.lines("in/a.jsonl", "the first text")
    mirror = world.address("copy/set")
    recipe = world.recipe(world.address("in"), mirror=mirror)
    curate(recipe)
    world.lines("in/b.jsonl", "the second text")
    assert refresh(recipe).version == 1
    refresh(recipe, options=CurateOptions(dry_run=True))
    for version in (0, 1):
        there = pl.read_delta(mirror, version=version)
        here = pl.read_delta(str(world.folder / "out/set"), version=version)
        assert there.sort("row_id").equals(here.sort("row_id"))


def test_a_copy_that_was_cut_off_is_finished(world):
    world.lines("in/a.jsonl", "the first text")
    mirror = world.address("copy/set")
    recipe = world.recipe(world.address("in"), mirror=mirror)
    curate(recipe)
    world.lines("in/b.jsonl", "the second text")
    refresh(recipe)
    world.store.rm(f"{world.bucket}/copy/set/_delta_log/{1:020d}.json")
    assert pl.read_delta(mirror).height == 1
    assert not refresh(recipe).new
    assert pl.read_delta(mirror).height == 2


@pytest.mark.slow
def test_a_killed_refresh_never_leaves_half_a_copy(world, stop_refresh, few_or_all):
    mirror, chance, killed = world.address("copy/set"), random.Random(0), 0
    recipe = world.recipe(world.address("in"), mirror=mirror)
    world.lines("in/a.jsonl", "text number 0")
    refresh(recipe)
    took = 1.0
    for number in range(1, few_or_all(5, 15) + 1):
        before = set(pl.read_delta(mirror)["text"])
        wanted = {*before, f"text number {number}"}
        world.lines(f"in/b{number}.jsonl", f"text number {number}")

        def look(allowed=(before, wanted)):
            assert set(pl.read_delta(mirror)["text"]) in allowed

        code = stop_refresh(recipe, signal.SIGKILL, chance.uniform(0.1, took), look)
        killed += code == -signal.SIGKILL
        look()
        began = time.monotonic()
        refresh(recipe)
        took = time.monotonic() - began
        assert set(pl.read_delta(mirror)["text"]) == wanted
    assert killed > 1
    here = pl.read_delta(str(world.folder / "out/set")).sort("row_id")
    assert pl.read_delta(mirror).sort("row_id").equals(here)


def test_a_machine_without_a_set_goes_on_from_the_copy(world):
    mirror = world.address("copy/set")
    world.lines("in/a.jsonl", "the first text")
    recipe = world.recipe(world.address("in"), mirror=mirror)
    refresh(recipe)
    world.lines("in/b.jsonl", "the second text")
    refresh(recipe)
    (world.folder / "out").rename(world.folder / "gone")
    found = refresh(recipe)
    assert (found.new, found.version, found.set_rows) == (False, 1, 2)
    (world.folder / "out").rename(world.folder / "gone too")
    world.lines("in/c.jsonl", "the third text", "the first text")
    found = refresh(recipe)
    assert (found.new, found.version, found.set_rows) == (True, 2, 3)
    assert world.rows()["row_id"].n_unique() == 3
    assert pl.read_delta(mirror).height == 3
    assert pl.read_delta(mirror, version=1).height == 2
    assert {p.name for p in (world.folder / "out").iterdir()} >= {"set", "versions", "runs"}
    assert not (world.folder / "out/.restored").exists()


def test_of_two_machines_at_once_one_is_refused(world):
    mirror = world.address("copy/set")
    world.lines("in/a.jsonl", "the first text")
    one = world.recipe(world.address("in"), mirror=mirror)
    two = world.recipe(world.address("in"), mirror=mirror, output="two")
    assert [refresh(one).version, refresh(two).version] == [0, 0]
    world.lines("in/b.jsonl", "the second text")
    assert refresh(one).version == 1
    with pytest.raises(OutputError, match="a machine that was faster"):
        refresh(two)
    assert pl.read_delta(mirror).height == 2
    (world.folder / "two").rename(world.folder / "gone")
    assert (refresh(two).new, refresh(two).version) == (False, 1)


def test_another_table_is_not_written_over(world):
    world.lines("in/a.jsonl", "the first text")
    mirror = world.address("copy/set")
    curate(world.recipe(world.address("in"), mirror=mirror))
    with pytest.raises(OutputError, match=r"holds another table than this set"):
        curate(world.recipe(world.address("in"), mirror=mirror, output="other"))
    assert pl.read_delta(mirror).height == 1
