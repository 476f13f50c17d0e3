"""An output that lies in a store: what is done on one machine goes on on another."""

from __future__ import annotations

import json
import os
import pkgutil
import shutil

import polars as pl
import pytest
from typer.testing import CliRunner

from pipeline.bucket.send import send_output
from pipeline.cli import app
from pipeline.context import CurateOptions
from pipeline.curate import curate
from pipeline.objects import Object, find_objects
from pipeline.refresh import refresh
from pipeline.refresh.model import current_model, promote
from schemas.errors import GateFailed, OutputError, RecipeError, SiftsetError, SourceError
from schemas.loading import load_recipe


def test_days_on_empty_machines_equal_one_full_run(machines, monkeypatch):
    world, opened = machines.world, []
    plain = Object.open
    monkeypatch.setattr(Object, "open", lambda one: (opened.append(one.name), plain(one))[1])
    for day in range(3):
        texts = [f"text number {n}" for n in range(day * 7, day * 7 + 10)]
        world.lines(f"in/{day}.jsonl", *texts)
        opened.clear()
        found = refresh(machines(f"day{day}"))
        assert (found.version, found.rows.read) == (day, 10)
        assert set(opened) == {f"{day}.jsonl"}
        assert machines.set().height == found.set_rows == 10 + 7 * day
    assert machines.set().equals(machines.full())
    assert machines.set(0).height == 10
    said = run("history", machines("another"))
    assert [one["version"] for one in said["versions"]] == [2, 1, 0]
    assert all(one["available"] for one in said["versions"])
    assert not refresh(machines("another")).new


def run(*arguments):
    """Run a command and return what it says as JSON."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_commands_on_an_empty_machine_know_what_is_in_the_store(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text", "no")
    refresh(machines("one"))
    world.lines("in/b.jsonl", "the second text")
    refresh(machines("one"))
    out = world.folder / "rows.parquet"
    assert run("export", machines("two"), "--out", out, "--version", 0)["rows"] == 1
    assert run("export", machines("two"), "--out", out)["rows"] == 2
    rows = pl.read_delta(f"{machines.address}/set")
    assert run("explain", machines("three"), "--row", rows["row_id"][0])["where"] == "kept"
    assert "rows kept" in run("report", machines("four"))["figures"]
    (rejected,) = (n for n in machines.names("runs") if "/rejected/" in n and n < max_run(machines))
    lost = pl.read_parquet(f"{machines.address}/{rejected}")["row_id"][0]
    assert run("explain", machines("five"), "--row", lost)["where"] == "rejected"
    assert run("explain", machines("five"), "--diff")["entered"] == 0
    assert run("rollback", machines("six"), "--version", 0)["version"] == 2
    assert machines.set()["text"].to_list() == ["the first text"]


def max_run(machines):
    return max(name for name in machines.names("runs") if name.endswith("manifest.json"))


def test_a_run_says_where_it_works_and_the_work_may_be_elsewhere(machines, monkeypatch):
    machines.world.lines("in/a.jsonl", "the first text")
    monkeypatch.setenv("SIFTSET_WORK", str(machines.world.folder / "work"))
    done = CliRunner().invoke(app, ["refresh", str(machines("one"))])
    place = machines.world.folder / "work/t"
    assert f"output {machines.address}, worked on in {place}" in done.stderr.splitlines()
    assert (place / "set").is_dir()
    assert not (machines.world.folder / "one/out").exists()
    shutil.rmtree(place)
    done = CliRunner().invoke(app, ["refresh", str(machines("one"))])
    assert f"worked on in {place}, version 0 taken over" in done.stderr


def test_nothing_is_sent_twice(machines, monkeypatch):
    import pipeline.bucket.origin as origin
    import pipeline.mirror as mirror

    sent = []
    plain = origin.upload_all
    for module in (origin, mirror):
        monkeypatch.setattr(module, "upload_all", lambda p: (sent.extend(p), plain(p))[1])
    machines.world.lines("in/a.jsonl", "the first text")
    refresh(machines("one"))
    assert len({there for _, there in sent}) == len(sent) > 5
    sent.clear()
    for name in ("one", "two"):
        assert not refresh(machines(name)).new
    assert sent == []


def test_of_two_machines_at_once_one_commits_and_the_other_goes_on_from_there(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text")
    one, two = machines("one"), machines("two")
    assert [refresh(one).version, refresh(two).new] == [0, False]
    world.lines("in/b.jsonl", "the second text")
    first_publishes_while_second_works(one, two)
    assert machines.set().height == 2
    assert not refresh(two).new
    assert run("history", two)["versions"][0]["version"] == 1
    world.lines("in/c.jsonl", "the third text")
    assert (refresh(two).version, refresh(one).new) == (2, False)
    runs = {name.split("/")[1] for name in machines.names("runs")}
    local = {p.name for p in (world.folder / "two/out/t/runs").iterdir()}
    assert len(local) == 3
    assert local < runs
    assert machines.set().equals(machines.full())


def first_publishes_while_second_works(one, two):
    import pipeline.publish as publish

    plain = publish.copy

    def late(loaded, store):
        publish.copy = plain
        refresh(one)
        plain(loaded, store)

    publish.copy = late
    try:
        with pytest.raises(OutputError, match=r"a machine that was faster: nothing of this run"):
            refresh(two)
    finally:
        publish.copy = plain


STEPS = [
    "pipeline.bucket.send._lists",
    "pipeline.bucket.send._send_changing",
    "pipeline.bucket.send.send_runs",
    "pipeline.bucket.send.mirror_set",
    "pipeline.mirror._enter",
    "pipeline.bucket.send._send_models",
    "pipeline.bucket.send._send_current",
    "pipeline.bucket.send._send_index",
    "pipeline.bucket.send._sweep",
]
TAKING = [
    "pipeline.bucket.take.fetch_log",
    "pipeline.bucket.take._take_changing",
    "pipeline.bucket.take._take_runs",
    "pipeline.bucket.take._drop_unpublished",
    "pipeline.bucket.take._take_models",
    "pipeline.refresh.run._take_ledger",
]


@pytest.mark.parametrize(
    ("again", "after"),
    [
        ("an empty machine", True),
        pytest.param("an empty machine", False, marks=pytest.mark.slow),
        pytest.param("the same machine", False, marks=pytest.mark.slow),
        pytest.param("the same machine", True, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_ends_at_any_step_is_finished_by_the_next(machines, monkeypatch, again, after):
    world = machines.world
    world.lines("in/a.jsonl", "text number 0")
    refresh(machines("start"))
    for number, name in enumerate((*TAKING, *STEPS), 1):
        before = set(machines.set()["text"])
        world.lines(f"in/b{number:02}.jsonl", f"text number {number}", "text number 0")
        with monkeypatch.context() as patch:
            patch.setattr(name, stopping(pkgutil.resolve_name(name), after=after))
            with pytest.raises(KeyboardInterrupt):
                refresh(machines(f"m{number}"))
        wanted = {*before, f"text number {number}"}
        assert set(machines.set()["text"]) in (before, wanted), name
        refresh(machines(f"m{number}" if again == "the same machine" else f"n{number}"))
        assert set(machines.set()["text"]) == wanted, name
    assert machines.set().equals(machines.full())
    assert not refresh(machines("end")).new
    pages = {p.name for p in (world.folder / "end/out/t/runs").iterdir()}
    made = {one["run_id"] for one in run("history", machines("end"))["versions"]}
    assert pages == made


def stopping(step, *, after):
    def stopped(*given, **named):
        if after:
            step(*given, **named)
        raise KeyboardInterrupt

    return stopped


def test_a_refused_run_can_be_read_in_the_store(machines):
    machines.world.lines("in/a.jsonl", "the first text", "no", "no")
    strict = {"integrity": {"rows": {"text": {"min_chars": 4}},
              "thresholds": {"quarantined_share": {"critical": 0.1}}}}  # fmt: skip
    with pytest.raises(GateFailed):
        refresh(machines("one", **strict))
    assert any(name.endswith("report.html") for name in machines.names("runs"))
    assert "index.html" in machines.names()
    assert not any(name.startswith("set") for name in machines.names())
    assert refresh(machines("two")).version == 0


def test_mended_rows_hold_on_every_machine(machines):
    machines.world.lines("in/a.jsonl", "the first text", "bad")
    rules = {"integrity": {"rows": {"text": {"min_chars": 4}}}}
    refresh(machines("one", **rules))
    (kept,) = (n for n in machines.names("runs") if "/quarantine/" in n)
    rows = pl.read_parquet(f"{machines.address}/{kept}")
    mended = machines.world.folder / "mended.parquet"
    rows.with_columns(text=pl.lit("a good text")).write_parquet(mended)
    curate(machines("two", **rules), options=CurateOptions(release_quarantine=True, mended=mended))
    assert "mended.parquet" in machines.names()
    assert not refresh(machines("three", **rules)).new
    machines.world.lines("in/b.jsonl", "the third text")
    refresh(machines("four", **rules))
    assert sorted(machines.set()["text"]) == ["a good text", "the first text", "the third text"]


def test_old_versions_leave_the_store_and_the_ledger_does_not_grow(machines):
    for day in range(4):
        machines.world.lines("in/a.jsonl", f"text number {day}")
        refresh(machines(f"day{day}", refresh={"keep_versions": 2}))
    said = run("history", machines("other"))["versions"]
    assert [one["available"] for one in said] == [True, True, False, False]
    assert machines.set(2)["text"].to_list() == ["text number 2"]
    done = CliRunner().invoke(
        app, ["export", str(machines("other")), "--out", "x.csv", "--version", "0"]
    )
    assert (done.exit_code, "were removed" in done.stderr) == (2, True)
    assert len([name for name in machines.names("ledger") if "/rows/" in name]) == 1
    assert len([name for name in machines.names("ledger") if name.endswith("list.json")]) == 1


def finished(folder, name, *, hours):
    """Leave what a training leaves that ended some hours ago."""
    model = folder / "out/t/models" / name
    model.mkdir(parents=True)
    (model / "training.json").write_text("{}")
    (model / "model.safetensors").write_bytes(name.encode() * 2**20)
    (model / "checkpoint-1").mkdir()
    moment = (model / "training.json").stat().st_mtime - 3600 * hours
    os.utime(model / "training.json", (moment, moment))
    return model


def test_models_and_the_current_one_come_along(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    for name in ("v0-mlm-a", "v0-mlm-b"):
        model = finished(one.parent, name, hours=5)
        promote(model.parent, name, "better")
    (model.parent / "v0-mlm-c").mkdir()
    (model.parent / "v0-mlm-c/model.safetensors").write_text("not finished")
    send_output(load_recipe(one))
    assert world.store.cat_file(f"{world.bucket}/reviews/models/current") == b"v0-mlm-b"
    assert not any("v0-mlm-c" in name for name in machines.names("models"))
    two = machines("two")
    assert run("history", two)["versions"][0]["models"] == ["v0-mlm-a", "v0-mlm-b"]
    models = two.parent / "out/t/models"
    assert current_model(models).name == "v0-mlm-b"
    assert (models / "v0-mlm-b/model.safetensors").stat().st_size > 2**20
    assert not (models / "v0-mlm-a/model.safetensors").exists()
    assert run("rollback", two)["model"] == "v0-mlm-a"
    assert (models / "v0-mlm-a/model.safetensors").stat().st_size > 2**20
    run("history", one)
    assert current_model(one.parent / "out/t/models").name == "v0-mlm-a"


def test_the_time_since_a_training_is_counted_from_its_object(machines):
    machines.world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    finished(one.parent, "v0-mlm-a", hours=0)
    send_output(load_recipe(one))
    (stored,) = (
        found for found in find_objects(f"{machines.address}/models")
        if found.name == "training.json"
    )  # fmt: skip
    run("history", machines("two"))
    here = machines.world.folder / "two/out/t/models/v0-mlm-a/training.json"
    assert here.stat().st_mtime == pytest.approx(stored.written)


def test_a_folder_that_was_an_output_of_its_own_moves_to_a_store(machines):
    machines.world.lines("in/a.jsonl", "the first text")
    refresh(machines("one", output="out/t"))
    assert not refresh(machines("one")).new
    assert machines.set().height == 1


def test_another_place_is_not_mixed_up(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text")
    refresh(machines("one"))
    with pytest.raises(OutputError, match=r"works for .*/reviews, not for .*/second"):
        refresh(machines("one", output=world.address("second")))
    refresh(machines("two", output="out/t"))
    with pytest.raises(OutputError, match="holds another set than"):
        refresh(machines("two"))
    (world.folder / "three/out/t/runs/mine").mkdir(parents=True)
    with pytest.raises(OutputError, match="that siftset did not write"):
        refresh(machines("three"))


MISTAKES = [
    ({"mirror": "s3://bucket/set"}, RecipeError, "remove mirror"),
    ({"output": "ftp://host/x"}, SourceError, "no store is known by 'ftp://'"),
    ({"output": "s3://no-such-bucket-here/x"}, SourceError, "cannot be reached or refuses"),
]


@pytest.mark.parametrize(("sections", "error", "message"), MISTAKES)
@pytest.mark.parametrize("command", [refresh, curate])
def test_a_mistake_is_one_line(machines, sections, error, message, command):
    machines.world.lines("in/a.jsonl", "the first text")
    with pytest.raises(error, match=message) as told:
        command(machines("one", **sections))
    assert "\n" not in str(told.value)
    assert isinstance(told.value, SiftsetError)
