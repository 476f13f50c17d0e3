"""Mistakes in a recipe, one clear line each: file, line, place, expected, suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from siftset.schemas.recipe.documents import Document, Place
from siftset.schemas.recipe.model import Recipe


class _Mistake(NamedTuple):
    place: Place
    branch: str
    """The member of a union that the mistake belongs to; empty outside unions."""
    message: str


def explain_error(error: ValidationError, document: Document) -> str:
    """Return one line for every mistake, in the order of the file."""
    # A list whose items are all wrong also counts as too short: only the items matter.
    errors = [e for e in error.errors() if e["type"] != "too_short" or not e["input"]]
    found = []
    for details in errors:
        at, branch = _find_place(details, document.content)
        found.append(_Mistake(at, branch, _error_message(details, at)))
    lines: dict[str, int] = {}
    for mistake in _keep_one_branch(found):
        line = document.line(mistake.place)
        where = f"recipe {document.path}" + (f", line {line}" if line else "")
        place = ".".join(map(str, mistake.place)) or "the recipe"
        lines.setdefault(f"{where}: {place}: {mistake.message}", line or 0)
    return "\n".join(sorted(lines, key=lines.__getitem__))


def _find_place(details: ErrorDetails, content: JsonValue) -> tuple[Place, str]:
    """Leave out of pydantic's location what is not in the document (unions, wrapped lists)."""
    place: list[str | int] = []
    branch = ""
    here: Any = content
    last = len(details["loc"]) - 1
    for at, part in enumerate(details["loc"]):
        if isinstance(here, Mapping) and part in here:
            here = here[str(part)]
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif not (at == last and details["type"] == "missing"):
            branch = branch or (part if isinstance(part, str) else "")
            continue
        place.append(part)
    return tuple(place), branch


def _error_message(details: ErrorDetails, place: Place) -> str:
    match details["type"]:
        case "extra_forbidden":
            fields = sorted(
                {name for model in _models_at(place[:-1]) for name in model.model_fields}
            )
            near = difflib.get_close_matches(str(place[-1]), fields, n=1, cutoff=0.5)
            hint = f" (expected one of {', '.join(fields)})" if fields else ""
            return "unknown key" + (f" (did you mean '{near[0]}'?)" if near else hint)
        case "missing":
            return "required, but not given"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"expected a mapping, got {_short_repr(details['input'])}"
        case "value_error":
            return str(details["msg"]).removeprefix("Value error, ")
    expected = str(details["msg"]).replace("Input should", "should").replace("String", "the text")
    return f"{expected}, got {_short_repr(details['input'])}"


def _short_repr(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _models_at(place: Sequence[str | int]) -> tuple[type[BaseModel], ...]:
    """Return the sections that may stand at a place of the recipe."""
    models: tuple[type[BaseModel], ...] = (Recipe,)
    for part in place:
        holders = [model for model in models if part in model.model_fields]
        if holders:
            annotations = [model.model_fields[str(part)].annotation for model in holders]
            models = tuple(inner for a in annotations for inner in _nested_sections(a))
    return models


def _nested_sections(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _nested_sections(inner)


def _keep_one_branch(mistakes: Sequence[_Mistake]) -> list[_Mistake]:
    """Of a union's members keep the one that got furthest; the others would only confuse."""
    depth: dict[Place, tuple[int, str]] = {}
    for mistake in mistakes:
        if mistake.branch:
            root = _union_root(mistake, mistakes)
            depth[root] = max(depth.get(root, (0, "")), (len(mistake.place), mistake.branch))
    return [
        mistake
        for mistake in mistakes
        if not mistake.branch or depth[_union_root(mistake, mistakes)][1] == mistake.branch
    ]


def _union_root(mistake: _Mistake, mistakes: Sequence[_Mistake]) -> Place:
    """Return the shallowest place of the union that a mistake is part of."""
    above = (
        other.place
        for other in mistakes
        if other.branch and other.place == mistake.place[: len(other.place)]
    )
    return min(above, key=len)
