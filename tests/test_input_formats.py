"""The page of input formats is true: its files, read by its lines, give its rows."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from siftset.pipeline.commands.init_source import guess_source
from siftset.pipeline.sources import open_sources
from siftset.schemas.recipe.model import Recipe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "input_formats.md"
EXAMPLE = re.compile(
    r"^```(?:text|json)\n(?P<content>(?:(?!^```).*\n)*)```\n\n```yaml\n(?P<recipe>(?:(?!^```).*\n)*)```\n\n"
    r"(?P<table>(?:\|.*\n)+)",
    re.MULTILINE,
)
LEAST = 11


def find_examples() -> Iterator[Any]:
    for found in EXAMPLE.finditer(PAGE.read_text("utf-8")):
        recipe = yaml.safe_load(found["recipe"])
        names, _, *rows = (read_cells(line) for line in found["table"].splitlines())
        (path,) = recipe["source"]["files"]["paths"]
        yield pytest.param(found["content"], recipe, names, rows, id=path)


def read_cells(line: str) -> list[str]:
    return [cell.strip().replace("⏎", "\n") for cell in line.strip("|").split("|")]


def shown(value: object) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "null" if value is None else str(value)


def write_input(
    folder: Path, path: str, content: str, encoding: str, rows: list[list[str]]
) -> None:
    """Write the file of an example; of a folder it shows the files, and the rows their texts."""
    if not path.endswith("/"):
        (folder / path).write_text(content, encoding, newline="")
        return
    for name, row in zip(content.splitlines(), rows, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"text\n{row[0]}\n", "utf-8")


@pytest.mark.parametrize(("content", "recipe", "names", "rows"), list(find_examples()))
def test_an_example_is_read_as_the_page_shows(content, recipe, names, rows, tmp_path):
    files = recipe["source"]["files"]
    write_input(tmp_path, files["paths"][0], content, files.get("encoding", "utf-8"), rows)
    whole = {"name": "page", "output": "out", "keep": "a", "max_unreadable_share": 0.01} | recipe
    sources = open_sources(Recipe.model_validate(whole), tmp_path)
    assert sources.warnings == ()
    found = [[shown(row[name]) for name in names] for row in sources.frame().iter_rows(named=True)]
    assert all(row in found for row in rows), found


def test_the_page_has_its_examples():
    assert len(list(find_examples())) >= LEAST


def describe_exports(folder: Path) -> Iterator[str]:
    """Make the table of the files of other programs."""
    path = ROOT / "tests" / "exported_files.py"
    spec = importlib.util.spec_from_file_location("_exported_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield "| file | read as | how sure | columns | line to add |"
    yield "| --- | --- | --- | --- | --- |"
    for maker in module.MAKERS:
        export = maker()
        (folder / export.name).write_bytes(export.content)
        found = guess_source(folder / export.name)
        columns = ", ".join(f"{key}: {value}" for key, value in found.mapping.items())
        added = f"`{export.add.replace('=', ': ')}`" if export.add else ""
        cells = [f"`{export.name}`", found.file.describe(), found.confidence, f"`{columns}`", added]
        row = " | ".join(cell.replace("|", "&#124;") for cell in cells).rstrip()
        yield f"| {row} |"


def test_the_table_of_exports_is_what_init_says(tmp_path):
    table = "\n".join(describe_exports(tmp_path))
    assert table in PAGE.read_text("utf-8"), table
