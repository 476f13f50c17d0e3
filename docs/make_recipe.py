"""Write docs/recipe.md and the JSON Schema from the recipe's models: python docs/make_recipe.py"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from siftset.schemas.recipe.loading import recipe_json_schema

HEAD = """# The recipe

Made by `python docs/make_recipe.py` from the code; `siftset schema` prints the same as JSON Schema,
for editors. YAML, TOML and JSON say the same. An unknown key is an error with a suggestion;
`--set section.key=value` changes one key for one run.

Paths are relative to the recipe's file. `"${NAME}"` and `"${NAME:-default}"` take a value from the
environment, and are never written to a manifest.
"""


def kind(schema: dict[str, Any]) -> str:
    """Say in a few words what a value may be."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            given = [one for one in schema[several] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(map(kind, given)))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"mapping to {kind(inner)}" if isinstance(inner, dict) else "mapping"
    names = {"string": "text", "boolean": "true or false"}
    plain = str(schema.get("type", "anything"))
    return names.get(plain, plain)


def rows(model: dict[str, Any]) -> Iterator[str]:
    """Yield a line of the table for every key of a section."""
    required = model.get("required", [])
    for key, schema in model.get("properties", {}).items():
        default = "required" if key in required else f"`{_written(schema.get('default'))}`"
        told = " ".join(schema.get("description", "").split())
        example = f"`{_flow(schema['examples'][0])}`".replace("|", "\\|")
        cells = [f"`{key}`", kind(schema), "" if _section(schema) else default, told]
        cells = [cell.replace("|", "&#124;") for cell in cells]
        yield "| " + " | ".join([*cells[:3], example, cells[3]]) + " |"


def _flow(value: object) -> str:
    """Write a value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool) or not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else f"{value}"
    plain = re.fullmatch(r"[A-Za-z_][\w./ &~-]*|\$\{\w+\}", value) and not value.endswith(" ")
    return value if plain else json.dumps(value)


def _section(schema: dict[str, Any]) -> bool:
    return "$ref" in schema or isinstance(schema.get("default"), dict)


def _written(value: object) -> str:
    if value is None or value in ([], {}, ""):
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def page() -> str:
    """Return the page: the recipe's keys, then every section's."""
    schema: Any = recipe_json_schema()
    sections = {"Recipe": schema, **schema["$defs"]}
    parts = [HEAD]
    for name, model in sections.items():
        if "properties" not in model:
            continue
        parts += [
            f"\n## {name}\n",
            " ".join(model.get("description", "").split()) + "\n",
            "| key | value | default | example | |",
            "| --- | --- | --- | --- | --- |",
            *rows(model),
        ]
    return "\n".join(parts) + "\n"


def schema_text() -> str:
    """Return the JSON Schema that is published for editors and ships in the wheel."""
    return json.dumps(recipe_json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    shipped = Path(__file__).parents[1] / "data" / "recipe.schema.json"
    shipped.write_text(schema_text(), encoding="utf-8")
    (Path(__file__).parent / "recipe.md").write_text(page(), encoding="utf-8")
