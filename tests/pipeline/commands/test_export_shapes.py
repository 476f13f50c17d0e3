"""A set written as it came in, and as chat formats have it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.export import export_set
from siftset.schemas.errors import OutputError

TOOL = {"type": "function", "function": {"name": "stock", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "stock", "arguments": '{"sku": "B"}'}}
OPENAI: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Is it back?"},
            {"role": "assistant", "content": "Yes.", "weight": 0},
            {"role": "user", "content": [{"type": "text", "text": t} for t in ("a", "b")]},
            {"role": "assistant", "content": "ab"},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": "B?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "3", "tool_call_id": "c1"},
            {"role": "assistant", "content": "Three.", "theta": 0.5},
        ],
        "tools": [TOOL],
        "topic": {"name": "stock", "ids": [1, 2]},
        "n": 7,
    },
    {"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "Hi"},
                  {"role": "assistant", "content": "Hello."}], "topic": {"name": "é", "ids": []}},
]  # fmt: skip
SHAREGPT: list[dict[str, Any]] = [
    {"key": "a", "conversations": [{"from": "human", "value": "Small?"},
                                   {"from": "gpt", "value": "No."}]},
    {"key": "b", "conversations": [{"from": "human", "value": "Rain?"},
                                   {"from": "function_call", "value": "{}"},
                                   {"from": "observation", "value": "rain"},
                                   {"from": "chatgpt", "value": "Boots.", "score": 3}]},
]  # fmt: skip


def write_recipe(folder: Path, rows: list[dict[str, Any]], **source: Any) -> Path:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = {
        "name": "shapes",
        "output": "out",
        "source": {"files": {"paths": ["in.jsonl"], **source}},
        "signals": {"some": {"length": {"min": 1}}},
        "keep": "some",
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe))
    curate(path)
    return path


def exported(recipe: Path, shape: Any, **options: Any) -> list[dict[str, Any]]:
    out = recipe.with_name("out.jsonl")
    rows = export_set(recipe, out, shape=shape, **options)
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(found) == rows
    return found


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.parametrize(
    ("rows", "source"),
    [
        (OPENAI, {"messages": "messages"}),
        (
            SHAREGPT,
            {"id": "key",
             "messages": {"column": "conversations", "role": "from", "content": "value"}},
        ),
        (
            [{"instruction": "Be polite.", "input": "Now!", "output": "Please, now."},
             {"instruction": "Count.", "output": "One."}],
            {"messages": {"user": ["instruction", "input"], "assistant": "output"}},
        ),
        (
            [{"prompt": [{"role": "user", "content": "a"}],
              "chosen": [{"role": "assistant", "content": "b"}],
              "rejected": [{"role": "assistant", "content": "c"}], "score": 0.25}],
            {"messages": ["prompt", "chosen"]},
        ),
        (
            [{"review": {"body": "good", "stars": 5}, "messages": "plain", "label": True}],
            {"text": "review.body", "label": "label"},
        ),
    ],
)  # fmt: skip
def test_rows_come_out_as_they_went_in(
    rows: list[dict[str, Any]], source: dict[str, Any], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, rows, **source)
    assert in_order(exported(recipe, "same")) == in_order(rows)


def test_openai_and_trl_have_our_roles_and_their_keys(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, OPENAI, messages="messages")
    for shape in ("openai", "trl"):
        found = exported(recipe, shape)
        wanted = [{key: row[key] for key in ("messages", "tools") if key in row} for row in OPENAI]
        ours = [json.loads(json.dumps(row).replace("developer", "system")) for row in wanted]
        assert in_order(found) == in_order(ours)


def test_sharegpt_becomes_openai_and_back(tmp_path: Path) -> None:
    mapping = {"column": "conversations", "role": "from", "content": "value"}
    recipe = write_recipe(tmp_path, SHAREGPT, messages=mapping)
    found = {row["messages"][0]["content"]: row["messages"] for row in exported(recipe, "openai")}
    assert [turn["role"] for turn in found["Rain?"]] == ["user", "assistant", "tool", "assistant"]
    assert found["Rain?"][3] == {"role": "assistant", "content": "Boots.", "score": 3}
    shared = exported(recipe, "sharegpt")
    told = [[turn["from"] for turn in row["conversations"]] for row in shared]
    assert sorted(told, key=len)[1] == ["human", "gpt", "observation", "gpt"]


def test_alpaca_is_for_one_exchange_a_row(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, [OPENAI[2]], messages="messages")
    assert exported(recipe, "alpaca") == [
        {"instruction": "Hi", "input": "", "output": "Hello.", "system": "x"}
    ]
    recipe = write_recipe(tmp_path, OPENAI, messages="messages")
    with pytest.raises(OutputError, match="one answer a row, and 2 rows hold another number"):
        exported(recipe, "alpaca")


def test_text_the_table_and_csv(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, OPENAI, messages="messages")
    texts = {row["text"] for row in exported(recipe, "text")}
    assert "B?\n\nThree." in texts
    [row] = [row for row in exported(recipe, "table") if row["text"] == "Hi\n\nHello."]
    assert row["messages"][0] == {"role": "system", "content": "x", "extra": '{"role":"developer"}'}
    out = tmp_path / "out.csv"
    export_set(recipe, out, shape="openai")
    with out.open(newline="", encoding="utf-8") as handle:
        cells = list(csv.DictReader(handle))
    assert sorted(len(json.loads(cell["messages"])) for cell in cells) == [3, 4, 5]
    assert {cell["tools"] for cell in cells} == {"", json.dumps([TOOL], separators=(",", ":"))}


def test_a_split_alone(tmp_path: Path) -> None:
    rows = [{"text": f"row {number}"} for number in range(60)]
    recipe = write_recipe(tmp_path, rows)
    parts = [exported(recipe, "same", split=split) for split in ("train", "validation")]
    assert all(parts)
    assert in_order([*parts[0], *parts[1]]) == in_order(rows)


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, [{"text": "a"}])
    with pytest.raises(OutputError, match=r"--as openai writes conversations, and the set of"):
        export_set(recipe, tmp_path / "x.jsonl", shape="openai")
    with pytest.raises(OutputError, match=r"--as same writes rows of JSON, expected --out"):
        export_set(recipe, tmp_path / "x.parquet", shape="same")
    assert not (tmp_path / "x.parquet").exists()


def test_a_table_in_parquet_has_lists_of_turns(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, OPENAI[2:], messages="messages")
    export_set(recipe, tmp_path / "x.parquet")
    turns = pl.read_parquet(tmp_path / "x.parquet")["messages"].to_list()[0]
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant"]


def test_the_command_takes_a_shape_and_a_split(run: Any, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, OPENAI, messages="messages")
    out = tmp_path / "x.jsonl"
    done = run("export", recipe, "--out", out, "--as", "openai", "--split", "train")
    assert done.exit_code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {name for row in rows for name in row} == {"messages", "tools"}
    assert run("export", recipe, "--out", out, "--as", "word").exit_code == 2
