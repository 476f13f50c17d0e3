"""An example of every key of a recipe, for editors and for the page of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

from siftset.schemas.recipe.yaml_text import read_value

_FILE: Final = "recipe_examples.yaml"
_SOURCES: Final = ("Files", "Hub", "Delta", "Frame")


def add_examples(schema: dict[str, Any]) -> dict[str, Any]:
    """Give each key of a recipe's JSON Schema an example, in place, and return the schema.

    It is the one that is written down, else what the type offers beside the default, else that.
    """
    text = resources.files("siftset.data").joinpath(_FILE).read_text("utf-8")
    written: Any = read_value(text)
    for name, model in {"Recipe": schema, **schema["$defs"]}.items():
        own = (written["Columns"] if name in _SOURCES else {}) | written.get(name, {})
        for key, described in model.get("properties", {}).items():
            found = own[key] if key in own else next(_offer(described), None)
            if found is not None:
                described["examples"] = [found]
    return schema


def _offer(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield values that a key may have: another one than its default first."""
    default = schema.get("default")
    for one in (schema, *schema.get("anyOf", ())):
        yield from (value for value in one.get("enum", ()) if value != default)
        if one.get("type") == "boolean":
            yield not default
    if default is not None:
        yield default
