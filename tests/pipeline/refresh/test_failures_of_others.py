"""How other tools lose, double or spoil rows, each done to ours."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.errors import FaultBudgetExceeded

ROOT = Path(__file__).parents[3]
PROGRAM = "from siftset.pipeline.cli import app; app()"
FRESH = CurateOptions(fresh_set=True)


def texts(world):
    return world.set()["text"].sort().to_list()


@pytest.mark.parametrize("run", [curate, refresh])
def test_a_changed_filter_is_not_answered_with_stale_output(new_world, run):
    world = new_world()
    world.texts("a", "a good text", "a bad text")
    run(world.path())
    assert texts(world) == ["a good text"]
    world.change(keep="long")
    run(world.path())
    assert texts(world) == ["a bad text", "a good text"]
    world.change(signals={"long": {"length": {"min": 11}}})
    run(world.path())
    assert texts(world) == ["a good text"]


def test_another_number_of_workers_into_one_folder_doubles_nothing(new_world, monkeypatch):
    world = new_world()
    for name in "abcdefgh":
        world.texts(name, *(f"text {n} of {name}" for n in range(50)))
    for workers in ("8", "4", "1"):
        monkeypatch.setenv("SIFTSET_WORKERS", workers)
        found = curate(world.path(), options=FRESH)
        assert (found.set_rows, world.set().height) == (400, 400)
        assert sum(1 for path in (world.folder / "out/versions").iterdir()) == found.version + 1


@pytest.mark.parametrize("run", [curate, refresh])
def test_the_same_again_doubles_nothing(new_world, run):
    world = new_world()
    world.texts("a", "the first text", "the second text")
    assert [run(world.path(), options=FRESH).set_rows for _ in range(3)] == [2, 2, 2]
    assert [run(world.path()).set_rows for _ in range(2)] == [2, 2]
    assert texts(world) == ["the first text", "the second text"]


@pytest.mark.parametrize("run", [curate, refresh])
def test_null_texts_and_broken_lines_are_counted(new_world, run):
    world = new_world(max_unreadable_share=1.0)
    world.texts("a", "the first text", None, None)
    with (world.folder / "in/a.jsonl").open("a") as file:
        file.write('{"text": "cut of\nnot JSON\n{"text": "the second text"}\n')
    rows = run(world.path()).rows
    assert rows.read == 6
    assert (rows.kept, rows.quarantined, rows.unreadable) == (2, 2, 2)
    (folder,) = (world.folder / "out/runs").iterdir()
    for name, count in (("quarantine", 2), ("unreadable", 2)):
        assert pl.read_parquet(folder / name / "*.parquet").height == count


SLOW = '''
import time
from siftset import signal


@signal
def slow(text: str) -> bool:
    """Takes its time."""
    time.sleep(0.002)
    return True
'''


@pytest.mark.parametrize("command", ["curate", "refresh"])
def test_a_kill_leaves_no_unreadable_file_under_a_final_name(new_world, command):
    world = new_world(signals={"slow": {"python": "mine.py:slow"}}, keep="slow")
    (world.folder / "mine.py").write_text(SLOW)
    for name in "abcd":
        world.texts(name, *(f"text {n} of {name}" for n in range(100)))
    for moment in (0.0, 0.1, 0.3):
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, command, str(world.path())],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not (world.folder / "out/.work").is_dir() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(moment)
        run.kill()
        run.wait()
        for path in (world.folder / "out").rglob("*.parquet"):
            if ".work" not in path.parts:
                pl.read_parquet(path)
    refresh(world.path())
    assert world.set().height == 400


def test_the_types_are_not_those_of_the_first_row(new_world):
    world = new_world()
    world.write("a", [
        {"text": "the first text", "stars": None, "more": None},
        {"text": "the second text", "stars": 4, "more": [1]},
        {"text": "the third text", "stars": 4.5, "late": "a column that comes late"},
    ])  # fmt: skip
    curate(world.path())
    rows = world.set().sort("text")
    assert rows["stars"].to_list() == [None, 4.0, 4.5]
    assert rows["more"].to_list() == [None, "[1]", None]
    assert rows["late"].to_list() == [None, None, "a column that comes late"]


RAISING = '''
from siftset import signal


@signal
def long(text: str) -> bool:
    """Whether it is long."""
    return text[5] > " "
'''


def test_one_raising_row_costs_neither_its_batch_nor_the_exit_code(new_world):
    world = new_world(signals={"long": {"python": "mine.py:long"}}, keep="long")
    (world.folder / "mine.py").write_text(RAISING)
    world.texts("a", *(f"text number {n}" for n in range(1_000)), "hi")
    with pytest.raises(FaultBudgetExceeded):
        curate(world.path())
    world.change(max_fault_rate=0.01)
    rows = curate(world.path()).rows
    assert (rows.kept, rows.quarantined) == (1_000, 1)


def test_texts_keep_their_quotes_line_ends_and_order(new_world):
    world = new_world()
    given = ['he said "no", twice', "two\nlines", "a, b; c", "'quoted'", '"all of it"', "tab\tbed"]
    world.texts("a", *given)
    world.refresh()
    assert world.set().sort(pl.col("source").struct.field("record"))["text"].to_list() == given


def test_a_null_text_satisfies_no_negation(new_world):
    world = new_world(keep="~bad", integrity={})
    world.texts("a", None, "a good text")
    found = world.refresh()
    assert (found.rows.kept, found.rows.rejected, found.unknown_rows) == (1, 1, 1)


def test_a_file_that_ends_early_publishes_nothing(new_world):
    world = new_world(source={"files": {"paths": ["in/*.gz"]}})
    line = json.dumps({"text": "the first text"}).encode() + b"\n"
    path = world.folder / "in/a.jsonl.gz"
    path.write_bytes(gzip.compress(line))
    world.refresh()
    path.write_bytes(gzip.compress(line * 1_000)[:-20])
    with pytest.raises(Exception, match="cannot be read"):
        world.refresh()
    assert texts(world) == ["the first text"]
