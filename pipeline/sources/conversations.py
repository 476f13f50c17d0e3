"""From the columns of a source to conversations in one stored type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from siftset.pipeline.sources.types import Types, fit_columns
from siftset.schemas.conversations import BETWEEN, COLUMN, MESSAGES, NO_CONTENT
from siftset.schemas.errors import SourceError, name_some
from siftset.schemas.recipe.messages import ROLES, Messages
from siftset.schemas.recipe.source import MessageRepairs

_KNOWN_ROLES: Final = {
    **{role: role for role in ROLES},
    "human": "user",
    **dict.fromkeys(("gpt", "chatgpt", "bing", "model", "function_call"), "assistant"),
    **dict.fromkeys(("observation", "function", "function_response", "ipython"), "tool"),
    "developer": "system",
}
_OWN_KEYS: Final = ("role", "content", "weight")
_MOVED: Final = "message."
"""Stands before a key of a message that is none of these three and is called like one of them."""

Turn = dict[str, str | None]


class Conversations(NamedTuple):
    """The conversations of some records, and which records hold none, with the reason."""

    messages: pl.Series
    wrong: dict[int, str]


def conversation_columns(config: Messages) -> tuple[str, ...]:
    """Return the columns of the source that conversations are made of."""
    if config.column is not None:
        return (config.column,)
    groups = (config.columns, config.system, config.user, config.assistant)
    return tuple(dict.fromkeys(name for group in groups for name in group or ()))


def check_columns(config: Messages, types: Types, file: str) -> None:
    """Raise SourceError where a column is missing or cannot hold a conversation."""
    for name in conversation_columns(config):
        if name not in types:
            raise SourceError(
                f"{file}: no column '{name}' (messages); it has {name_some(types)}: "
                "name another one as 'messages' in the source"
            )
        dtype = types[name]
        is_list = isinstance(dtype, pl.List)
        if config.form != "turns" and dtype not in (pl.String, pl.Null) and not is_list:
            raise SourceError(
                f"{file}: column '{name}' holds {dtype}; expected a list of messages: name another "
                "one as 'messages' in the source"
            )


def role_name(config: Messages, written: object) -> str | None:
    """Return the role that a source's name stands for; an unknown name stays as it is."""
    if not isinstance(written, str):
        return None
    return config.roles.get(written) or _KNOWN_ROLES.get(written, written)


def original_role(config: Messages, role: str | None) -> str | None:
    """Return how the source writes a role, unless `extra` says otherwise."""
    for written, meant in config.roles.items():
        if meant == role:
            return written
    if config.role != "from":
        return role
    return {"user": "human", "assistant": "gpt", "tool": "observation"}.get(role or "", role)


def read_conversations(
    frame: pl.DataFrame, config: Messages, file: str, *, begins: bool = True
) -> Conversations:
    """Return the conversation of every record of a frame of the source's columns.

    A record whose value is no list of messages is told apart. Where the frame `begins` the file
    and holds nothing else, the recipe is wrong: raises SourceError.
    """
    if config.form == "turns":
        return Conversations(_turns_of_columns(frame, config), {})
    if config.column is not None:
        values = frame[config.column]
        if _is_plain(values.dtype, config) and not config.merge:
            return Conversations(_with_extra(values), {})
        rows: Iterable[tuple[object, ...]] = zip(_values_of(values), strict=True)
        names: Sequence[str] = (config.column,)
    else:
        names = config.columns or ()
        rows = zip(*(_values_of(frame[name]) for name in names), strict=True)
    found: list[list[Turn] | None] = []
    wrong: dict[int, str] = {}
    for at, row in enumerate(rows):
        try:
            found.append(_read_row(row, config))
        except ValueError as error:
            found.append(None)
            wrong[at] = f"column '{', '.join(names)}': {error}"
    given = sum(turns is not None for turns in found) + len(wrong)
    if begins and wrong and len(wrong) == given:
        raise SourceError(f"{file}: {next(iter(wrong.values()))}")
    return Conversations(pl.Series(COLUMN, found, dtype=MESSAGES), wrong)


_PLAIN: Final = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


def _is_plain(dtype: pl.DataType, config: Messages) -> bool:
    """Tell whether messages have just a role and a text, under our names, so that none is parsed.

    Roles are not looked at: an unknown one stays, and the renamed ones are few.
    """
    return dtype == _PLAIN and not config.roles and (config.role, config.content) == _OWN_KEYS[:2]


def _with_extra(values: pl.Series) -> pl.Series:
    """Add `extra` to messages that have none, and call roles as we do."""
    role = pl.element().struct.field("role")
    ours = role.replace(_KNOWN_ROLES)
    renamed = pl.concat_str(pl.lit('{"role":"'), role, pl.lit('"}'))
    turn = pl.struct(
        role=ours,
        content=pl.element().struct.field("content"),
        extra=pl.when(ours != role).then(renamed),
    )
    each = pl.col(COLUMN).list.eval(turn)
    return values.alias(COLUMN).to_frame().select(each)[COLUMN].cast(MESSAGES)


def _values_of(values: pl.Series) -> Iterable[object]:
    if values.dtype == pl.String or values.dtype == pl.Null:
        return values
    return (None if row is None else _without_nulls(row) for row in values.to_list())


def _without_nulls(value: Any) -> Any:  # noqa: ANN401  plain values of a row
    """Drop keys that are null: Arrow gives every struct of a list the keys of all others."""
    if isinstance(value, dict):
        return {
            key: _without_nulls(item)
            for key, item in value.items()
            if item is not None or key == "content"
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _read_row(row: Sequence[object], config: Messages) -> list[Turn] | None:
    if config.column is not None:
        turns = _read_list(row[0], config)
        return turns if turns is None or not config.merge else _merge_turns(turns)
    found: list[Turn] = []
    given = False
    for at, value in enumerate(row):
        is_list = not isinstance(value, str) or value.lstrip().startswith(("[{", "[ {"))
        turns = _read_list(value, config) if is_list else None
        given |= value is not None
        if turns is not None:
            found += turns
        elif isinstance(value, str) and (value.strip() or at == len(row) - 1):
            role = "assistant" if at == len(row) - 1 else "user"
            found.append({"role": role, "content": value, "extra": None})
    if not given:
        return None
    return _merge_turns(found) if config.merge else found


def _read_list(value: object, config: Messages) -> list[Turn] | None:
    """Read a list of messages, or its JSON text; raise ValueError for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("expected a list of messages, got text that is no JSON") from None
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f"expected a list of messages, got {_kind_of(value)}")
    turns = []
    for item in value:
        if not isinstance(item, dict):
            raise ValueError(f"expected messages with '{config.role}', got {_kind_of(item)}")
        turns.append(_read_message(item, config))
    keys = dict.fromkeys(key for item in value for key in item)
    if value and config.role not in keys and config.content not in keys:
        hint = ""
        if {"from", "value"} <= set(keys) and config.column is not None:
            hint = f": set  messages: {{column: {config.column}, role: from, content: value}}"
        raise ValueError(
            f"no message has the key '{config.role}' or '{config.content}'; "
            f"they have {', '.join(map(repr, keys)) or 'none'}{hint}"
        )
    return turns


def _read_message(item: Mapping[str, Any], config: Messages) -> Turn:
    written, said = item.get(config.role), item.get(config.content)
    role = role_name(config, written)
    extra: dict[str, Any] = {}
    for key, value in item.items():
        if key == config.weight:
            extra["weight"] = value
        elif key not in (config.role, config.content):
            taken = key in _OWN_KEYS or key.startswith(_MOVED)
            extra[_MOVED + key if taken else key] = value
    if written != original_role(config, role):
        extra["role"] = written
    content = said if isinstance(said, str) else _join_parts(said)
    if content != said:
        extra["content"] = said
    elif config.content not in item:
        extra[NO_CONTENT] = True
    return {"role": role, "content": content, "extra": _dump(extra) if extra else None}


def write_message(turn: Mapping[str, str | None], config: Messages) -> dict[str, Any]:
    """Return a message as the source had it: the reverse of reading."""
    extra: dict[str, Any] = json.loads(turn["extra"] or "{}")
    role = extra.pop("role", original_role(config, turn["role"]))
    written: dict[str, Any] = {} if role is None else {config.role: role}
    if not extra.pop(NO_CONTENT, False):
        written[config.content] = extra.pop("content", turn["content"])
    if "weight" in extra and config.weight != "weight":
        extra = {config.weight if key == "weight" else key: v for key, v in extra.items()}
    return written | {key.removeprefix(_MOVED): value for key, value in extra.items()}


def _join_parts(said: object) -> str | None:
    """Return the text of content that is given in parts, None where any part is no text."""
    if not isinstance(said, list):
        return None
    texts = []
    for part in said:
        text = part if isinstance(part, str) else None
        if isinstance(part, dict) and part.get("type", "text") == "text":
            text = part.get("text")
        if not isinstance(text, str):
            return None
        texts.append(text)
    return "\n".join(texts) if texts else None


def _merge_turns(turns: Sequence[Turn]) -> list[Turn]:
    """Make one turn of neighbours of one role that have a role and a text alone."""
    merged: list[Turn] = []
    for turn in turns:
        last = merged[-1] if merged else None
        if last is not None and last["role"] == turn["role"] and not last["extra"]:
            texts = [text for text in (last["content"], turn["content"]) if text]
            if not turn["extra"]:
                merged[-1] = {**last, "content": BETWEEN.join(texts)}
                continue
        merged.append(turn)
    return merged


def repair_conversations(messages: pl.Series, repairs: MessageRepairs) -> pl.Series:
    """Apply what `prepare.messages` says to conversations; one may be left without turns."""
    role = pl.element().struct.field("role")
    turns = pl.col(COLUMN)
    if repairs.drop_system:
        turns = turns.list.eval(pl.element().filter(role.ne_missing("system")))
    if repairs.drop_last is not None:
        at_end = role.eq_missing(repairs.drop_last).reverse().cast(pl.Int8).cum_prod().reverse()
        turns = turns.list.eval(pl.element().filter(at_end == 0))
    return messages.alias(COLUMN).to_frame().select(turns)[COLUMN]


def _turns_of_columns(frame: pl.DataFrame, config: Messages) -> pl.Series:
    """Return a turn for each role of the mapping; a blank system is left out."""
    groups = {"system": config.system, "user": config.user, "assistant": config.assistant}
    named = {role: group for role, group in groups.items() if group is not None}
    wanted = {name: pl.String() for group in named.values() for name in group}
    texts = fit_columns(frame, wanted)
    turns, given = [], pl.lit(False)
    for role, group in named.items():
        parts = [pl.when(pl.col(n).str.strip_chars() != "").then(pl.col(n)) for n in group]
        joined = pl.concat_str(parts, separator=BETWEEN, ignore_nulls=True)
        # what is there although it is blank stays as it is, for the rule about blank turns
        content = pl.when(joined != "").then(joined).otherwise(pl.col(group[-1]))
        turn = pl.struct(role=pl.lit(role), content=content, extra=pl.lit(None, pl.String))
        turns.append(pl.when(joined != "").then(turn) if role == "system" else turn)
        if role != "system":
            given = given | pl.any_horizontal(pl.col(list(group)).is_not_null())
    both = pl.concat_list(turns).list.drop_nulls()
    return texts.select(pl.when(given).then(both).cast(MESSAGES).alias(COLUMN))[COLUMN]


def _kind_of(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), "null" if value is None else "a number")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
