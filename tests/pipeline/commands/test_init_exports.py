"""Files of other programs: init describes them, and what it writes runs as it stands."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from siftset.pipeline.sources import open_sources
from siftset.schemas.recipe.loading import load_recipe

MADE = Path(__file__).parents[2] / "exported_files.py"


def load_made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_exported_files", MADE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MAKERS = load_made().MAKERS


@pytest.mark.parametrize("maker", MAKERS, ids=[maker.__name__ for maker in MAKERS])
def test_an_export_is_described_and_curated_without_editing(maker, tmp_path, told):
    export = maker()
    (tmp_path / export.name).write_bytes(export.content)
    found = told("init", tmp_path / "new", "--from", tmp_path / export.name)
    assert {name: found["dialect"].get(name) for name in export.dialect} == export.dialect
    assert {name: found["columns"].get(name) for name in export.columns} == export.columns
    assert found["shape"] == export.shape
    assert found["confidence"] == export.confidence or not export.confidence
    asked = [f"{key}={value}" for key, value in found["add"].items()]
    assert asked == ([export.add] if export.add else [])
    recipe = tmp_path / "new" / "recipe.yaml"
    assert str(tmp_path) not in recipe.read_text("utf-8")
    first = open_sources(load_recipe(recipe).recipe, recipe.parent, limit=1).frame()
    # the recipe for reviews makes one space of several
    assert [" ".join(text.split()) for text in first["text"]] == [" ".join(export.first.split())]
    rows = told("curate", recipe, *(["--set", export.add] if export.add else []))["rows"]
    assert rows["read"] == export.rows
    assert rows["kept"] > 0
    assert (rows["unreadable"] > 0) == bool(export.add)


OTHERWISE = {"mysql_outfile.txt": "|", "ragged.csv": "|"}
"""Where DuckDB takes another character for the delimiter."""


@pytest.mark.parametrize("maker", MAKERS, ids=[maker.__name__ for maker in MAKERS])
def test_duckdb_tells_the_same_delimiter(maker, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    export = maker()
    if "delimiter" not in export.dialect:
        pytest.skip("it has no delimiter of its own")
    encoding = export.dialect.get("encoding", "utf-8")
    path = tmp_path / export.name
    path.write_bytes(export.content.decode(encoding).encode())
    with duckdb.connect() as connection:
        told = connection.execute("select Delimiter from sniff_csv(?)", [str(path)]).fetchone()
    assert told == (OTHERWISE.get(export.name, export.dialect["delimiter"]),)
