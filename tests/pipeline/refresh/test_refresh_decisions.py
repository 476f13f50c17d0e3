"""What people decide holds in refreshes as in full runs."""

from __future__ import annotations

import random

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Decision, Event, Undo
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.run.job import load_job

SECTIONS = {
    "source": {"files": {"paths": ["in/*.jsonl"], "id": "id", "label": "label"}},
    "review": {},
}
TEXTS = ("good one", "good two", "bad three", "bad four", "nice five", None)


def make_row(number: int, text: str | None, label: str = "a") -> dict[str, object]:
    return {"id": str(number), "text": text, "label": label}


def decide(world, number: str, verb: str, *, by: str = "anna", **more: object) -> Decision:
    """Decide about the row of an id as its record reads now."""
    job = load_job(world.path())
    row = job.sources.frame().filter(pl.col("id") == number)
    seen = hash_records(row, job.read_schema)[0]
    given = {"row_id": row["row_id"][0], "seen": seen, "decision": verb, "by": by, **more}
    made = Decision.model_validate(given)
    write(world, made)
    return made


def write(world, event: Event) -> None:
    append_events(world.folder / "review" / f"{event.by}.jsonl", [event])


@pytest.fixture
def world(new_world):
    made = new_world(**SECTIONS)
    made.write("a", [make_row(n, text) for n, text in enumerate(TEXTS)])
    made.refresh()
    return made


def test_a_decision_on_a_published_row_is_applied_by_the_next_refresh(world):
    first = decide(world, "0", "drop")
    decide(world, "1", "relabel", label="b")
    decide(world, "2", "keep")
    found = world.refresh()
    assert found.new
    rows = sorted(world.set().select("id", "label").rows())
    assert rows == [("1", "b"), ("2", "a"), ("4", "a")]
    assert world.set().equals(world.full())
    assert not world.refresh().new
    write(world, Undo(undo=(first.event,), by="anna"))
    world.refresh()
    assert "0" in world.set()["id"]
    assert world.set().equals(world.full())


def test_decisions_hold_for_late_rows_and_for_late_duplicates(world):
    decide(world, "0", "drop")
    decide(world, "3", "keep")
    world.refresh()
    # late: a repeat of the dropped row, one of the kept row, and a new row
    late = ((10, "good  one"), (11, "bad four"), (12, "new twelve"))
    world.write("b", [make_row(*row) for row in late])
    found = world.refresh()
    assert found.rows.read == 3
    assert sorted(world.set()["id"]) == ["1", "12", "3", "4"]
    assert world.set().equals(world.full())


def test_the_same_rows_under_other_files_keep_their_decisions(world):
    decide(world, "0", "drop")
    decide(world, "1", "edit", text="good new")
    world.refresh()
    before = world.set().drop("source")
    world.remove("a")
    world.write("x", [make_row(n, text) for n, text in enumerate(TEXTS[:3])])
    world.write("y", [make_row(n, text) for n, text in enumerate(TEXTS[3:], 3)])
    world.change(refresh={"removed": "delete"})
    world.refresh()
    assert world.set().drop("source").sort("id").equals(before.sort("id"))
    assert world.set().equals(world.full())


def test_rows_that_a_full_run_changed_may_move_to_other_files(new_world):
    world = new_world(**SECTIONS)
    world.write("a", [make_row(n, text) for n, text in enumerate(TEXTS)])
    curate(world.path())
    decide(world, "1", "relabel", label="b")
    decide(world, "4", "edit", text="good new")
    curate(world.path())  # without a ledger: what the records said is nowhere but in the input
    before = world.set().drop("source").sort("id")
    world.remove("a")
    world.write("x", [make_row(n, text) for n, text in enumerate(TEXTS[:3])])
    world.write("y", [make_row(n, text) for n, text in enumerate(TEXTS[3:], 3)])
    world.refresh()
    assert world.set().drop("source").sort("id").equals(before)


def test_a_changed_record_is_no_longer_what_was_decided(world):
    world.change(refresh={"merge": "replace"})
    decide(world, "2", "keep")
    world.refresh()
    assert "2" in world.set()["id"]
    texts = ("good one", "good two", "bad three.")
    world.write("a", [make_row(n, text) for n, text in enumerate(texts)])
    world.refresh()
    assert sorted(world.set()["id"]) == ["0", "1"]
    assert world.set().equals(world.full())


def test_rows_whose_input_is_gone_keep_what_was_decided_of_them(world):
    decide(world, "1", "relabel", label="b")
    decide(world, "2", "keep")
    world.refresh()
    world.remove("a")
    world.write("b", [make_row(10, "good ten")])
    world.refresh()
    assert dict(world.set().select("id", "label").rows()) == {
        "0": "a", "1": "b", "2": "a", "4": "a", "10": "a"
    }  # fmt: skip
    # decided anew, because another decision came: of records that are only in the set
    undone = decide(world, "10", "relabel", label="c")
    world.refresh()
    assert dict(world.set().select("id", "label").rows())["1"] == "b"
    assert "2" in world.set()["id"]
    write(world, Undo(undo=(undone.event,), by="anna"))
    world.refresh()
    assert dict(world.set().select("id", "label").rows())["10"] == "a"


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 2))])
def test_a_refresh_is_a_full_run_whatever_was_decided(new_world, seed: int):
    draw = random.Random(seed)
    world = new_world(**SECTIONS)
    number = 0
    said: list[Decision] = []
    for day in range(3):
        rows = []
        for _ in range(draw.randint(1, 6)):
            rows.append(make_row(number, draw.choice(TEXTS), draw.choice("ab")))
            number += 1
        world.write(f"day{day}", rows)
        for _ in range(draw.randint(0, 4)):
            verb = draw.choice(["keep", "drop", "relabel", "edit", "skip"])
            more = {
                "relabel": {"label": draw.choice("abc")},
                "edit": {"text": draw.choice(TEXTS[:5])},
            }
            by = draw.choice(["anna", "ben"])
            said.append(
                decide(world, str(draw.randrange(number)), verb, by=by, **more.get(verb, {}))
            )
        if said and draw.random() < 0.5:
            write(world, Undo(undo=(draw.choice(said).event,), by="anna"))
        world.refresh()
        assert world.set().equals(world.full())
