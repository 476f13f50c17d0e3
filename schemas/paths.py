"""Paths into nested columns, such as `review.body`, `messages[-1].content` and `meta["a.b"].c`.

A column may nest by its type (structs and lists), or hold JSON text, as a nested value of
JSON Lines is stored; a path may cross from the one into the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import polars as pl

_STEP: Final = re.compile(
    r"""(?P<name>[^.\[\]"]+)|\.(?P<next>[^.\[\]"]+)|\[(?P<at>-?[0-9]+)\]"""
    r"""|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]"""
)
_SHOWN: Final = 8
"""Keys that a message names."""

Step = str | int
"""The name of a part, or its place in a list; places below 0 count from the end."""


class ColumnPath(NamedTuple):
    """A column, and the way from it to a part of its values."""

    column: str
    steps: tuple[Step, ...]


class Extraction(NamedTuple):
    """How to take what a path leads to."""

    expr: pl.Expr
    dtype: pl.DataType
    is_json: bool
    """Whether the path ends inside JSON text, where every value comes out as text."""


def parse_path(text: str) -> tuple[Step, ...] | None:
    """Return the steps of a path, the first of which is a name; None where it is not one."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (found["name"] is not None) != (at == 0):
            return None
        at = found.end()
        if found["at"] is not None:
            steps.append(int(found["at"]))
        elif found["quoted"] is not None:
            try:
                steps.append(str(json.loads(found["quoted"])))
            except ValueError:
                return None
        else:
            steps.append(found["name"] or found["next"])
    return tuple(steps) or None


def may_be_path(name: str) -> bool:
    """Tell whether a name that is no column could be a path into one."""
    return ("." in name or "[" in name) and parse_path(name) is not None


def find_path(name: str, columns: Collection[str]) -> ColumnPath | None:
    """Return what a name means among columns: one of them, or a path into one; None for neither.

    The longest beginning that is a column counts, so that names with dots can be gone into too.
    """
    if name in columns:
        return ColumnPath(name, ())
    for end in sorted((m.start() for m in re.finditer(r"[.\[]", name)), reverse=True):
        if name[:end] in columns:
            steps = parse_path("x" + name[end:])
            return None if steps is None else ColumnPath(name[:end], steps[1:])
    return None


def resolve_path(path: ColumnPath, schema: Mapping[str, pl.DataType]) -> Extraction | None:
    """Return how to take what a path leads to; None where the types have no such part."""
    expr, dtype = pl.col(path.column), schema[path.column]
    for at, step in enumerate(path.steps):
        if dtype == pl.String:
            # null where the text is no JSON; objects and lists come out as JSON text
            rest = "".join(map(_json_step, path.steps[at:]))
            if "\\" in rest.replace('\\"', ""):
                return None  # the engine finds no name that holds a backslash
            return Extraction(expr.str.json_path_match(f"${rest}"), pl.String(), is_json=True)
        if isinstance(dtype, pl.Struct) and isinstance(step, str):
            fields = {field.name: field.dtype for field in dtype.fields}
            if step not in fields:
                return None
            expr, inner = expr.struct.field(step), fields[step]
        elif isinstance(dtype, pl.List) and isinstance(step, int):
            expr, inner = expr.list.get(step, null_on_oob=True), dtype.inner
        elif isinstance(dtype, pl.Array) and isinstance(step, int):
            expr, inner = expr.arr.get(step, null_on_oob=True), dtype.inner
        else:
            return None
        dtype = inner if isinstance(inner, pl.DataType) else inner()
    return Extraction(expr, dtype, is_json=False)


def extract_paths(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Add what paths lead to, each under the path's own text; what is not there is left out."""
    found: list[pl.Expr] = []
    for name in names:
        path = find_path(name, frame.columns)
        if path is not None and path.steps:
            part = resolve_path(path, frame.schema)
            found += [] if part is None else [part.expr.alias(name)]
    return frame.with_columns(found) if found else frame


def explain_missing(name: str, values: pl.Series, path: ColumnPath) -> str:
    """Say where a path that leads to nothing ends, and what the values of the column have there."""
    steps = path.steps
    for end in range(1, len(steps) + 1):
        if any(value is not None for value in _values_at(values, steps[:end])):
            continue
        keys: dict[str, None] = {}
        for value in _values_at(values, steps[: end - 1]):
            if isinstance(value, list):
                keys[f"a list of {len(value)}"] = None
            elif isinstance(value, dict):
                keys |= dict.fromkeys(key for key, one in value.items() if one is not None)
        before = path.column + "".join(map(_step_text, steps[: end - 1]))
        here = steps[end - 1]
        shown = f"'{here}'" if isinstance(here, str) else f"[{here}]"
        return f"no {shown} in '{before}' ({name}); it has {_list_keys(keys) or 'no parts'}"
    return f"no value at '{path.column}{''.join(map(_step_text, steps))}' ({name})"


def explain_nested(values: pl.Series, path: ColumnPath) -> str | None:
    """Say what a path should go on with where it leads to objects or lists; None where it ends."""
    for value in _values_at(values, path.steps):
        if isinstance(value, dict):
            ways = [_step_text(key) for key in value]
            shown = f"{', '.join(ways[: _SHOWN - 1])} or {ways[-1]}" if ways[1:] else "".join(ways)
            return f"an object, expected text: go on with {shown}"
        if isinstance(value, list):
            return "a list, expected text: go on with [0]"
    return None


def _values_at(values: pl.Series, steps: tuple[Step, ...]) -> Iterator[Any]:
    """Yield what each value has at the end of the steps; JSON text counts as what it says."""
    for value in values:
        found = _plain_value(value)
        for step in steps:
            if isinstance(found, dict) and isinstance(step, str):
                found = found.get(step)
            elif isinstance(found, list) and isinstance(step, int):
                found = found[step] if -len(found) <= step < len(found) else None
            else:
                found = None
            found = _plain_value(found)
        yield found


def _plain_value(value: Any) -> Any:  # noqa: ANN401  parsed JSON
    if isinstance(value, pl.Series):
        return value.to_list()
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _json_step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    quoted = step.replace('"', '\\"')
    return f'["{quoted}"]'


def _step_text(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if re.fullmatch(r'[^.\[\]"]+', step) else f"[{json.dumps(step)}]"


def _list_keys(keys: Collection[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(list(keys)[:_SHOWN]) + more
