from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
ROOMS = ("pipeline", "signals", "trainer", "schemas", "data")


def _named_places() -> list[tuple[str, str]]:
    """Every path below a room that the pages name, with the function or class named in it."""
    text = " ".join((ROOT / page).read_text("utf-8") for page in PAGES)
    return re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w/.]*)(?::(\w+))?`", text)


def test_every_place_that_the_pages_name_exists():
    places = _named_places()
    assert len(places) > 40
    for path, name in places:
        assert (ROOT / path).exists(), path
        if name:
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            defined = {node.name for node in tree.body if hasattr(node, "name")}
            assert name in defined, f"{path} has no {name}"


def test_every_folder_of_a_room_is_described():
    described = {path.rstrip("/") for path, _ in _named_places()}
    for room in ("schemas", "signals", "trainer", "pipeline"):
        for init in (ROOT / room).rglob("__init__.py"):
            folder = str(init.parent.relative_to(ROOT))
            assert any(d == folder or d.startswith(folder + "/") for d in described), folder


def test_every_folder_of_a_room_has_tests_beside_it():
    for room in ("schemas", "signals", "trainer", "pipeline"):
        for folder in {path.parent for path in (ROOT / room).rglob("*.py")}:
            if {path.name for path in folder.glob("*.py")} == {"__init__.py"}:
                continue
            tests = ROOT / "tests" / folder.relative_to(ROOT)
            assert list(tests.glob("test_*.py")), f"expected tests of {folder.name} in {tests}"
