"""`--set a.b=c`: one value of a recipe replaced from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.documents import Place, parse_value

PATHS: Final = frozenset(
    {
        ("output",),
        ("source", "files", "paths"),
        ("source", "files", "root"),
        ("source", "delta", "path"),
        ("integrity", "reference"),
        ("integrity", "held_out"),
        ("select", "near"),
        ("compare", "golden"),
    }
)
"""Keys that hold a path."""

NAMES_OR_PATHS: Final = frozenset(
    {
        ("source", "synthesize", "lexicon"),
        ("integrity", "suite"),
        ("integrity", "input_suite"),
        ("compare", "positive"),
        ("compare", "negative"),
        ("compare", "prompts_file"),
        ("compare", "general"),
    }
)
"""Keys that hold a shipped name, or a path, which has a slash or an ending."""


def apply_override(content: dict[str, JsonValue], override: str, *, folder: Path) -> None:
    """Set one value in place; relative paths in it become relative to `folder`."""
    key, given, text = override.partition("=")
    parts = key.strip().split(".")
    if not given or not all(parts):
        raise RecipeError(f"--set {override}: expected key=value, such as train.epochs=3")
    value = _make_absolute(parse_value(text), tuple(parts), folder)
    target: JsonValue = content
    for part in parts[:-1]:
        if isinstance(target, list):
            target = target[_list_index(target, part, override)]
        elif isinstance(target, dict):
            if target.get(part) is None:
                target[part] = {}
            target = target[part]
    if not isinstance(target, dict | list):
        raise RecipeError(
            f"--set {override}: '{'.'.join(parts[:-1])}' holds a single value, no keys"
        )
    if isinstance(target, list):
        target[_list_index(target, parts[-1], override)] = value
    else:
        target[parts[-1]] = value


def _list_index(items: list[JsonValue], part: str, override: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        raise RecipeError(
            f"--set {override}: '{part}' is not a position in a list of {len(items)} "
            f"(they count from 0)"
        )
    return int(part)


def _make_absolute(value: JsonValue, place: Place, folder: Path) -> JsonValue:
    if isinstance(value, dict):
        return {key: _make_absolute(item, (*place, key), folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_make_absolute(item, place, folder) for item in value]
    if not isinstance(value, str):
        return value
    where = tuple(part for part in place if not str(part).isdecimal())
    known = where in PATHS or (where in NAMES_OR_PATHS and ("/" in value or "." in value))
    if not known or "://" in value or value.startswith(("~", "$")):
        return value
    return str(folder / value)
