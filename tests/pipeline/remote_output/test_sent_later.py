"""What was published and could not be sent: said, and sent by the next run with what follows."""

from __future__ import annotations

import json

import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh
from siftset.schemas.errors import OvertakenError, SourceError
from siftset.schemas.progress import LineProgress

UPLOAD = "siftset.pipeline.remote_output.mirror.upload_all"


def fail(error):
    def upload(*_):
        raise error

    return upload


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SourceError("the store is busy")])
def test_a_copy_that_is_stopped_says_what_is_not_sent(world, run, monkeypatch, error):
    world.lines("in/a.jsonl", "the first text")
    recipe = world.recipe(world.address("in/*.jsonl"), mirror=world.address("copy"))
    with monkeypatch.context() as patch:
        patch.setattr(UPLOAD, fail(error))
        done = run("curate", recipe)
    address = world.address("copy")
    said = f"version 0 of the set is published; not yet sent to {address}: the next run sends it"
    assert said in done.stderr.splitlines()[-1]
    assert done.exit_code == (2 if isinstance(error, SourceError) else 130)
    again = run("curate", recipe)
    assert "sent what an earlier run had published: version 0" in again.stderr


@pytest.fixture
def posted(monkeypatch):
    found = []
    monkeypatch.setattr(
        "siftset.pipeline.notifications.webhook.send_alert",
        lambda _url, metrics, _lines: found.append(metrics.run.version),
    )
    return found


def test_a_refresh_does_for_a_version_that_it_sends_what_follows_from_it(
    machines, monkeypatch, posted
):
    recipe = machines("one", refresh={"keep_versions": 1, "notify": "http://127.0.0.1:1/"})
    machines.world.lines("in/a.jsonl", "the first text")
    assert refresh(recipe).version == 0
    machines.world.lines("in/a.jsonl", "the second text")
    with monkeypatch.context() as patch:
        patch.setattr(UPLOAD, fail(SourceError("the store is busy")))
        with pytest.raises(SourceError):
            refresh(recipe)
    lines: list[str] = []
    posted.clear()
    found = refresh(recipe, progress=LineProgress(lines.append))
    assert (found.new, found.version) == (False, 1)
    assert "sent what an earlier run had published: version 1" in lines
    assert posted == [1]
    assert "version 0 removed: refresh.keep_versions is 1" in lines
    assert machines.set()["text"].to_list() == ["the second text"]
    lines.clear()
    assert not refresh(recipe, progress=LineProgress(lines.append)).new
    assert (posted, [line for line in lines if line.startswith("sent")]) == ([1], [])


@pytest.mark.parametrize("run_again", [refresh, curate])
def test_of_two_machines_that_begin_at_once_the_later_one_goes_on_from_the_first(
    machines, run_again
):
    import siftset.pipeline.stages.publish as publish

    machines.world.lines("in/a.jsonl", "the first text")
    one, two = machines("one"), machines("two")
    plain = publish.sync_remote

    def late(loaded, store):
        publish.sync_remote = plain
        machines.world.lines("in/b.jsonl", "the second text")
        refresh(one)
        return plain(loaded, store)

    publish.sync_remote = late
    try:
        with pytest.raises(OvertakenError, match=r"a machine that was faster: nothing of this run"):
            refresh(two)
    finally:
        publish.sync_remote = plain
    found = run_again(two)
    assert (found.version, found.new) == (0, False)
    machines.world.lines("in/c.jsonl", "the third text")
    assert run_again(two).version == 1
    assert machines.set().equals(machines.full())
    runs = [json.loads(path.read_text()) for path in two.parent.glob("out/t/runs/*/manifest.json")]
    assert sorted(run["version"] for run in runs) == [0, 1]


def test_a_set_that_took_the_place_of_what_was_sent_is_not_followed(machines):
    machines.world.lines("in/a.jsonl", "the first text")
    one = machines("one")
    refresh(one)
    machines.remove(*machines.names("set"), *machines.names("runs"))
    machines.world.lines("in/b.jsonl", "the second text")
    refresh(machines("two"))
    with pytest.raises(Exception, match="holds another set than"):
        refresh(one)
