"""A refresh takes the rows that a full run over the same input would take."""

from __future__ import annotations

import json
import os

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from siftset.pipeline.approval.diff import diff
from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Decision
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.refresh.plans import apply, plan
from siftset.pipeline.run.job import load_job
from siftset.schemas.errors import OutputError

SELECT = {"rows": 4, "near": "examples.jsonl"}
WORDS = ("wool", "shirt", "film", "plot", "actor", "coat", "river", "engine", "soup", "garden")
names = st.sampled_from(("a", "b", "c"))
texts = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" and the ".join),
    min_size=1,
    max_size=6,
)
sections = st.sampled_from(
    (
        {"select": {**SELECT, "rows": 2}},
        {"select": {**SELECT, "method": "round_robin"}},
        {"select": {**SELECT, "per": "label"}},
        {"select": None},
        {"select": SELECT},
        {"dedupe": {"exact": False}},
    )
)
steps = st.one_of(
    st.tuples(st.just("write"), names, texts),
    st.tuples(st.just("remove"), names, st.none()),
    st.tuples(st.just("recipe"), sections, st.none()),
    st.tuples(st.just("forget"), st.none(), st.none()),
)


@pytest.fixture
def new_shop(new_world):
    def make(**recipe):
        world = new_world(**{"select": SELECT, "keep": "long", **recipe})
        lines = [json.dumps({"text": text}) for text in ("a coat of wool", "this shirt is warm")]
        (world.folder / "examples.jsonl").write_text("\n".join(lines))
        return world

    return make


def write(world, name, given):
    world.write(name, [{"text": text, "label": len(text) % 2} for text in given])


@settings(
    max_examples=60 if os.environ.get("SIFTSET_TESTS") == "full" else 5,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(first=texts, rounds=st.lists(steps, min_size=2, max_size=4))
def test_refreshes_equal_a_full_run(new_shop, first, rounds):
    world = new_shop(refresh={"removed": "delete"})
    held = {"b": first}
    write(world, "b", first)
    for kind, what, given_texts in [("start", None, None), *rounds]:
        if kind == "write":
            held[what] = given_texts
            write(world, what, given_texts)
        elif kind == "remove" and len(held) > 1 and held.pop(what, None):
            world.remove(what)
        elif kind == "recipe":
            world.change(**what)
        elif kind == "forget":
            world.forget()
        result = world.refresh()
        assert world.set().equals(world.full())
        result.rows.check()
        assert not world.refresh().new


def test_a_late_row_takes_the_place_of_one_less_alike_and_gives_it_back(new_shop):
    world = new_shop(refresh={"removed": "delete"}, select={**SELECT, "rows": 2})
    write(world, "a", ["a warm coat", "the engine of a car", "garden and river", "soup for lunch"])
    world.refresh()
    before = set(world.set()["text"])
    assert "a warm coat" in before
    write(world, "b", ["a coat of warm wool"])
    result = world.refresh()
    assert (result.rows.read, result.rows.kept, result.set_rows) == (1, 1, 2)
    assert set(world.set()["text"]) == {"a warm coat", "a coat of warm wool"}
    assert (result.turnover.entered, result.turnover.left) == (1, 1)
    reasons = diff(world.path(), "0", "1").reasons
    assert {(one.kind, one.reason) for one in reasons} == {
        ("added", "new input"), ("removed", "selection"),
    }  # fmt: skip
    world.remove("b")
    result = world.refresh()
    assert result.rows.read == 0
    assert set(world.set()["text"]) == before


def test_a_late_row_that_is_not_taken_is_rejected_by_the_refresh_that_reads_it(new_shop):
    world = new_shop(select={**SELECT, "rows": 1})
    write(world, "a", ["a coat of wool"])
    world.refresh()
    write(world, "b", ["the engine of a car", "a coat of wool"])
    result = world.refresh()
    assert (result.rows.rejected, result.rows.duplicate, result.rows.kept) == (1, 1, 0)
    rejected = pl.read_parquet(result.report.parent / "rejected" / "*.parquet")
    assert rejected["clause"].cast(pl.String).to_list() == ["select"]
    assert world.set()["text"].to_list() == ["a coat of wool"]


def test_a_retracted_row_gives_its_place_to_the_next(new_shop):
    """Under upsert the last record of an id counts, and one that is not kept takes the id out."""
    source = {"files": {"paths": ["in/*.jsonl"], "id": "id"}}
    world = new_shop(source=source, refresh={"merge": "upsert"}, select={**SELECT, "rows": 1})
    rows = [{"id": 1, "text": "a coat of wool"}, {"id": 2, "text": "a garden"}]
    world.write("a", rows)
    world.refresh()
    assert world.set()["id"].to_list() == [1]
    world.write("b", [{"id": 1, "text": "no"}])
    world.refresh()
    assert world.set()["id"].to_list() == [2]
    assert world.set().equals(world.full())


def test_rows_of_files_that_are_gone_stay_in_the_choice(new_shop):
    world = new_shop(select={**SELECT, "rows": 1})
    write(world, "a", ["a coat of wool", "the engine of a car"])
    world.refresh()
    write(world, "b", ["garden and river"])
    world.remove("a")
    world.refresh()
    assert world.set()["text"].to_list() == ["a coat of wool"]


def test_a_plan_holds_the_examples_that_it_was_made_with(new_shop):
    world = new_shop(select={**SELECT, "rows": 1})
    write(world, "a", ["a coat of wool", "the engine of a car"])
    plan(world.path())
    examples = world.folder / "examples.jsonl"
    before = examples.read_text()
    examples.write_text(json.dumps({"text": "a machine with an engine"}))
    with pytest.raises(OutputError, match="is stale: the example texts changed"):
        apply(world.path())
    examples.write_text(before)
    assert apply(world.path()).version == 0
    assert world.set()["text"].to_list() == ["a coat of wool"]


def test_the_file_of_a_later_record_may_go_without_a_trace(new_shop):
    """The later record took the earlier one out, though the selection did not take it."""
    source = {"files": {"paths": ["in/*.jsonl"], "id": "id"}}
    world = new_shop(source=source, refresh={"merge": "upsert"}, select={**SELECT, "rows": 1})
    world.write("a", [{"id": 1, "text": "a coat of wool"}])
    world.write("b", [{"id": 1, "text": "an engine"}, {"id": 2, "text": "a warm shirt"}])
    world.refresh()
    assert world.set()["id"].to_list() == [2]
    world.remove("b")
    world.refresh()
    assert world.set()["id"].to_list() == [2]


def test_what_people_drop_gives_its_place_to_the_next_and_what_they_keep_is_in_the_choice(new_shop):
    world = new_shop(select={**SELECT, "rows": 2}, review={})
    write(world, "a", ["a coat of wool", "a warm shirt", "garden and river", "coat"])
    assert world.refresh().rows.rejected == 2
    assert set(world.set()["text"]) == {"a coat of wool", "a warm shirt"}
    job = load_job(world.path())
    rows = job.sources.frame()
    for text, decision in (("a coat of wool", "drop"), ("coat", "keep")):
        row = rows.filter(pl.col("text") == text)
        given = {"row_id": row["row_id"][0], "seen": hash_records(row, job.columns)[0],
                 "decision": decision, "by": "ana"}  # fmt: skip
        append_events(world.folder / "review/ana.jsonl", [Decision.model_validate(given)])
    result = world.refresh()
    assert set(world.set()["text"]) == {"coat", "a warm shirt"}
    assert world.set().equals(world.full())
    rejected = pl.read_parquet(result.report.parent / "rejected" / "*.parquet")
    assert sorted(rejected["clause"].cast(pl.String)) == ["review", "select"]
