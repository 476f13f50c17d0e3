"""Paths into structs, lists and JSON text, wherever a source's column is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.sources import Sources
from siftset.schemas.errors import SourceError
from siftset.schemas.paths import ColumnPath, extract_paths, find_path, parse_path

Open = Callable[..., Sources]
rows = Sources.frame

TASKS = [
    {
        "id": 9007199254740993,
        "data": {"text": "warm\nand light", "meta": {"a.b": {"c": "x"}}},
        "annotations": [{"result": [{"value": {"choices": ["good"]}}]}],
    },
    {"id": 2, "data": {"text": "tore", "meta": None}, "annotations": []},
    {"id": 3, "data": {"text": None}, "annotations": [{"result": [{"value": {"choices": []}}]}]},
]
CHOICE = "annotations[0].result[0].value.choices[0]"


def write_tasks(folder: Path, form: str) -> str:
    """Write the tasks as JSON text, or as Parquet with columns of structs and lists."""
    path = folder / f"export.{form}"
    if form == "json":
        path.write_text(json.dumps(TASKS))
    elif form == "jsonl":
        path.write_text("".join(json.dumps(task) + "\n" for task in TASKS))
    elif form == "csv":
        texts = [{k: json.dumps(v) for k, v in task.items()} for task in TASKS]
        pl.DataFrame(texts).write_csv(path)
    else:
        pl.DataFrame(TASKS).write_parquet(path)
    return path.name


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "parquet"])
def test_a_path_reads_the_same_from_json_text_and_from_nested_types(form, tmp_path, opened):
    name = write_tasks(tmp_path, form)
    columns = {"topic": 'data.meta["a.b"].c', "last": "annotations[-1].result[0].value.choices[-1]"}
    sources = opened(name, text="data.text", label=CHOICE, prepare={"columns": columns})
    found = rows(sources).select("text", "label", "topic", "last").rows()
    assert found == [
        ("warm\nand light", "good", "x", "good"),
        ("tore", None, None, None),
        (None, None, None, None),
    ]
    assert {"id", "data", "annotations"} <= set(sources.schema), "nested columns stay"


def test_a_path_leaves_row_ids_as_they_are(tmp_path: Path, opened: Open):
    name = write_tasks(tmp_path, "jsonl")
    plain = rows(opened(name, text="data"))["row_id"]
    assert rows(opened(name, text="data.text"))["row_id"].equals(plain)


def test_an_id_by_path_is_exact(tmp_path: Path, opened: Open):
    lines = [{"text": "a", "k": {"n": 2**53 + 1}}, {"text": "b", "k": {"n": 2**53}}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    pl.DataFrame({"text": ["a", "b"], "n": [2**53 + 1, 2**53]}).write_parquet(tmp_path / "a.pq")
    nested = rows(opened("a.jsonl", id="k.n"))
    assert nested["id"].to_list() == [2**53 + 1, 2**53]
    assert nested["row_id"].equals(rows(opened("a.pq", id="n"))["row_id"])


def test_a_join_finds_its_id_by_path(tmp_path: Path, opened: Open):
    (tmp_path / "a.jsonl").write_text('{"text":"a","k":{"n":1}}\n{"text":"b","k":{"n":2}}')
    (tmp_path / "truth.jsonl").write_text('{"task":{"no":2},"label":"bad"}')
    join = {"path": str(tmp_path / "truth.jsonl"), "id": "task.no", "columns": ["label"]}
    assert rows(opened("a.jsonl", id="k.n", join=join))["label"].to_list() == [None, "bad"]


def test_the_longest_name_that_is_a_column_counts(tmp_path: Path, opened: Open):
    line = {"text": {"body": "inside"}, "text.body": "beside", "x.responses": [{"value": "yes"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(line))
    found = rows(opened("a.jsonl", text="text.body", label="x.responses[0].value"))
    assert found.select("text", "label").row(0) == ("beside", "yes")


def test_a_part_that_some_records_lack_is_null_there(tmp_path: Path, opened: Open):
    (tmp_path / "a.jsonl").write_text('{"r":{"b":"x"}}\n{"r":{}}\n{"r":"no JSON"}\n{"q":1}')
    assert rows(opened("a.jsonl", text="r.b"))["text"].to_list() == ["x", None, None, None]


def test_a_file_without_the_part_is_said(tmp_path: Path, opened: Open):
    (tmp_path / "a.jsonl").write_text('{"r":{"b":"x"}}')
    (tmp_path / "b.jsonl").write_text('{"r":{"c":"y"}}')
    [said] = opened("a.jsonl", "b.jsonl", text="r.b").warnings
    assert "b.jsonl: no column 'r.b' (text)" in said


NUMBERS = [
    (["1", "2"], pl.Int64),
    (["1", "2.5"], pl.Float64),
    (["true", "false"], pl.Boolean),
    (['"007"', '"1"'], pl.String),
]


@pytest.mark.parametrize(("values", "dtype"), NUMBERS)
def test_parts_of_json_text_are_typed_by_all_their_values(values, dtype, tmp_path, opened):
    text = "\n".join(f'{{"text":"a","m":{{"n":{value}}}}}' for value in values)
    (tmp_path / "a.jsonl").write_text(text)
    assert opened("a.jsonl", label="m.n").schema["label"] == dtype


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"text": "data.txt"}, "no 'txt' in 'data' (text: data.txt); it has text, meta"),
    ({"text": "data.text.x"}, "no 'x' in 'data.text' (text: data.text.x); it has no parts"),
    ({"text": "annotations[0].x"}, "no 'x' in 'annotations[0]' (text: annotations[0].x); it has r"),
    ({"text": "body.text"}, "no column 'body.text' (text); it has id, data, annotations"),
    ({"text": "data..text"}, "no column 'data..text' (text); it has id, data, annotations"),
    ({"text": "annotations[0]"}, "'annotations[0]' (text) holds an object, expected text: go on"),
    ({"text": "data.text", "label": "annotations[0].result"}, "(label) holds a list, expected"),
]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(("columns", "message"), MISTAKES)
def test_a_path_that_leads_nowhere_says_what_is_there(columns, message, form, tmp_path, opened):
    name = write_tasks(tmp_path, form)
    with pytest.raises(SourceError) as caught:
        opened(name, **columns)
    assert message in str(caught.value)
    assert name in str(caught.value)


STEP = st.text(st.characters(exclude_characters="\\", codec="utf-8"), min_size=1)


@given(st.lists(STEP | st.integers(-9, 9), min_size=1, max_size=4))
def test_every_way_can_be_written_and_is_taken(steps: list[str | int]):
    path = "x" + "".join(
        f"[{step}]" if isinstance(step, int) else f"[{json.dumps(step)}]" for step in steps
    )
    assert parse_path(path) == ("x", *steps)
    value: Any = "end"
    for step in reversed(steps):
        value = {step: value} if isinstance(step, str) else [value] * 10
    frame = pl.DataFrame({"x": [json.dumps(value)]})
    assert extract_paths(frame, [path])[path].to_list() == ["end"]


def test_names_that_are_no_paths_are_not_taken_for_some():
    for name in ("a..b", ".a", "[0]", "a[x]", "a[0]b", 'a["b]', "a."):
        assert parse_path(name) is None
    assert find_path("a.b", ["a.b", "a"]) == ColumnPath("a.b", ())
    assert find_path("b.c", ["a"]) is None
