from __future__ import annotations

import json
from pathlib import Path

import pytest

from siftset.pipeline.decisions.record import Decision, Undo, write_event


def make_recipe(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "recipe.json"
    path.write_text(json.dumps({"name": "n", "output": "out", "keep": "a", "review": {}}))
    return path


def test_lines_go_out_and_come_in_to_the_file_of_each_reviewer(tmp_path: Path, told, run):
    here, there = make_recipe(tmp_path / "here"), make_recipe(tmp_path / "there")
    one = Decision(row_id="0" * 32, seen="0" * 16, decision="drop", by="anna")
    undo = Undo(undo=(one.event,), by="ben")
    sent = tmp_path / "sent.jsonl"
    sent.write_bytes(write_event(one) + write_event(undo))
    assert told("review", here, "--import", sent)["decisions"] == 2
    again = told("review", here, "--import", sent)
    assert (again["decisions"], again["known"]) == (0, 2)
    names = sorted(path.name for path in (here.parent / "review").iterdir())
    assert names == ["anna.jsonl", "ben.jsonl"]
    out = tmp_path / "out.jsonl"
    assert told("review", here, "--export", out)["decisions"] == 2
    assert told("review", there, "--import", out)["decisions"] == 2
    assert sorted(out.read_bytes().splitlines()) == sorted(sent.read_bytes().splitlines())


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("gone.jsonl", None, "cannot be read"),
        ("bad.jsonl", b"\n{}\n", "line 2: "),
        ("rows.txt", b"", "expected a name that ends in"),
    ],
)
def test_a_file_that_holds_anything_else_is_one_line(
    tmp_path: Path, name: str, content: bytes | None, told: str, run
):
    recipe = make_recipe(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run("review", recipe, "--import", tmp_path / name)
    assert (done.exit_code, told in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "review").exists()
    assert run("review", recipe).exit_code == 2
