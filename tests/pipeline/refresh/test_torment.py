"""Runs that are killed, stopped, started many at once, or out of disk."""

from __future__ import annotations

import importlib.util
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh
from siftset.schemas.errors import OutputError

ROOT = Path(__file__).parents[3]
PROGRAM = "from siftset.pipeline.cli import app; app()"
KILL = ROOT / "benchmarks/kill.py"
harness = pytest.mark.skipif(not KILL.is_file(), reason="the benchmarks are not here")


def command(world, *arguments, cwd=None):
    """Start the command line on a world."""
    world.path()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=cwd or world.folder, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.slow
@harness
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the harness forks")
def test_killed_runs_lose_and_double_nothing(few_or_all):
    """In a process of its own: a fork of one that has threads may hang."""
    kills = few_or_all(6, 20)
    done = subprocess.run(
        [sys.executable, str(KILL), "--kills", str(kills), "--seed", "1"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost, doubled or unreadable: 0" in done.stdout
    reads = re.search(r"reads while runs were killed: (\d+)", done.stdout)
    assert reads is not None
    assert int(reads[1]) >= kills, "each round is looked at once at least"


@pytest.mark.slow
@harness
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the harness forks")
def test_plans_that_are_killed_while_they_are_laid_or_applied_lose_nothing(few_or_all):
    kills = few_or_all(4, 100)
    done = subprocess.run(
        [sys.executable, str(KILL), "--kills", "0", "--approvals", str(kills), "--seed", "2"],
        capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost, doubled or unreadable: 0" in done.stdout
    assert re.search(rf"approve +\d+ +{kills}\n", done.stdout)


@harness
def test_the_harness_sees_a_wrong_set(new_world):
    spec = importlib.util.spec_from_file_location("_kill", KILL)
    assert spec is not None
    assert spec.loader is not None
    kill = importlib.util.module_from_spec(spec)
    sys.modules["_kill"] = kill
    spec.loader.exec_module(kill)
    world = new_world()
    world.texts("a", "the first text", "the second text")
    world.refresh()
    output, right = world.folder / "out", ["the first text", "the second text"]
    assert kill.check(output, (["other"], right)) == 0
    assert kill.check(output, (right[:1], [*right, right[0]])) == kill.WRONG
    (laid,) = (output / "versions/0").glob("train-*")
    laid.unlink()
    with pytest.raises(Exception, match=r"parquet|expanded paths were empty"):
        kill.check(output, (right,))


@pytest.mark.slow
def test_refreshes_at_once_take_turns(new_world, few_or_all):
    many = few_or_all(8, 16)
    world = new_world()
    world.texts("a", *(f"text number {n}" for n in range(200)))
    world.refresh()
    world.texts("b", *(f"text number {n}" for n in range(100, 400)))
    runs = [command(world, "refresh", "recipe.json", "--json", "--lock-timeout", "300")
            for _ in range(many)]  # fmt: skip
    outs = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0] * many, outs
    said = [json.loads(out) for out, _ in outs]
    assert sum(one["new"] for one in said) == 1
    assert {one["version"] for one in said} == {1}
    assert world.set().equals(world.full())


def test_a_refresh_beside_another_is_refused_at_once(new_world):
    from siftset.pipeline.storage.lock import hold_lock

    world = new_world()
    world.texts("a", "the first text")
    world.refresh()
    world.texts("b", "the second text")
    with hold_lock(world.folder / "out"):
        run = command(world, "refresh", "recipe.json", "--json")
        out, err = run.communicate(timeout=120)
    assert run.returncode == 5
    assert f"another run (process {os.getpid()})" in err
    assert json.loads(out)["exit_code"] == 5
    assert world.set().height == 1


SLOW_SIGNAL = '''
import time
from pathlib import Path
from siftset import signal

HURRY = Path(__file__).with_name("hurry")


@signal
def slow(text: str) -> bool:
    """Takes its time, unless there is a hurry."""
    if not HURRY.exists():
        time.sleep(0.02)
    return True
'''
STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), STOPS)
def test_a_refresh_that_is_stopped_leaves_the_set_and_frees_the_lock(new_world, number, code):
    world = new_world(signals={"slow": {"python": "mine.py:slow"}}, keep="slow")
    (world.folder / "mine.py").write_text(SLOW_SIGNAL)
    world.texts("a", "the first text")
    world.refresh()
    world.texts("b", *(f"text number {n}" for n in range(500)))
    run = command(world, "refresh", "recipe.json")
    progress = world.folder / "out/.work/progress.json"
    deadline = time.monotonic() + 60
    while not progress.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    run.send_signal(number)
    run.communicate(timeout=120)
    assert run.returncode == code
    assert world.set().height == 1
    (world.folder / "hurry").touch()
    assert world.refresh().set_rows == 501
    assert world.set().equals(world.full())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(where)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights that are not there")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_a_full_disk_leaves_the_set_as_it_was(new_world, small_disk):
    world = new_world(output=str(small_disk / "out"), record="none")
    world.texts("a", "the first text")
    world.refresh()
    noise = [os.urandom(2000).hex() for _ in range(2000)]
    world.texts("b", *noise)
    run = command(world, "refresh", "recipe.json")
    _, err = run.communicate(timeout=120)
    assert run.returncode == 2
    assert err.splitlines()[-1].startswith("error: the disk that holds")
    assert world.set(small_disk / "out").height == 1
    world.texts("b", "the second text")
    assert world.refresh().set_rows == 2


PUBLISHING = [
    "siftset.pipeline.stages.publish.assemble_run",
    "siftset.pipeline.stages.publish._place_run",
    "siftset.pipeline.storage.table.Store._place_files",
    "siftset.pipeline.storage.table.Store._commit_files",
    "siftset.pipeline.storage.table.Store.lay_version",
    "siftset.pipeline.stages.publish.render_report",
    "siftset.pipeline.reports.index.write_index",
]
STEPS = [
    "siftset.pipeline.refresh.incremental.make_plan",
    "siftset.pipeline.refresh.increment.sift_shards",
    "siftset.pipeline.refresh.increment.find_change",
    "siftset.pipeline.refresh.increment.write_change",
    "siftset.pipeline.commands.publish_run.assess_run",
    "siftset.pipeline.storage.refresh_ledger.RefreshLedger.store",
    *PUBLISHING,
    "siftset.pipeline.storage.refresh_ledger.RefreshLedger.sweep",
    "siftset.pipeline.remote_output.retention.remove_old_versions",
    "siftset.pipeline.refresh.set_and_model.renew_model",
]
"""What a refresh does, in order."""
CURATE_STEPS = [
    "siftset.pipeline.commands.curate.sift_shards",
    "siftset.pipeline.commands.curate.resolve_duplicates",
    "siftset.pipeline.commands.publish_run.assess_run",
    *PUBLISHING,
]


def stopping(step, error, *, after):
    """Return `step` so that it fails before its work, or when that is done."""

    def stopped(*given, **named):
        if after:
            step(*given, **named)
        raise error

    return stopped


def texts_of(world):
    return set(pl.read_delta(str(world.folder / "out/set"))["text"])


INTERRUPT = (KeyboardInterrupt(), KeyboardInterrupt)
FULL_DISK = (OSError(28, os.strerror(28)), OutputError)


@pytest.mark.parametrize(
    ("error", "seen", "after"),
    [
        pytest.param(*INTERRUPT, True, id="interrupt after"),
        pytest.param(*FULL_DISK, False, id="full disk before"),
        pytest.param(*INTERRUPT, False, id="interrupt before", marks=pytest.mark.full),
        pytest.param(*FULL_DISK, True, id="full disk after", marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize(
    ("run", "steps"),
    [(refresh, STEPS), pytest.param(curate, CURATE_STEPS, marks=pytest.mark.slow)],
    ids=["refresh", "curate"],
)
def test_a_run_that_ends_at_any_step_is_finished_by_the_next(
    new_world, monkeypatch, run, steps, error, seen, after
):
    world = new_world(refresh={"keep_versions": 3})
    world.texts("a", "text number 0")
    refresh(world.path())
    for number, name in enumerate(steps, 1):
        before = texts_of(world)
        world.texts(f"b{number:02}", f"text number {number}", f"text number {number - 1}")
        with monkeypatch.context() as patch:
            patch.setattr(name, stopping(pkgutil.resolve_name(name), error, after=after))
            with pytest.raises(seen):
                run(world.path())
        wanted = {*before, f"text number {number}"}
        assert texts_of(world) in (before, wanted), name
        run(world.path())
        assert texts_of(world) == wanted, name
        assert not (world.folder / "out/.work").exists()
    assert world.set().equals(world.full())


def test_a_disk_that_is_full_at_any_moment_leaves_a_set(new_world, small_disk):
    """Less and less room is left: a run ends well, or in one line with the set of before."""
    world = new_world(output=str(small_disk / "out"))
    world.texts("a", *(f"text number {n} {os.urandom(200).hex()}" for n in range(100)))
    refresh(world.path())
    output, ends = small_disk / "out", {True: 0, False: 0}
    for number in range(12):
        before = world.set(output)
        world.texts("b", *(f"round {number} {os.urandom(200).hex()}" for n in range(100)))
        free = shutil.disk_usage(small_disk).free
        (small_disk / "filler").write_bytes(bytes(max(0, free - 4096 * 8 * number)))
        try:
            refresh(world.path())
            ends[True] += 1
        except OutputError as error:
            ends["is full, the set stays whole" not in str(error)] += 1
        there = set(pl.read_delta(str(output / "set"))["text"])
        assert there in (set(before["text"]), set(world.full()["text"]))
        (small_disk / "filler").unlink()
    assert all(ends.values()), ends
    assert refresh(world.path()).set_rows == 200
    assert world.set(output).equals(world.full())
