"""Conversations as they are stored in the column `messages`, and what can be read off them.

A conversation is a list of turns. `extra` is the JSON text of every key of a message other than its
role and content (tool calls, weight, name), null where there is none: a struct of all keys would
give each turn the keys of all others, as nulls that chat templates print. Where `role` or `content`
say something else than the message did, `extra` has what it said under these names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import polars as pl

from siftset.schemas.paths import find_path, resolve_path
from siftset.schemas.recipe.messages import Role

COLUMN: Final = "messages"
MESSAGES: Final = pl.List(pl.Struct({"role": pl.String, "content": pl.String, "extra": pl.String}))
"""The type of the column."""

NO_CONTENT: Final = "_no_content"
"""The key of `extra` that marks a message which had no content at all, not even null."""

BETWEEN: Final = "\n\n"
"""What stands between turns that are shown as one text."""


def _join_contents(*roles: Role) -> pl.Expr:
    """Return the contents of the turns of some roles as one text, null where there is none."""
    found = _contents(*roles)
    return pl.when(found.list.len() > 0).then(found.list.join(BETWEEN))


def _contents(*roles: Role) -> pl.Expr:
    turn = pl.element().struct
    given = turn.field("content").filter(
        turn.field("role").is_in(list(roles)) & (turn.field("content") != "")
    )
    return pl.col(COLUMN).list.eval(given)


def _count_turns(*roles: Role) -> pl.Expr:
    met = pl.element().struct.field("role").is_in(list(roles)).sum()
    return pl.col(COLUMN).list.eval(met).list.first().cast(pl.Int64)


def _count_chars() -> pl.Expr:
    lengths = pl.element().struct.field("content").str.len_chars().sum()
    return pl.col(COLUMN).list.eval(lengths).list.first().cast(pl.Int64)


def _count_said() -> pl.Expr:
    said = (pl.element().struct.field("role") != "system").fill_null(True).sum()
    return pl.col(COLUMN).list.eval(said).list.first().cast(pl.Int64)


_VIEWS: Final[dict[str, Callable[[], pl.Expr]]] = {
    "all": lambda: _join_contents("user", "assistant"),
    "user": lambda: _join_contents("user"),
    "assistant": lambda: _join_contents("assistant"),
    "system": lambda: _join_contents("system"),
    "tool": lambda: _join_contents("tool"),
    "first_user": lambda: _contents("user").list.first(),
    "last_user": lambda: _contents("user").list.last(),
    "last_assistant": lambda: _contents("assistant").list.last(),
    "turns": _count_said,
    "answers": lambda: _count_turns("assistant"),
    "chars": _count_chars,
}
"""The columns that are computed where a recipe names them, by what follows `messages.`."""

VIEWS: Final = tuple(f"{COLUMN}.{name}" for name in _VIEWS)
"""All of them, as a recipe writes them."""


def view(name: str) -> pl.Expr:
    """Return a view by its name without `messages.`, as an expression of the conversation."""
    return _VIEWS[name]()


def turns_text() -> pl.Expr:
    """Return who said what as one text, without the system, tool calls and weights.

    White space around a content does not count; null where nobody said anything.
    """
    turn = pl.element().struct
    role = turn.field("role").fill_null("")
    said = pl.concat_str(
        role, turn.field("content").fill_null("").str.strip_chars(), separator="\x1f"
    )
    turns = pl.col(COLUMN).list.eval(said.filter(role != "system"))
    return pl.when(turns.list.len() > 0).then(turns.list.join("\x1e"))


def shown_turns() -> pl.Expr:
    """Return a conversation as people read it: a line a turn, with its role.

    A turn without a content shows what else it holds, such as the call of a tool.
    """
    turn = pl.element().struct
    said = pl.coalesce(turn.field("content"), turn.field("extra"), pl.lit(""))
    line = pl.concat_str(turn.field("role").fill_null("?"), said, separator=": ")
    return pl.col(COLUMN).list.eval(line).list.join("\n")


def prompt_text() -> pl.Expr:
    """Return who said what before the last answer as one text, null where nobody said anything."""
    turn = pl.element().struct
    role = turn.field("role").fill_null("")
    said = pl.concat_str(role, turn.field("content").fill_null(""), separator="\x1f")
    turns = pl.col(COLUMN).list.eval(said.filter(role != "system"))
    answered = turns.list.last().str.starts_with("assistant\x1f")
    asked = pl.when(answered).then(turns.list.head(turns.list.len() - 1)).otherwise(turns)
    return pl.when(asked.list.len() > 0).then(asked.list.join("\x1e"))


def find_column(name: str, schema: Mapping[str, pl.DataType]) -> pl.Expr | None:
    """Return what a name stands for: a column, a view of the conversation, or a path into a column.

    None where it is nothing of the three.
    """
    if name in VIEWS and name not in schema and schema.get(COLUMN) == MESSAGES:
        return view(name.removeprefix(f"{COLUMN}."))
    path = find_path(name, schema)
    part = None if path is None else resolve_path(path, schema)
    return None if part is None else part.expr


def with_views(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Return the frame with those of the `columns` that are views or paths and not there yet."""
    schema = frame.schema
    found = {name: find_column(name, schema) for name in columns if name not in schema}
    made = [expr.alias(name) for name, expr in found.items() if expr is not None]
    return frame.with_columns(made) if made else frame


def schema_with_views(schema: pl.Schema, columns: Iterable[str]) -> pl.Schema:
    """Return the columns of a frame with those of the `columns` that are views or paths."""
    return with_views(pl.DataFrame(schema=schema), columns).schema


def scan_with_views(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows with all views: those that nobody selects are not computed."""
    schema = rows.collect_schema()
    found = {name: find_column(name, schema) for name in VIEWS if name not in schema}
    return rows.with_columns(e.alias(name) for name, e in found.items() if e is not None)
