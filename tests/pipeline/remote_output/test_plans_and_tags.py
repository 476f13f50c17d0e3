"""One machine plans, another one applies: what a runner of a pull request and one of a merge do."""

from __future__ import annotations

import pytest

from siftset.pipeline.approval.diff import diff
from siftset.pipeline.approval.tag import tag
from siftset.pipeline.refresh import refresh
from siftset.pipeline.refresh.plans import apply, list_plans, plan
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.remote_output.push import push_output
from siftset.schemas.errors import OutputError


def test_a_plan_is_applied_and_a_tag_is_known_on_other_machines(machines):
    world = machines.world
    world.lines("in/a.jsonl", "the first text", "no")
    refresh(machines("one"))
    tag(machines("one"), "gold")
    world.lines("in/b.jsonl", "the second text")
    laid = plan(machines("one"), refresh=True).plan
    assert laid.changes.added == 1
    assert machines.set().height == 1
    other = plan(machines("one"), overrides=["seed=9"]).plan
    assert {one.plan.plan_id for one in list_plans(machines("two"))} == {
        laid.plan_id, other.plan_id,
    }  # fmt: skip
    assert diff(machines("two"), after=laid.plan_id).changes.added == 1
    assert diff(machines("two"), "gold", 0).before.version == 0
    done = apply(machines("two"), laid.plan_id, by="ana")
    assert (done.version, done.new) == (1, True)
    assert machines.set().height == 2
    assert not [name for name in machines.names("plans") if laid.plan_id in name]
    assert not apply(machines("three"), laid.plan_id).new
    with pytest.raises(OutputError, match="is stale: it rests on version 0"):
        apply(machines("three"), other.plan_id)
    assert len(list_plans(machines("three"), prune=True)) == 1
    assert not refresh(machines("one")).new
    assert not machines.names("plans")
    assert not list_plans(machines("one"))


def test_what_a_plan_read_is_not_read_again_where_it_is_applied(machines, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.remote_output.push.GRACE", -60.0)
    world = machines.world
    world.lines("in/a.jsonl", "the first text", "a text of all")
    refresh(machines("one"))
    world.lines("in/b.jsonl", "the second text", "a text of all")
    laid = plan(machines("one"), refresh=True).plan
    push_output(open_store(machines("one"))[0])  # sweeps what nothing rests on
    apply(machines("three"), laid.plan_id)
    world.lines("in/c.jsonl", "the third text")
    assert refresh(machines("four")).rows.read == 1
    assert machines.set().equals(machines.full())
