"""An output that lies in a store: what is done on one machine goes on on another."""

from __future__ import annotations

import shutil

import polars as pl
import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli import app
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.object_store import Object
from siftset.schemas.errors import GateFailed, OutputError, RecipeError, SiftsetError, SourceError


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
    said = machines.run("history", machines("another"))
    assert [one["version"] for one in said["versions"]] == [2, 1, 0]
    assert all(one["available"] for one in said["versions"])
    assert not refresh(machines("another")).new


def test_commands_on_an_empty_machine_know_what_is_in_the_store(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text", "no")
    refresh(machines("one"))
    world.lines("in/b.jsonl", "the second text")
    refresh(machines("one"))
    out = world.folder / "rows.parquet"
    assert machines.run("export", machines("two"), "--out", out, "--version", 0)["rows"] == 1
    assert machines.run("export", machines("two"), "--out", out)["rows"] == 2
    rows = pl.read_delta(f"{machines.address}/set")
    assert machines.run("explain", machines("three"), "--row", rows["row_id"][0])["where"] == "kept"
    assert "kept by its run" in machines.run("report", machines("four"))["figures"]
    (rejected,) = (n for n in machines.names("runs") if "/rejected/" in n and n < max_run(machines))
    lost = pl.read_parquet(f"{machines.address}/{rejected}")["row_id"][0]
    assert machines.run("explain", machines("five"), "--row", lost)["where"] == "rejected"
    assert machines.run("explain", machines("five"), "--diff")["changes"]["added"] == 0
    assert machines.run("rollback", machines("six"), "--version", 0)["version"] == 2
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
    import siftset.pipeline.remote_output.mirror as mirror
    import siftset.pipeline.storage.remote as origin

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
    assert machines.run("history", two)["versions"][0]["version"] == 1
    world.lines("in/c.jsonl", "the third text")
    assert (refresh(two).version, refresh(one).new) == (2, False)
    runs = {name.split("/")[1] for name in machines.names("runs")}
    local = {p.name for p in (world.folder / "two/out/t/runs").iterdir()}
    assert len(local) == 3
    assert local == runs
    assert machines.set().equals(machines.full())


def first_publishes_while_second_works(one, two):
    import siftset.pipeline.stages.publish as publish

    plain = publish.sync_remote

    def late(loaded, store):
        publish.sync_remote = plain
        refresh(one)
        plain(loaded, store)

    publish.sync_remote = late
    try:
        with pytest.raises(OutputError, match=r"a machine that was faster: nothing of this run"):
            refresh(two)
    finally:
        publish.sync_remote = plain


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
    curate(machines("two", **rules), options=CurateOptions(release_quarantine=True, fixed=mended))
    assert "mended.parquet" in machines.names()
    assert not refresh(machines("three", **rules)).new
    machines.world.lines("in/b.jsonl", "the third text")
    refresh(machines("four", **rules))
    assert sorted(machines.set()["text"]) == ["a good text", "the first text", "the third text"]


def test_old_versions_leave_the_store_and_the_ledger_does_not_grow(machines, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.remote_output.push.GRACE", -60.0)
    for day in range(4):
        machines.world.lines("in/a.jsonl", f"text number {day}")
        refresh(machines(f"day{day}", refresh={"keep_versions": 2}))
    said = machines.run("history", machines("other"))["versions"]
    assert [one["available"] for one in said] == [True, True, False, False]
    assert machines.set(2)["text"].to_list() == ["text number 2"]
    done = CliRunner().invoke(
        app, ["export", str(machines("other")), "--out", "x.csv", "--version", "0"]
    )
    assert (done.exit_code, "were removed" in done.stderr) == (2, True)
    assert len([name for name in machines.names("ledger") if "/packs/" in name]) == 1
    assert len(machines.names("ledger")) == 2


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


def test_a_name_that_leads_out_of_the_folder_is_refused(machines):
    from siftset.pipeline.storage.remote import Origin

    machines.world.put("reviews/models/v0-x/training.json", "{}")
    machines.world.put("reviews/models/v0-x/../../../../mine", "evil")
    with pytest.raises(OutputError, match="leads out of"):
        refresh(machines("one"))
    with pytest.raises(OutputError, match="leads out of"):
        Origin(machines.world.folder, machines.address).fetch(["/etc/mine"])
