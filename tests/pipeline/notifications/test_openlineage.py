"""OpenLineage events: what a refresh tells of itself, where, and that nothing waits for it."""

from __future__ import annotations

import json

import pytest

from siftset.pipeline.refresh import refresh
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.errors import GateFailed, SourceError
from siftset.schemas.progress import Silent


@pytest.fixture
def receiver(listener):
    listener.status = 201
    return f"{listener.url}/api/v1/lineage", listener


def told(world):
    lines = (world.folder / "events/lineage.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def world(new_world):
    world = new_world(refresh={"lineage": "events/lineage.jsonl"})
    world.texts("a", "the first text", "the second text")
    return world


def test_a_refresh_tells_from_where_to_where(world):
    refresh(world.path())
    start, end = told(world)
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert start["outputs"] == []
    assert end["job"]["namespace"] == "siftset"
    assert end["job"]["name"] == "world.refresh"
    assert end["inputs"] == [{"namespace": "file", "name": str(world.folder / "in/*.jsonl")}]
    (output,) = end["outputs"]
    assert (output["namespace"], output["name"]) == ("file", str(world.folder / "out/set"))
    assert output["facets"]["version"]["datasetVersion"] == "0"
    assert {"name": "text", "type": "String"} in output["facets"]["schema"]["fields"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert output["outputFacets"]["outputStatistics"]["size"] > 0


def test_what_every_event_needs_is_there(world):
    refresh(world.path())
    for event in told(world):
        assert {"eventTime", "producer", "schemaURL", "run", "job"} <= set(event)
        assert event["eventTime"].endswith("+00:00")
        facets = [*event["run"]["facets"].values(), *event["job"]["facets"].values()]
        for dataset in event["outputs"]:
            facets += [*dataset["facets"].values(), *dataset["outputFacets"].values()]
        assert facets
        assert all(f["_producer"] and f["_schemaURL"].startswith("https://") for f in facets)


def test_a_preview_tells_nothing(world):
    refresh(world.path(), options=CurateOptions(dry_run=True))
    assert not (world.folder / "events").exists()


def test_a_refusal_and_an_interrupt_are_told(world, monkeypatch):
    world.change(integrity={"thresholds": {"rejected_share": {"critical": 0.5}}})
    world.texts("a", "bad and long", "bad again, long", "a good text")
    with pytest.raises(GateFailed):
        refresh(world.path())
    assert told(world)[-1]["eventType"] == "FAIL"
    assert "rejected_share" in told(world)[-1]["run"]["facets"]["errorMessage"]["message"]
    world.remove("a")
    with pytest.raises(SourceError):
        refresh(world.path())
    assert "no file matches" in told(world)[-1]["run"]["facets"]["errorMessage"]["message"]

    def stop(*_given, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr("siftset.pipeline.refresh.set_and_model.refresh_set", stop)
    with pytest.raises(KeyboardInterrupt):
        refresh(world.path())
    assert [event["eventType"] for event in told(world)[-2:]] == ["START", "ABORT"]


def test_events_go_to_an_address(world, receiver, monkeypatch):
    url, listener = receiver
    monkeypatch.setenv("OPENLINEAGE_URL", url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "prod")
    world.change(refresh={"lineage": "${OPENLINEAGE_URL:-}"})
    refresh(world.path())
    assert listener.authorizations == ["Bearer secret", "Bearer secret"]
    assert [event["eventType"] for event in listener.bodies] == ["START", "COMPLETE"]
    assert listener.bodies[0]["job"]["namespace"] == "prod"


def test_what_does_not_arrive_is_a_warning(world, receiver):
    url, listener = receiver
    listener.status = 500
    said: list[str] = []

    class Listening(Silent):
        def say(self, line):
            said.append(line)

    world.change(refresh={"lineage": url})
    assert refresh(world.path(), progress=Listening()).version == 0
    assert len(listener.bodies) == 2
    assert said.count("warning: OpenLineage event not sent: the address answered 500") == 2
    (world.folder / "taken").write_text("")
    world.change(refresh={"lineage": "taken/lineage.jsonl"})
    refresh(world.path(), progress=Listening())
    assert "taken/lineage.jsonl" in said[-1]
    assert url not in "".join(said)


def test_a_training_is_told(world, monkeypatch):
    model = str(world.folder / "out/models/v0-mlm-0")
    answer = {"due": True, "model": model, "promoted": True, "because": "the first model"}
    monkeypatch.setattr("siftset.pipeline.refresh.set_and_model.renew_model", lambda *_: answer)
    refresh(world.path())
    trained = [event for event in told(world) if event["job"]["name"] == "world.train"]
    assert [event["eventType"] for event in trained] == ["START", "COMPLETE"]
    assert trained[1]["inputs"][0]["facets"]["version"]["datasetVersion"] == "0"
    assert trained[1]["outputs"] == [{"namespace": "file", "name": model}]


def test_an_event_in_a_file_holds_no_value_of_the_environment(world, monkeypatch):
    monkeypatch.setenv("WHERE", "hush-the-name")
    world.change(name="${WHERE}")
    refresh(world.path())
    assert "hush-the" not in (world.folder / "events/lineage.jsonl").read_text()
    assert told(world)[0]["job"]["name"] == "${WHERE}.refresh"
