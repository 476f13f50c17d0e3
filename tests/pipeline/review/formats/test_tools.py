"""Rows go out to other tools and what people answered there comes back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.decisions.files import open_log
from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Decision
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.run.job import load_job
from siftset.schemas.recipe.loading import load_recipe

TEXTS = ("good one", "=2+3 good", "bad three", "'-good", 'good, "five"\nlines', None)
ROWS = [{"id": str(n), "text": text, "label": "a"} for n, text in enumerate(TEXTS)]
SAID = {
    "0": {"decision": "drop", "reason": "spam"},
    "1": {"decision": "relabel", "label": "b"},
    "2": {"decision": "keep", "label": "c", "text": "=good three"},
    "3": {"decision": "edit", "text": 'good\n"four"'},
    "4": {"decision": "skip"},
}
FORMS = [("rows.json", "label-studio"), ("rows.json", "argilla"), ("rows.csv", "label-studio")]


@pytest.fixture
def world(new_world):
    made = new_world(
        source={"files": {"paths": ["in/*.jsonl"], "id": "id", "label": "label"}}, review={}
    )
    made.write("a", ROWS)
    curate(made.path())
    return made


def ids_of(world) -> dict[str, tuple[str, str]]:
    """The row_id and what is seen of each row, by its id."""
    job = load_job(world.path())
    rows = job.sources.frame()
    seen = hash_records(rows, job.read_schema)
    return dict(zip(rows["id"], zip(rows["row_id"], seen, strict=True), strict=True))


def effects(world) -> dict[str, object]:
    log = open_log(load_recipe(world.path()))
    return {row: [(d.by, d.decision, d.effect, d.seen, d.reason) for d in log.said(row)]
            for row in sorted(log.row_ids)}  # fmt: skip


@pytest.mark.parametrize(("name", "tool"), FORMS)
def test_what_goes_out_comes_back_the_same(world, told, name: str, tool: str):
    rows = ids_of(world)
    for number, said in SAID.items():
        given = {"row_id": rows[number][0], "seen": rows[number][1], "by": "anna", **said}
        append_events(world.folder / "review/anna.jsonl", [Decision.model_validate(given)])
    file = world.folder / name
    done = told("review", world.path(), "--export", file, "--as", tool)
    assert (done["rows"], done["decisions"]) == (6, 5)
    again = told("review", world.path(), "--import", file)
    assert (again["decisions"], again["known"]) == (0, 5)
    before = effects(world)
    (world.folder / "review/anna.jsonl").unlink()
    assert told("review", world.path(), "--import", file)["decisions"] == 5
    assert effects(world) == before
    assert told("review", world.path(), "--export", file, "--part", "kept")["rows"] == 4
    assert told("review", world.path(), "--export", file, "--part", "decided")["rows"] == 5


def test_answers_of_label_studio_come_in(world, told):
    file = world.folder / "tasks.json"
    told("review", world.path(), "--export", file)
    tasks = json.loads(file.read_text("utf-8"))
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["a"]}

    def choose(name: str, value: str) -> dict:
        return {"from_name": name, "to_name": "text", "type": "choices", "id": "x1",
                "value": {"choices": [value]}, "origin": "manual"}  # fmt: skip

    at = "2026-03-09T22:16:08.728378Z"
    answers = [
        [{"id": 1, "result": [choose("label", "b")], "completed_by": 10, "updated_at": at}],
        [{"result": [choose("decision", "drop")], "completed_by": {"email": "ben@example.org"}}],
        [{"result": [], "was_cancelled": True, "completed_by": 10}],
        [{"result": [choose("label", "b")], "completed_by": 10},
         {"result": [choose("label", "c")], "completed_by": 11}],
    ]  # fmt: skip
    for task, given in zip(tasks, answers, strict=False):
        task["annotations"] = given
    file.write_text(json.dumps(tasks), "utf-8")
    assert told("review", world.path(), "--import", file)["decisions"] == 5
    rows, log = ids_of(world), open_log(load_recipe(world.path()))
    said = {number: log.said(rows[number][0]) for number in "0123"}
    assert [(d.by, d.label, d.at.year) for d in said["0"]] == [("label-studio-10", "b", 2026)]
    assert said["1"][0].by == "ben@example.org"
    assert said["2"][0].decision == "skip"
    assert log.standing(*rows["3"]).state == "disputed"
    assert curate(world.path()).by_hand == {"dropped": 1, "relabelled": 1, "disputed": 1}


@pytest.mark.parametrize("server", [False, True])
def test_answers_of_argilla_come_in(world, told, server: bool):
    file = world.folder / "records.json"
    told("review", world.path(), "--export", file, "--as", "argilla")
    records = json.loads(file.read_text("utf-8"))
    assert records[0]["suggestions"]["label"]["value"] == "a"
    said = {"label": "b", "reason": "reads so"}
    if server:
        values = {question: {"value": value} for question, value in said.items()}
        records[0]["responses"] = [
            {"values": values, "user_id": "u1", "status": "submitted"},
            {"values": {}, "user_id": "u2", "status": "draft"},
        ]
        records[1]["responses"] = [{"values": None, "user_id": "u1", "status": "discarded"}]
    else:
        records[0]["responses"] = {
            question: [{"value": value, "user_id": "u1"}] for question, value in said.items()
        }
        records[1]["responses"] = {
            "decision": [{"value": "skip", "user_id": "u1", "status": "submitted"}]
        }
    file.write_text(json.dumps(records), "utf-8")
    assert told("review", world.path(), "--import", file)["decisions"] == 2
    rows, log = ids_of(world), open_log(load_recipe(world.path()))
    (one,), (two,) = log.said(rows["0"][0]), log.said(rows["1"][0])
    assert (one.decision, one.label, one.reason, one.by) == ("relabel", "b", "reads so", "u1")
    assert two.decision == "skip"


def test_a_spreadsheet_is_filled_in_and_comes_back(world, told):
    file = world.folder / "rows.csv"
    told("review", world.path(), "--export", file)
    text = file.read_bytes().decode("utf-8-sig")
    assert "'=2+3 good" in text  # no formula for a spreadsheet
    lines = list(csv.DictReader(text.splitlines(keepends=True)))
    lines[0]["decision"] = "Drop"
    lines[1]["new_label"] = "b"
    lines[3]["new_text"] = "good '4"
    lines[3]["seen"] = ""  # a column that was cleared: the row is as it reads now
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, lines[0], delimiter=";")
        writer.writeheader()
        writer.writerows(lines)
    assert told("review", world.path(), "--import", file, "--by", "ben")["decisions"] == 3
    assert [path.name for path in (world.folder / "review").iterdir()] == ["ben.jsonl"]
    result = curate(world.path())
    assert result.by_hand == {"dropped": 1, "relabelled": 1, "edited": 1}
    kept = pl.read_delta(str(world.folder / "out/set"))
    assert dict(kept.select("id", "text").rows())["3"] == "good '4"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,label\nx,y\n", "no column 'row_id'"),
        ("a.csv", "row_id,decision\nrow 12,keep\n", "line 2: row_id 'row 12'"),
        ("a.csv", "row_id,decision\nrow {id},kepe\n", "decision 'kepe'"),
        ("a.csv", "row_id,decision\nrow {id},relabel\n", "'relabel' needs a label"),
        ("a.csv", "row_id,decision\nrow {other},keep\n", "the source has no row"),
        ("a.csv", b"row_id,decision\n\xff,keep\n", "not UTF-8"),
        ("a.json", "{", "it is no JSON"),
        ("a.json", '[{"text": "x"}]', "neither tasks of Label Studio"),
        ("a.json", '[{"data": {}, "annotations": [{"was_cancelled": true}]}]', "task 1: row_id"),
        ("a.json", '[{"fields": {}, "id": "x", "responses": {"label": [{"value": "b"}]}}]',
         "record 1: row_id 'x'"),
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_one_line(world, run, name, content, said):
    if isinstance(content, str):
        content = content.replace("{id}", ids_of(world)["0"][0]).replace("{other}", "0" * 32)
        content = content.encode()
    (world.folder / name).write_bytes(content)
    done = run("review", world.path(), "--import", world.folder / name)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert done.stderr.count("\n") <= 2
    assert not (world.folder / "review").exists()


def test_a_part_that_no_row_is_in_is_one_line(world, run, tmp_path: Path):
    done = run("review", world.path(), "--export", tmp_path / "a.csv", "--part", "best")
    assert done.exit_code == 2
    assert "expected one of decided, kept" in done.stderr
