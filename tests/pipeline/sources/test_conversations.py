"""Conversations: every way to write them becomes one stored type, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.sources.conversations import (
    read_conversations,
    repair_conversations,
    write_message,
)
from siftset.pipeline.sources.frame import frame_source
from siftset.schemas.conversations import MESSAGES, VIEWS, schema_with_views, with_views
from siftset.schemas.errors import RecipeError, SourceError
from siftset.schemas.recipe.loading import restore_recipe
from siftset.schemas.recipe.messages import Messages
from siftset.schemas.recipe.source import Files, MessageRepairs

TURNS = [("user", "Is wool warm?"), ("assistant", "Yes.")]


def mapping(written: Any) -> Messages:
    found = Files(paths=("x",), messages=written).messages
    assert found is not None
    return found


def read(rows: list[dict[str, Any]], written: Any) -> pl.Series:
    """Read rows as JSON Lines hand them over: what is nested is text."""
    texts = [{k: v if isinstance(v, str) else json.dumps(v) for k, v in r.items()} for r in rows]
    found = read_conversations(pl.DataFrame(texts), mapping(written), "chat.jsonl")
    assert found.wrong == {}
    assert found.messages.dtype == MESSAGES
    return found.messages


def turns(messages: pl.Series) -> list[Any]:
    return [
        None if row is None else [(turn["role"], turn["content"]) for turn in row]
        for row in messages.to_list()
    ]


@pytest.mark.parametrize(
    ("row", "written"),
    [
        ({"m": [{"role": r, "content": c} for r, c in TURNS]}, "m"),
        (
            {"m": [{"from": "human", "value": "Is wool warm?"}, {"from": "gpt", "value": "Yes."}]},
            {"column": "m", "role": "from", "content": "value"},
        ),
        ({"prompt": "Is wool warm?", "completion": "Yes."}, ["prompt", "completion"]),
        (
            {
                "prompt": [{"role": "user", "content": "Is wool warm?"}],
                "chosen": [{"role": "assistant", "content": "Yes."}],
            },
            ["prompt", "chosen"],
        ),
        ({"q": "Is wool warm?", "a": "Yes."}, {"user": "q", "assistant": "a"}),
        (
            {"q": "Is wool warm?", "i": " ", "s": "", "a": "Yes."},
            {"user": ["q", "i"], "assistant": "a", "system": "s"},
        ),
        (
            {"m": [{"role": "she", "content": "Is wool warm?"}, {"role": "b", "content": "Yes."}]},
            {"column": "m", "roles": {"she": "user", "b": "assistant"}},
        ),
        (
            {"m": [{"role": "user", "content": "Is wool"}, {"role": "user", "content": "warm?"}]},
            {"column": "m", "merge": True},
        ),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_turns(row: dict[str, Any], written: Any) -> None:
    found = turns(read([row], written))
    merged = isinstance(written, dict) and written.get("merge")
    assert found == [[("user", "Is wool\n\nwarm?")] if merged else TURNS]


def test_parts_are_joined_and_what_is_blank_of_the_user_left_out() -> None:
    rows = [
        {"i": "Make it polite.", "n": "Send it now.", "o": "Please."},
        {"i": "Count.", "o": " "},
    ]
    frame = pl.DataFrame(rows, schema={"i": pl.String, "n": pl.String, "o": pl.String})
    config = mapping({"user": ["i", "n"], "assistant": "o"})
    found = turns(read_conversations(frame, config, "x").messages)
    assert found[0][0] == ("user", "Make it polite.\n\nSend it now.")
    # a blank answer stays, so that a rule can name it
    assert found[1] == [("user", "Count."), ("assistant", " ")]
    nothing = pl.DataFrame({"i": [None], "n": [None], "o": [None]})
    assert turns(read_conversations(nothing, config, "x").messages) == [None]


MESSAGES_AS_THEY_COME: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "assistant", "content": "Hello"}],
    [{"role": "assistant", "content": None, "tool_calls": [{"id": "1", "x": [1, 2.5, None]}]}],
    [{"role": "assistant", "tool_calls": []}],
    [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
    [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": 5}],
    [{"role": "user", "content": ""}, {"content": "nobody"}],
    [{"role": "assistant", "content": "x", "weight": 0, "message.role": 1, "theta": None}],
    [],
]


@pytest.mark.parametrize("row", MESSAGES_AS_THEY_COME)
def test_messages_come_out_as_they_went_in(row: list[dict[str, Any]]) -> None:
    config = mapping("m")
    stored = read([{"m": row}], "m").to_list()[0]
    assert [write_message(turn, config) for turn in stored] == row


def test_other_keys_of_messages_come_out_as_they_went_in() -> None:
    written = {"column": "m", "role": "from", "content": "value", "weight": "train"}
    row = [
        {"from": "human", "value": "a", "role": "x", "content": "y", "weight": 3},
        {"from": "bing", "value": "b", "train": False},
        {"from": "user", "value": "c"},
        {"from": "function_call", "value": "{}"},
    ]
    stored = read([{"m": row}], written).to_list()[0]
    assert [turn["role"] for turn in stored] == ["user", "assistant", "user", "assistant"]
    assert json.loads(stored[1]["extra"])["weight"] is False
    assert [write_message(turn, mapping(written)) for turn in stored] == row


def test_structs_of_arrow_lose_the_keys_that_only_other_turns_have() -> None:
    turns_of_row = [
        {"role": "user", "content": "a", "theta": None, "calls": None},
        {"role": "assistant", "content": None, "theta": None, "calls": [{"x": 1, "y": None}]},
    ]
    frame = pl.DataFrame({"m": [turns_of_row, None]})
    stored = read_conversations(frame, mapping("m"), "x").messages.to_list()
    assert stored[1] is None
    assert [turn["extra"] for turn in stored[0]] == [None, '{"calls":[{"x":1}]}']


def test_structs_of_role_and_content_are_read_as_their_json_is() -> None:
    rows = [[{"role": "human", "content": "a"}, {"role": "moderator", "content": None}], [], None]
    fast = read_conversations(pl.DataFrame({"m": rows}), mapping("m"), "x").messages
    slow = read([{"m": row} for row in rows], "m")
    assert fast.to_list() == slow.to_list()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("hello", "expected a list of messages, got text that is no JSON"),
        ('{"role": "user"}', "expected a list of messages, got an object"),
        ('["hello"]', "expected messages with 'role', got text"),
        (
            '[{"from": "human", "value": "a"}]',
            "they have 'from', 'value': set  messages: {column: m, role: from, content: value}",
        ),
    ],
)
def test_a_record_without_messages_is_told_and_all_of_them_are_an_error(
    value: str, told: str
) -> None:
    good = '[{"role": "user", "content": "a"}]'
    found = read_conversations(pl.DataFrame({"m": [good, value]}), mapping("m"), "x.jsonl")
    assert list(found.wrong) == [1]
    assert told in found.wrong[1]
    with pytest.raises(SourceError) as error:
        read_conversations(pl.DataFrame({"m": [value, None]}), mapping("m"), "x.jsonl")
    later = pl.DataFrame({"m": [value]})
    assert read_conversations(later, mapping("m"), "x.jsonl", begins=False).wrong
    assert str(error.value).startswith("x.jsonl: column 'm': ")
    assert told in str(error.value)


def test_views_are_of_user_and_assistant_and_null_where_nobody_spoke() -> None:
    row = [("system", "s"), ("user", "u1"), ("assistant", "a1"), ("tool", "t"), ("user", "u2")]
    stored = read([{"m": [{"role": r, "content": c} for r, c in row]}, {"m": []}, {"m": None}], "m")
    found = with_views(stored.alias("messages").to_frame(), VIEWS).drop("messages")
    empty = pl.Schema({"messages": MESSAGES})
    assert {**empty, **found.schema} == schema_with_views(empty, VIEWS)
    assert {name.removeprefix("messages."): v for name, v in found.row(0, named=True).items()} == {
        "all": "u1\n\na1\n\nu2", "user": "u1\n\nu2", "assistant": "a1", "system": "s", "tool": "t",
        "first_user": "u1", "last_user": "u2", "last_assistant": "a1",
        "turns": 4, "answers": 1, "chars": 8,
    }  # fmt: skip
    assert found.row(1) == (None,) * 8 + (0, 0, 0)
    assert found.row(2) == (None,) * 11


def test_repairs_drop_questions_without_answer_and_the_system() -> None:
    rows: list[list[tuple[str, str]]] = [
        [("system", "s"), ("user", "u"), ("assistant", "a"), ("user", "v"), ("user", "w")],
        [("user", "u")],
        [("user", "u"), ("assistant", "a")],
        [],
    ]
    stored = read([{"m": [{"role": r, "content": c} for r, c in row]} for row in rows], "m")
    repairs = MessageRepairs(drop_last="user", drop_system=True)
    assert turns(repair_conversations(stored, repairs)) == [rows[0][1:3], [], rows[2], []]


def make_recipe(source: dict[str, Any], **more: Any) -> Any:
    raw = {
        "name": "chat",
        "output": "out",
        "source": {"files": {"paths": ["x.jsonl"], **source}},
        "signals": {"some": {"length": {"min": 1}}},
        "keep": "some",
    }
    return restore_recipe(raw | more, folder=Path.cwd(), path=Path("r.yaml")).recipe


def test_text_is_made_unless_it_is_named_and_columns_of_these_names_step_aside() -> None:
    data = pl.DataFrame(
        {"chat": [[{"role": r, "content": c} for r, c in TURNS]], "text": ["mine"], "n": [1]}
    )
    made = frame_source(data, make_recipe({"messages": "chat"})).frame()
    assert made["text"].to_list() == ["Is wool warm?\n\nYes."]
    assert made["source_column_text"].to_list() == ["mine"]
    named = frame_source(data, make_recipe({"messages": "chat", "text": "text"})).frame()
    assert named["text"].to_list() == ["mine"]
    assert named["messages"].dtype == MESSAGES
    first = {"column": "chat", "text": "last_assistant"}
    assert frame_source(data, make_recipe({"messages": first})).frame()["text"].item() == "Yes."


def test_a_wrong_column_and_a_wrong_mapping_are_one_line() -> None:
    data = pl.DataFrame({"chat": ["x"], "n": [1]})
    with pytest.raises(SourceError, match=r"no column 'chats' \(messages\); it has chat, n"):
        frame_source(data, make_recipe({"messages": "chats"}))
    with pytest.raises(SourceError, match="column 'n' holds Int64; expected a list of messages"):
        frame_source(data, make_recipe({"messages": "n"}))
    for written, told in (
        ({"user": "q"}, "'assistant' is missing"),
        ({"column": "a", "user": "b"}, "expected one of: a column of messages"),
        ({"user": "q", "assistant": "a", "role": "from"}, "'role' is a key of messages"),
        ({"column": "a", "rolle": "from"}, "unknown key"),
    ):
        with pytest.raises(RecipeError, match=told):
            make_recipe({"messages": written})


def test_a_record_without_messages_is_unreadable(tmp_path: Path) -> None:
    from siftset.pipeline.sources import open_sources

    lines = ['{"m": [{"role": "user", "content": "a"}]}', '{"m": "hello"}', '{"m": null}']
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    [batch] = open_sources(make_recipe({"messages": "m"}), tmp_path).read_batches()
    assert batch.frame["source"].struct.field("record").to_list() == [0, 2]
    assert batch.unreadable["reason"].to_list() == [
        "column 'm': expected a list of messages, got text that is no JSON"
    ]
    assert batch.unreadable["source"].struct.field("record").to_list() == [1]


def test_a_path_may_lead_to_the_messages() -> None:
    chat = {"chat": {"turns": [{"role": r, "content": c} for r, c in TURNS]}}
    found = frame_source(pl.DataFrame([chat]), make_recipe({"messages": "chat.turns"})).frame()
    assert turns(found["messages"]) == [TURNS]
    texts = pl.DataFrame({"chat": [json.dumps(chat["chat"])]})
    found = frame_source(texts, make_recipe({"messages": "chat.turns"})).frame()
    assert turns(found["messages"]) == [TURNS]
    pair = pl.DataFrame([{"x": {"q": "Is wool warm?", "a": "Yes."}}])
    config = make_recipe({"messages": {"user": "x.q", "assistant": "x.a"}})
    assert turns(frame_source(pair, config).frame()["messages"]) == [TURNS]
