from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.decisions.files import open_log, reviewer_file
from siftset.pipeline.decisions.log import DecisionLog, append_events
from siftset.pipeline.decisions.record import Decision, Event, Undo, read_event, write_event
from siftset.pipeline.decisions.seen import hash_records
from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.recipe.loading import load_recipe

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SEEN, OTHER = "0" * 16, "1" * 16


def row(number: int) -> str:
    return f"{number:032x}"


def say(
    verb: str, number: int = 0, *, by: str = "anna", minute: int = 0, **more: object
) -> Decision:
    at = NOON + timedelta(minutes=minute)
    fields = {"row_id": row(number), "seen": SEEN, "decision": verb, "by": by, "at": at, **more}
    return Decision.model_validate(fields)


def make_log(folder: Path, **files: list[Event]) -> DecisionLog:
    for name, events in files.items():
        append_events(folder / f"{name}.jsonl", events)
    log = DecisionLog(str(folder / "*.jsonl"))
    log.update()
    return log


def state(log: DecisionLog, number: int = 0, seen: str | None = SEEN) -> tuple[str, str] | None:
    found = log.standing(row(number), seen)
    return found and (found.state, found.decision.decision if found.decision else "")


def test_the_last_word_of_a_reviewer_holds_whatever_file_it_lies_in(tmp_path: Path):
    log = make_log(tmp_path, desk=[say("drop", minute=1)], train=[say("keep", minute=2)])
    assert state(log) == ("applied", "keep")
    assert state(log, 1) is None


def test_every_state(tmp_path: Path):
    log = make_log(
        tmp_path,
        anna=[say("keep"), say("drop", 1), say("skip", 2), say("keep", 3), say("keep", 4)],
        ben=[
            say("drop", by="ben", minute=1),
            say("drop", 1, by="ben"),
            say("drop", 3, by="ben", seen=OTHER),
        ],
    )
    assert state(log) == ("disputed", "drop")
    assert state(log, 1) == ("applied", "drop")
    assert state(log, 2) == ("skip", "skip")
    assert state(log, 3) == ("applied", "keep")  # ben saw another record
    assert state(log, 3, OTHER) == ("applied", "drop")
    assert state(log, 4, OTHER) == ("stale", "keep")
    assert state(log, 4, None) == ("orphaned", "keep")


def test_a_row_that_was_put_off_by_one_is_not_disputed(tmp_path: Path):
    log = make_log(tmp_path, anna=[say("keep")], ben=[say("skip", by="ben", minute=9)])
    assert state(log) == ("applied", "keep")


def test_a_clock_that_went_back_does_not_change_the_order_of_a_file(tmp_path: Path):
    log = make_log(tmp_path, anna=[say("keep", minute=30), say("drop", minute=10)])
    assert state(log) == ("applied", "drop")


def test_a_clock_that_runs_ahead_is_told(tmp_path: Path):
    ahead = say("keep").model_copy(update={"at": datetime.now(UTC) + timedelta(days=400)})
    log = make_log(tmp_path, anna=[ahead])
    assert "yet to come" in log.warnings[0]
    assert "anna.jsonl, line 1" in log.warnings[0]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_neither_the_names_nor_the_order_of_files_matter(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
):
    verbs = st.sampled_from(["keep", "drop", "skip"])
    rows, minutes = st.integers(0, 2), st.integers(0, 5)
    one = st.builds(
        lambda v, r, b, m: say(v, r, by=b, minute=m), verbs, rows, st.sampled_from("ab"), minutes
    )
    files = data.draw(st.lists(st.lists(one, max_size=4), min_size=3, max_size=3))
    found = set()
    for order in permutations(range(3)):
        folder = tmp_path_factory.mktemp("order")
        named = {f"f{at}": list(files[number]) for at, number in enumerate(order)}
        log = make_log(folder, **named)
        found.add(tuple(state(log, number) for number in range(3)))
    assert len(found) == 1


@settings(max_examples=40, deadline=None)
@given(said=st.lists(st.tuples(st.sampled_from(["keep", "drop", "skip"]), st.integers(0, 2))))
def test_deciding_and_undoing_is_as_if_nothing_was_said(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, int]]
):
    before = [say("keep", 0), say("drop", 1)]
    more = [say(verb, number, minute=1) for verb, number in said]
    undo = [Undo(undo=(one.event,), by="anna", at=NOON) for one in more]
    plain = make_log(tmp_path_factory.mktemp("plain"), anna=list(before))
    undone = make_log(tmp_path_factory.mktemp("undone"), anna=[*before, *more], z=list(undo))
    assert [state(plain, n) for n in range(3)] == [state(undone, n) for n in range(3)]
    assert plain.row_ids == undone.row_ids


def test_undo_takes_back_the_last_step_of_one_reviewer(tmp_path: Path):
    bulk = [say("drop", n, event=f"aa-{n}", minute=2) for n in range(3)]
    log = make_log(tmp_path, anna=[say("keep", minute=1), *bulk], ben=[say("keep", 9, by="ben")])
    assert log.last_step("anna") == ("aa-0", "aa-1", "aa-2")
    log.append(tmp_path / "anna.jsonl", [Undo(undo=log.last_step("anna"), by="anna")])
    assert (state(log), state(log, 1)) == (("applied", "keep"), None)
    assert log.last_step("nobody") == ()


def test_a_torn_last_line_is_passed_over_and_cut_off_by_the_next_writer(tmp_path: Path):
    path = tmp_path / "anna.jsonl"
    log = make_log(tmp_path, anna=[say("keep")])
    path.write_bytes(path.read_bytes() + write_event(say("drop"))[:-9])
    log.update()
    assert state(log) == ("applied", "keep")
    append_events(path, [say("drop", 1)])
    log.update()
    assert (state(log), state(log, 1)) == (("applied", "keep"), ("applied", "drop"))
    assert all(json.loads(line) for line in path.read_text("utf-8").splitlines())


def test_a_last_line_without_its_end_counts_once(tmp_path: Path):
    path = tmp_path / "anna.jsonl"
    path.write_bytes(write_event(say("keep")).rstrip())
    log = DecisionLog(str(path))
    log.update()
    log.append(path, [say("drop", 1)])
    assert (state(log), state(log, 1), len(log)) == (("applied", "keep"), ("applied", "drop"), 2)


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path):
    log = make_log(tmp_path, anna=[say("keep"), say("keep", 1)], ben=[say("drop", 2, by="ben")])
    path = tmp_path / "anna.jsonl"
    path.write_bytes(b"".join(write_event(say("drop", n, reason="x" * 400)) for n in range(3)))
    log.update()
    assert [state(log, n) for n in range(2)] == [("applied", "drop")] * 2
    assert state(log, 2) == ("disputed", "drop") or state(log, 2) == ("applied", "drop")


def test_a_copy_of_a_file_says_nothing_new(tmp_path: Path):
    log = make_log(tmp_path, anna=[say("keep")])
    (tmp_path / "copy.jsonl").write_bytes((tmp_path / "anna.jsonl").read_bytes())
    log.update()
    assert (len(log), state(log)) == (1, ("applied", "keep"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{oops\n", "no JSON"),
        (b"[1]\n", "holds a list"),
        (b'{"undo":[],"by":"anna"}\n', "undo"),
        (write_event(say("keep")).replace(b"keep", b"kepe"), "'keep', 'drop', 'relabel'"),
        (write_event(say("keep")).replace(b'"decision":"keep"', b'"decision":"relabel"'), "label"),
        (write_event(say("drop")).replace(b'"by"', b'"text":"x","by"'), "neither label nor text"),
        (write_event(say("keep")).replace(f'"{SEEN}"'.encode(), b'"xyz"'), "seen"),
    ],
)
def test_a_line_in_the_middle_that_is_no_decision_is_one_clear_line(
    tmp_path: Path, line: bytes, told: str
):
    path = tmp_path / "anna.jsonl"
    path.write_bytes(write_event(say("keep")) + line + write_event(say("drop", 1)))
    log = DecisionLog(str(path))
    with pytest.raises(SourceError, match=r"anna\.jsonl, line 2: ") as error:
        log.update()
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_two_events_of_one_name_are_refused(tmp_path: Path):
    events: list[Event] = [say("keep", event="same"), say("drop", event="same")]
    with pytest.raises(SourceError, match="event 'same' was written before"):
        make_log(tmp_path, anna=events)


def test_what_is_written_is_read_back():
    one = say(
        "relabel", label="good", text="a\u2028b", reason="r", source={"file": "f", "record": 1}
    )
    assert read_event(write_event(one)) == one
    assert say("keep", label=1.0).label == "1"


def test_what_was_seen_depends_on_values_alone():
    frame = pl.DataFrame({"row_id": ["a"], "text": ["x"], "label": [1]})
    same = pl.DataFrame({"label": ["1"], "more": [None], "text": ["x"]})
    seen = hash_records(frame, {"text", "label"})[0]
    assert seen == hash_records(same, {"text", "label", "more"})[0]
    assert seen != hash_records(same.with_columns(label=pl.lit("2")), {"text", "label"})[0]


def test_a_reviewer_has_a_file_of_those_that_the_recipe_names(tmp_path: Path):
    folder = tmp_path / "a [b]"
    folder.mkdir()
    recipe = {"name": "n", "output": "out", "keep": "a"}
    for pattern, name in [("r/*.jsonl", "r/Anna-B.jsonl"), ("one.jsonl", "one.jsonl")]:
        (folder / "r.json").write_text(json.dumps({**recipe, "review": {"decisions": pattern}}))
        loaded = load_recipe(folder / "r.json")
        assert reviewer_file(loaded, "Anna B.") == folder / name
        append_events(reviewer_file(loaded, "Anna B."), [say("keep")])
        assert state(open_log(loaded)) == ("applied", "keep")
    (folder / "r.json").write_text(json.dumps({**recipe, "review": {"decisions": "*/?.jsonl"}}))
    with pytest.raises(RecipeError, match="one \\* in the name"):
        reviewer_file(load_recipe(folder / "r.json"), "anna")
