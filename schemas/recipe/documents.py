"""Recipe documents: YAML 1.2, TOML or JSON text to plain values, and the line of every key."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from siftset.schemas.errors import RecipeError

ENDINGS: Final = (".yaml", ".yml", ".toml", ".json")
MAX_DEPTH: Final = 100
MAX_VALUES: Final = 100_000
"""More values than this come from aliases of aliases, not from a person."""

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a recipe file."""

    content: dict[str, JsonValue]
    path: Path
    text: str

    def line(self, place: Place) -> int | None:
        """Return the line, from 1, of a key, or None where it is not known."""
        if self.path.suffix.lower() == ".toml":
            return None
        from siftset.schemas.recipe.yaml_text import key_lines

        return key_lines(self.text).get(place)


def parse_document(text: str, path: Path) -> Document:
    """Parse a recipe file's text by the ending of `path`; raise RecipeError."""
    content: object
    try:
        match path.suffix.lower():
            case ".toml":
                content = tomllib.loads(text)
            case ".json":
                content = json.loads(text, object_pairs_hook=_unique_keys)
            case _:
                from siftset.schemas.recipe.yaml_text import read_yaml

                content = read_yaml(text, path)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(f"recipe {path}: not valid: {reason}") from None
    if not isinstance(content, dict):
        kinds = {list: "a list", str: "a text", type(None): "nothing (the file is empty)"}
        raise RecipeError(
            f"recipe {path}: expected a mapping of keys such as name, source and keep; "
            f"got {kinds.get(type(content), 'a single value')}"
        )
    return Document(copy_plain(content, path), path, text)


def parse_value(text: str) -> JsonValue:
    """Parse one YAML value, as in `--set key=value`; raise RecipeError."""
    from siftset.schemas.recipe.yaml_text import read_value

    try:
        value: JsonValue = copy_plain(read_value(text), Path("--set"))
    except ValueError:
        raise RecipeError(f"--set: '{text}' is not a YAML value; quote it") from None
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' is given twice; keep one")
        found[key] = value
    return found


def copy_plain(value: Any, path: Path) -> Any:  # noqa: ANN401  YAML to JSON values
    """Copy a parsed value, so that nothing is shared, with keys as text."""
    left = [MAX_VALUES]
    within: list[int] = []
    """The values around the one that is copied, by identity."""

    def copy(node: Any) -> Any:  # noqa: ANN401
        left[0] -= 1
        if left[0] < 0:
            raise RecipeError(f"recipe {path}: more than {MAX_VALUES:,} values; not a recipe")
        if isinstance(node, dict | list | tuple):
            if id(node) in within or len(within) >= MAX_DEPTH:
                what = "holds itself (an alias inside its own anchor)"
                deep = f"is nested more than {MAX_DEPTH} deep"
                raise RecipeError(
                    f"recipe {path}: a value {what if id(node) in within else deep}; not a recipe"
                )
            within.append(id(node))
            found: Any = (
                {_key_text(key, path): copy(item) for key, item in node.items()}
                if isinstance(node, dict)
                else [copy(item) for item in node]
            )
            within.pop()
            return found
        return node if node is None or isinstance(node, str | int | float) else str(node)

    try:
        return copy(value)
    except RecursionError:
        raise RecipeError(
            f"recipe {path}: a value holds itself (by an anchor and an alias), or nests too deep"
        ) from None


def _key_text(key: object, path: Path) -> str:
    if isinstance(key, str | int | float):
        return str(key)
    raise RecipeError(f"recipe {path}: the key {key!r} is not text; quote it")
