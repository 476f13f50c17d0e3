"""Headerless and foreign files from end to end, as the cases beside the checkout expect them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from siftset.pipeline.sources import open_sources
from siftset.schemas.recipe.loading import load_recipe

CASES = Path(__file__).parents[4] / "shared" / "cases" / "shapes"
NAMES = ["05_headerless", "06_semicolon_cp1252"]


@pytest.fixture(params=NAMES)
def case(request: Any, tmp_path: Path) -> Path:
    if not (CASES / request.param).is_dir():
        pytest.skip("the cases are not beside this checkout")
    shutil.copytree(CASES / request.param, tmp_path / "case")
    return tmp_path / "case"


def test_a_case_is_read_as_it_expects(case, told):
    expected = json.loads((case / "expect.json").read_text("utf-8"))
    loaded = load_recipe(case / "recipe.yaml")
    frame = open_sources(loaded.recipe, case).frame()
    rows = {str(row["source"]["record"]): row for row in frame.iter_rows(named=True)}
    for record, values in expected["rows"].items():
        for name, value in values.items():
            found = rows[record][name]
            assert (str(found) if name == "label" else found) == value
    found = told("curate", case / "recipe.yaml")["rows"]
    assert found["read"] == expected["read"]
    assert {name: found[name] for name in expected["balance"]} == expected["balance"]


def without(case: Path, *keys: str, **more: object) -> Path:
    """Write the case's recipe without some keys of its files."""
    recipe = yaml.safe_load((case / "recipe.yaml").read_text("utf-8"))
    files = recipe["source"]["files"]
    recipe["source"]["files"] = {k: v for k, v in files.items() if k not in keys} | more
    path = case / "without.yaml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    return path


def test_a_case_without_its_key_says_what_is_missing(case, run):
    expected = json.loads((case / "expect.json").read_text("utf-8"))
    if "without_header_key" in expected:
        recipe = without(case, "header", "columns", "id", "label", text="so glad, it flies")
        done = run("curate", recipe)
        assert done.exit_code == expected["without_header_key"]["exit"]
        assert expected["without_header_key"]["warning"] in " ".join(done.stdout.split())
        page = next((case / "out").rglob("report.html")).read_text("utf-8")
        assert "line 1 reads like a record" in page
    else:
        done = run("curate", without(case, "encoding"))
        assert done.exit_code == expected["without_encoding"]["exit"]
        assert expected["without_encoding"]["error"] in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (case / "out").exists()


GUARDED = [
    (b"2401,Kite\n2402,Kite\n2403,Drum\n", {"text": "Kite"}, "('2401' in a column of numbers)"),
    (b"a\tKite\nb\tKite\nc\tDrum\n", {"text": "Kite", "delimiter": "\t"},
     "('Kite' is a value of column 2 too)"),
    (b'text,n\n"nice shoes,1\nthe end",0\nso,1\n', {},
     "a quote opens in line 2 and closes in line 3, and every line has 2 fields by itself: if "
     "quotes are text, set source.files.quote: none"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "keys", "warning"), GUARDED)
def test_a_guard_warns_and_changes_nothing(content, keys, warning, opened, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    guarded = opened("a.csv", **keys)
    (said,) = guarded.warnings
    assert warning in said
    assert said.startswith(f"{tmp_path / 'a.csv'}: ")
    told = opened("a.csv", **keys, header=True, quote='"')
    assert told.warnings == ()
    assert told.frame().equals(guarded.frame())


QUIET = [
    b"id,text\n1,a\n2,b\n",
    b"text\ngood\n",
    b"x,y\n1,2\n3,4\n",
    b"0,1,2\n5,6,a\n7,8,b\n",
    b"country,2001,2002\nfr,3,4\nde,5,6\n",
    b'n,text\n"two\nlines",1\n"so, yes",2\n',
    b"label,text\ntext,label\nlabel,text\n",
    b"a,b\n,\n",
    b"a,b\n",
]


@pytest.mark.parametrize("content", QUIET)
def test_a_plain_file_is_no_matter(content, opened, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    name = content.split(b"\n")[0].decode().split(",")[-1]
    assert opened("a.csv", text=name).warnings == ()
