"""Recipe documents: YAML 1.2, TOML or JSON text to plain values, and the line of every key."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from schemas.errors import RecipeError

ENDINGS: Final = (".yaml", ".yml", ".toml", ".json")
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
        try:
            return dict(_lines(_yaml().compose(self.text), ())).get(place)
        except YAMLError:
            return None


class _CoreConstructor(SafeConstructor):
    """YAML's core schema, which has no dates."""


_CoreConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _CoreConstructor
    return yaml


def parse(text: str, path: Path) -> Document:
    """Parse a recipe file's text by the ending of `path`; raise RecipeError."""
    content = _parsed(text, path)
    if not isinstance(content, dict):
        raise RecipeError(
            f"recipe {path}: expected a mapping of keys such as name, source and keep; "
            f"got {_kind(content)}"
        )
    return Document(_plain(content, path), path, text)


def parse_value(text: str) -> JsonValue:
    """Parse one YAML value, as in `--set key=value`; raise RecipeError."""
    try:
        value: JsonValue = _plain(_yaml().load(text), Path("--set"))
    except YAMLError:
        raise RecipeError(f"--set: '{text}' is not a YAML value; quote it") from None
    return value


def _parsed(text: str, path: Path) -> object:
    try:
        match path.suffix.lower():
            case ".toml":
                return tomllib.loads(text)
            case ".json":
                return json.loads(text, object_pairs_hook=_unique)
            case _:
                return _yaml().load(text)
    except DuplicateKeyError as error:
        raise RecipeError(_located(path, error, _duplicate(error))) from None
    except MarkedYAMLError as error:
        raise RecipeError(_located(path, error, f"not valid YAML: {error.problem}")) from None
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecipeError(f"recipe {path}: not valid: {reason}") from None


def _located(path: Path, error: MarkedYAMLError, problem: str) -> str:
    mark = error.problem_mark
    return f"recipe {path}, line {mark.line + 1}: {problem}" if mark else f"{path}: {problem}"


def _duplicate(error: DuplicateKeyError) -> str:
    named = str(error.problem).split('"')
    key = f" '{named[1]}'" if len(named) > 1 else ""
    return f"the key{key} is given twice; keep one"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' is given twice; keep one")
        found[key] = value
    return found


def _plain(value: Any, path: Path) -> Any:  # noqa: ANN401  YAML to JSON values
    """Copy a parsed value, so that nothing is shared, with keys as text."""
    left = [MAX_VALUES]

    def copy(node: Any) -> Any:  # noqa: ANN401
        left[0] -= 1
        if left[0] < 0:
            raise RecipeError(f"recipe {path}: more than {MAX_VALUES:,} values; not a recipe")
        if isinstance(node, dict):
            return {_key(key, path): copy(item) for key, item in node.items()}
        if isinstance(node, list | tuple):
            return [copy(item) for item in node]
        return node if node is None or isinstance(node, str | int | float) else str(node)

    return copy(value)


def _key(key: object, path: Path) -> str:
    if isinstance(key, str | int | float):
        return str(key)
    raise RecipeError(f"recipe {path}: the key {key!r} is not text; quote it")


def _lines(node: Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                inner = (*place, key.value)
                yield inner, key.start_mark.line + 1
                yield from _lines(value, inner)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _lines(item, (*place, index))


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", type(None): "nothing (the file is empty)"}
    return names.get(type(value), "a single value")
