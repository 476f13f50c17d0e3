"""Rules for conversations: what a chat template, or a reader, would stumble over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

from siftset.pipeline.gate.row_rules import RowRule
from siftset.schemas.conversations import COLUMN, view
from siftset.schemas.recipe.integrity import MessageReason, MessageRules
from siftset.schemas.recipe.messages import ROLES

CONTROL_TOKEN: Final = r"<\|[^|<>\s]{1,60}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</s>"
"""What chat templates put between turns: in a content it forges a turn."""


def make_message_rules(config: MessageRules) -> tuple[RowRule, ...]:
    """Return the rules that are switched on; each is false, never null, where it is silent.

    A conversation without turns fails `no_turns` alone.
    """
    return tuple(
        RowRule(COLUMN, reason, config.action_of(reason), reason, failing.fill_null(False))
        for reason, failing in _failing(config)
    )


def _failing(config: MessageRules) -> Iterator[tuple[MessageReason, pl.Expr]]:
    talk = pl.col(COLUMN)
    turn = pl.element().struct
    role, content, extra = turn.field("role"), turn.field("content"), turn.field("extra")
    given = extra.str.json_path_match("$.content")
    any_turn: dict[MessageReason, pl.Expr] = {
        "unknown_role": ~role.is_in(list(ROLES)).fill_null(False),
        # parts that are no text are another reason
        "blank_turn": (content.fill_null("").str.strip_chars() == "")
        & ~_holds_calls(extra)
        & given.is_null(),
        "not_alternating": _is_out_of_turn(role),
        "not_text": content.is_null() & given.is_not_null(),
        "control_token": content.str.contains(CONTROL_TOKEN),
        "bad_weight": ~extra.str.json_path_match("$.weight").is_in(
            ["0", "1", "0.0", "1.0", "true", "false"]
        ),
    }
    if config.no_turns:
        yield "no_turns", talk.is_null() | (talk.list.len() == 0)
    for reason, failing in any_turn.items():
        if getattr(config, reason):
            found = talk.list.eval(failing.fill_null(False).any()).list.first()
            yield reason, found
    if config.last_not_answer:
        last = talk.list.last().struct
        yield "last_not_answer", last.field("role").ne_missing("assistant") & (talk.list.len() > 0)
    if config.tool_call_unmatched:
        yield "tool_call_unmatched", talk.map_batches(_find_unmatched, return_dtype=pl.Boolean)
    if config.starts_with is not None:
        spoken = talk.list.eval(role.filter(role != "system")).list.first()
        yield "first_not_user", spoken != config.starts_with
    limits: dict[MessageReason, tuple[int | None, Callable[[int], pl.Expr]]] = {
        "min_turns": (config.min_turns, lambda least: view("turns") < least),
        "max_turns": (config.max_turns, lambda most: view("turns") > most),
        "max_chars": (config.max_chars, lambda most: view("chars") > most),
    }
    for reason, (limit, beyond) in limits.items():
        if limit is not None:
            yield reason, beyond(limit) & (talk.list.len() > 0)


def _holds_calls(extra: pl.Expr) -> pl.Expr:
    calls = extra.str.json_path_match("$.tool_calls")
    older = extra.str.json_path_match("$.function_call")
    return (calls.is_not_null() & (calls != "[]")).fill_null(False) | older.is_not_null()


def _is_out_of_turn(written: pl.Expr) -> pl.Expr:
    """Mark a turn that must not follow the one before it; unknown roles are another reason."""
    role = written.fill_null("")
    before = role.shift(1, fill_value="system")  # whoever may follow the system may begin
    fits = (
        ((role == "system") & (role.cum_count() == 1))
        | ((role == "user") & before.is_in(["system", "assistant"]))
        | ((role == "assistant") & before.is_in(["system", "user", "tool"]))
        | ((role == "tool") & before.is_in(["assistant", "tool"]))
    )
    return role.is_in(list(ROLES)) & before.is_in(list(ROLES)) & ~fits


def _find_unmatched(messages: pl.Series) -> pl.Series:
    """Mark conversations whose tool calls and tool turns have other ids, or arguments no JSON.

    Turns are parsed only where any has more than a role and a content.
    """
    extras = messages.list.eval(pl.element().struct.field("extra").drop_nulls())
    rows = (extras.list.len() > 0).fill_null(False).arg_true()
    found = pl.Series(messages.name, [False] * len(messages), dtype=pl.Boolean)
    wrong = [_is_unmatched(row) for row in extras.gather(rows).to_list()]
    return found.scatter(rows, wrong) if wrong else found


def _is_unmatched(extras: Sequence[str]) -> bool:
    called: set[object] = set()
    answered: set[object] = set()
    for text in extras:
        extra: Mapping[str, Any] = json.loads(text)
        if extra.get("tool_call_id") is not None:
            answered.add(extra["tool_call_id"])
        calls = extra.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if not isinstance(call, dict):
                return True
            if call.get("id") is not None:
                called.add(call["id"])
            inner = call.get("function", call)
            arguments = inner.get("arguments") if isinstance(inner, dict) else None
            if isinstance(arguments, str) and not _is_json(arguments):
                return True
    return called != answered


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
