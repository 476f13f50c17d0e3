"""Messages name the key that the user wrote."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from siftset.schemas.recipe.train import Compare, Train

ROOM = Path(__file__).parents[2] / "trainer"
SECTIONS = {"train": Train, "compare": Compare}
KEYS = {
    key: section
    for section, model in SECTIONS.items()
    for key in model.model_fields
    if "_" in key  # the others are words that a sentence may need
}
NAMED = re.compile(rf"(?<![\w.])({'|'.join(KEYS)})(?!\w)")


def find_texts(path: Path) -> list[tuple[int, str]]:
    """Return the sentences of a file that are no docstrings, places of values as {}."""
    tree = ast.parse(path.read_text("utf-8"))
    quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    inside = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
        for part in node.values
    }  # fmt: skip
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            texts.append((node.lineno, "".join(map(str, parts))))
        elif isinstance(node, ast.Constant) and id(node) not in quiet | inside:
            texts.append((node.lineno, str(node.value)))
    return texts


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOM)))
def test_keys_are_named_as_they_are_written(path):
    """`learning_rate` alone is no key of a recipe: it is train.learning_rate."""
    bare = [f"{path.name}:{line}: {found[0]}" for line, text in find_texts(path) if " " in text
            for found in NAMED.finditer(text)]  # fmt: skip
    assert bare == []
