"""Each key of a recipe is described, and has an example that is valid."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter

from siftset.schemas.recipe import (
    cluster,
    integrity,
    labels,
    messages,
    model,
    refresh,
    review,
    selection,
    source,
    train,
)  # fmt: skip
from siftset.schemas.recipe.loading import recipe_json_schema
from siftset.schemas.recipe.section import Section

ROOMS = (cluster, integrity, labels, messages, model, refresh, review, selection, source, train)
SCHEMA = recipe_json_schema()
SECTIONS = {
    "Recipe": {**SCHEMA, "description": "."},
    **{name: one for name, one in SCHEMA["$defs"].items() if "properties" in one},
}
KEYS = [(name, key) for name, one in SECTIONS.items() for key in one["properties"]]


def find_section(name: str) -> type[Section]:
    return next(getattr(room, name) for room in ROOMS if hasattr(room, name))


def test_there_are_many() -> None:
    assert len(KEYS) > 250


@pytest.mark.parametrize("name", SECTIONS)
def test_each_key_of_a_section_is_described_with_a_valid_example(name: str) -> None:
    for key, described in SECTIONS[name]["properties"].items():
        assert re.search(r"\w+ \w+", described.get("description", "")), f"{name}.{key}"
        assert described.get("examples"), f"{name}.{key}: give data/recipe_examples.yaml one"
        (example,) = described["examples"]
        field = find_section(name).model_fields[key]
        adapter = TypeAdapter(field.rebuild_annotation() if field.metadata else field.annotation)
        adapter.validate_python(example)
