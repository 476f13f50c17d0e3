"""YAML 1.2 text to plain values, and the line of every key; loaded where there is YAML to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from siftset.schemas.errors import RecipeError

Place = tuple[str | int, ...]


class _CoreConstructor(SafeConstructor):
    """YAML's core schema, which has no dates."""


_CoreConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def read_yaml(text: str, path: Path) -> object:
    """Return what a file's text means; raise RecipeError that names the line."""
    try:
        return _make_parser().load(text)
    except DuplicateKeyError as error:
        named = str(error.problem).split('"')
        key = f" '{named[1]}'" if len(named) > 1 else ""
        problem = f"the key{key} is given twice; keep one"
        raise RecipeError(_locate_error(path, error, problem)) from None
    except MarkedYAMLError as error:
        raise RecipeError(_locate_error(path, error, f"not valid YAML: {error.problem}")) from None
    except YAMLError as error:
        raise ValueError(str(error)) from None


def read_value(text: str) -> object:
    """Return what a value such as that of `--set` means; raise ValueError."""
    try:
        return _make_parser().load(text)
    except YAMLError as error:
        raise ValueError(str(error)) from None


def key_lines(text: str) -> dict[Place, int]:
    """Return the line, from 1, of every key; none of a text that is not YAML."""
    try:
        return dict(_key_lines(_make_parser().compose(text), ()))
    except YAMLError:
        return {}


def _make_parser() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _CoreConstructor
    return yaml


def _locate_error(path: Path, error: MarkedYAMLError, problem: str) -> str:
    mark = error.problem_mark
    return f"recipe {path}, line {mark.line + 1}: {problem}" if mark else f"{path}: {problem}"


def _key_lines(node: Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                inner = (*place, key.value)
                yield inner, key.start_mark.line + 1
                yield from _key_lines(value, inner)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _key_lines(item, (*place, index))
