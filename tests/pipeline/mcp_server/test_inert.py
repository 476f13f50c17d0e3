from __future__ import annotations

import json

import pytest

from siftset.pipeline.mcp_server.inert import ENTRIES, TEXT, TOTAL, escape_text, make_inert


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本", "plain é 日本"),
        ("a\nb\tc\x1b[31m", "a\\nb\\x09c\\x1b[31m"),
        ("\u202eevil\u200b", "\\u202eevil\\u200b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_does_not_show_is_escaped(text: str, shown: str) -> None:
    assert escape_text(text) == shown
    assert make_inert({text: text}) == {shown: shown}


def test_an_answer_is_bounded_whatever_the_data() -> None:
    row = {"text": "x" * 10_000, "more": ["y" * 10_000] * 500, "n": 1.5, "none": None}
    told = make_inert({"rows": {str(i): row for i in range(200)}, "list": list(range(999))})
    assert len(json.dumps(told)) < TOTAL + 10_000
    assert len(told["rows"]["0"]["text"]) == TEXT + 1
    assert told["rows"]["0"]["more"][-1] == f"(and {500 - ENTRIES} more)"
    assert (told["rows"]["0"]["n"], told["rows"]["0"]["none"]) == (1.5, None)
    assert told["rows"]["(left out)"] == 200 - (len(told["rows"]) - 1)
    assert told["(left out)"] == 1
    deep: object = "x"
    for _ in range(60):
        deep = {"a": deep, "b": [deep]} if _ < 12 else {"a": deep}
    assert len(json.dumps(make_inert({"deep": deep}))) < 3 * TOTAL
    assert make_inert({"list": list(range(99))})["list"][-1] == f"(and {99 - ENTRIES} more)"
