"""The rows of a set in the shape that other programs read: chat formats, or as they came in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.commands.export_values import json_value
from siftset.pipeline.sources.conversations import write_message
from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import OutputError
from siftset.schemas.paths import find_path, may_be_path
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.recipe.messages import Messages
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.source import Columns, Synthesize
from siftset.schemas.results.columns import OWN_COLUMNS

Shape = Literal["table", "same", "openai", "sharegpt", "trl", "alpaca", "text"]
SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)

_OPENAI: Final = Messages(column=COLUMN)
_SHAREGPT: Final = Messages(column="conversations", role="from", content="value")
_MOVED: Final = "source_column_"

Row = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class SourceColumns:
    """How the columns of a set were called in its source, in order."""

    names: Mapping[str, str]
    """Name in the source by the stored name; columns that are made by siftset are not there."""
    messages: Messages | None = None
    """How the source writes a conversation, where it has a column of them."""
    json_columns: frozenset[str] = frozenset()
    """Columns whose texts are the JSON text of lists and objects."""


def check_shape(rows: pl.LazyFrame, shape: Shape, recipe: Recipe) -> None:
    """Raise OutputError where a set cannot be written in a shape."""
    schema = rows.collect_schema()
    if shape in ("openai", "sharegpt", "trl", "alpaca") and schema.get(COLUMN) != MESSAGES:
        raise OutputError(
            f"--as {shape} writes conversations, and the set of '{recipe.name}' has none: name "
            "their column as 'messages' in the source, or export it as a table"
        )
    if shape == "alpaca":
        role = pl.element().struct.field("role")
        said = pl.col(COLUMN).list.eval(role.filter(role != "system")).list.join(" ")
        several = int(rows.select((said != "user assistant").sum()).collect().item() or 0)
        if several:
            raise OutputError(
                "--as alpaca writes one question and one answer a row, and "
                f"{format_count(several, 'row')} {conjugate(several, 'hold')} another number of "
                "turns: export them --as openai or sharegpt"
            )


def source_columns(recipe: Recipe, rows: pl.LazyFrame) -> SourceColumns:
    """Return how the columns of a set were called in its source.

    Raises OutputError where its sources call them differently.
    """
    configs = [source.config for source in recipe.source]
    given = [config for config in configs if isinstance(config, Columns)]
    maps = {(c.text, c.label, c.id, c.makes_text, repr(c.messages)) for c in given}
    if len(maps) > 1 or len(given) < len(configs) > 1:
        raise OutputError(
            "--as same: the sources of the recipe have different columns: export a table"
        )
    schema = rows.collect_schema()
    if isinstance(configs[0], Synthesize):
        return SourceColumns({name: name for name in schema if name not in OWN_COLUMNS})
    config = given[0]
    talk = config.messages
    mapped: dict[str, str | None] = {"text": None if config.makes_text else config.text}
    mapped |= {new: old for new, old in (("label", config.label), ("id", config.id)) if old}
    if talk is not None:
        mapped |= {COLUMN: talk.column} | ({"tools": talk.tools} if talk.tools else {})
    found: dict[str, str] = {}
    for stored in schema:
        name = recipe.prepare.columns.get(stored, stored)
        written = mapped.get(name, name.removeprefix(_MOVED))
        if stored in OWN_COLUMNS or written is None:
            continue
        path = find_path(written, schema) if may_be_path(written) else None
        if path is None or not path.steps:  # else the column that the path leads into is there
            found[stored] = written
    texts = [name for name in found if schema[name] == pl.String]
    nests = rows.select(pl.col(name).str.contains(r"^[\[{]").all() for name in texts).collect()
    nested = frozenset(name for name in texts if nests[name].item())
    return SourceColumns(found, talk if COLUMN in found else None, nested)


def write_rows(
    frame: pl.DataFrame, shape: Shape, source: SourceColumns | None = None
) -> Iterator[Row]:
    """Yield rows of a set as another program reads them; `same` needs how the source was."""
    for row in frame.iter_rows(named=True):
        match shape:
            case "same":
                assert source is not None
                yield _write_same(row, source)
            case "openai" | "trl":
                yield {"messages": _write_turns(row, _OPENAI), **_read_tools(row)}
            case "sharegpt":
                yield {"conversations": _write_turns(row, _SHAREGPT), **_read_tools(row)}
            case "alpaca":
                yield _write_exchange(row[COLUMN])
            case _:
                yield {"text": row["text"]}


def _write_same(row: Mapping[str, Any], source: SourceColumns) -> Row:
    """Return a row as it came in; a null counts as absent, as in reading."""
    written: Row = {}
    for stored, name in source.names.items():
        value = row[stored]
        if value is None:
            continue
        if stored == COLUMN and source.messages is not None:
            written[name] = [write_message(turn, source.messages) for turn in value]
        elif stored in source.json_columns:
            written[name] = _parse_own_text(value)
        else:
            written[name] = json_value(value)
    return written


def _parse_own_text(text: str) -> JsonValue:
    """Return the value of JSON text that siftset wrote; any other text stays text."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    ours = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value if ours == text else text


def _write_turns(row: Mapping[str, Any], form: Messages) -> list[JsonValue]:
    """Return the turns in a form; a role is the form's own, whatever the source called it."""
    return [write_message(_without_role(turn), form) for turn in row[COLUMN] or ()]


def _without_role(turn: Mapping[str, str | None]) -> Mapping[str, str | None]:
    extra = json.loads(turn["extra"] or "{}")
    extra.pop("role", None)
    return {**turn, "extra": json.dumps(extra, ensure_ascii=False) if extra else None}


def _read_tools(row: Mapping[str, Any]) -> Row:
    tools = row.get("tools")
    if tools is None:
        return {}
    return {"tools": _parse_own_text(tools) if isinstance(tools, str) else json_value(tools)}


def _write_exchange(turns: Sequence[Mapping[str, str | None]]) -> Row:
    said = {turn["role"]: turn["content"] or "" for turn in turns}
    written: Row = {"instruction": said["user"], "input": "", "output": said["assistant"]}
    return written | ({"system": said["system"]} if "system" in said else {})
