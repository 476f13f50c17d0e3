"""What a command says last: what stands when it is stopped, and where its answer went."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SIFTSET = Path(sys.executable).parent / "siftset"


@pytest.fixture
def world(new_world):
    world = new_world()
    world.texts("a", "the first text")
    return world


def stop(*_given, **_named):
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", ["curate", "refresh"])
@pytest.mark.parametrize(
    ("step", "stands"),
    [
        ("siftset.pipeline.stages.publish._place_run", "nothing was published"),
        ("siftset.pipeline.reports.index.write_index", "version 0 of the set is published"),
        ("siftset.pipeline.storage.table.Store.lay_version", "version 0 of the set is published"),
    ],
)
def test_a_run_that_is_stopped_says_what_stands(world, run, monkeypatch, command, step, stands):
    monkeypatch.setattr(step, stop)
    done = run(command, world.path())
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (130, f"interrupted; {stands}")


def test_a_refresh_that_is_stopped_after_its_set_says_so(world, run, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.refresh.set_and_model.renew_model", stop)
    done = run("refresh", world.path())
    assert done.stderr.splitlines()[-1] == "interrupted; version 0 of the set is published"


def siftset(*command, stdout):
    return subprocess.run(
        [SIFTSET, *map(str, command)], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_answer_that_finds_no_room_is_one_line(world):
    with Path("/dev/full").open("w") as full:
        done = siftset("curate", world.path(), "--json", stdout=full)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: stdout cannot be written (No space left")
    assert world.set().height == 1


def test_a_reader_that_went_away_is_no_error(world):
    read, write = os.pipe()
    os.close(read)
    done = siftset("curate", world.path(), stdout=write)
    os.close(write)
    assert done.returncode == 0
    assert world.set().height == 1


@pytest.mark.parametrize("text", ["name: &x [*x]\n", "source: &a {self: *a}\n", "[" * 300])
def test_a_recipe_that_holds_itself_is_one_line(text, run, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    done = run("check", path)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)


def test_a_work_folder_that_is_a_link_is_one_line(world, run, tmp_path):
    assert run("curate", world.path()).exit_code == 0
    world.texts("b", "the second text")
    (world.folder / "out/.work").symlink_to(tmp_path)
    (tmp_path / "theirs").write_text("stays")
    done = run("curate", world.path())
    assert done.exit_code == 2
    assert ".work is a link or a file" in done.stderr
    assert (tmp_path / "theirs").read_text() == "stays"


def test_drafts_of_killed_runs_are_swept(world, run):
    assert run("curate", world.path()).exit_code == 0
    output = world.folder / "out"
    (folder,) = (output / "runs").iterdir()
    old = [output / ".index.html.1.part", folder / ".manifest.json.1.part"]
    left = output / "versions/.7.part"
    left.mkdir()
    fresh = output / ".metrics.json.2.part"
    for path in (*old, fresh):
        path.write_text("half")
    for path in (*old, left):
        os.utime(path, (0, 0))
    world.texts("b", "the second text")
    assert run("refresh", world.path()).exit_code == 0
    assert not any(path.exists() for path in (*old, left))
    assert fresh.exists()


@pytest.mark.parametrize(
    ("left", "stands"),
    [
        ((), "no model was made"),
        ((20, 100), "a checkpoint at step 100 is kept: train again to resume"),
    ],
)
def test_a_training_that_is_stopped_names_its_checkpoint(world, run, monkeypatch, left, stands):
    world.change(train={"task": "mlm", "model": "minilm"})
    assert run("curate", world.path()).exit_code == 0

    def fit(_loaded, _store, _data, out, *_):
        for step in left:
            folder = out.parent / f".{out.name}.work/checkpoint-{step}"
            folder.mkdir(parents=True)
            (folder / "complete").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("siftset.pipeline.commands.train.fit_model", fit)
    done = run("train", world.path())
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (130, f"interrupted; {stands}")
