"""What users get wrong: the exit code of the contract, and one line that says what to do."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from typer.testing import Result

ROOT = Path(__file__).parents[3]
GOOD = b"text,stars\nhello world,5\ngood bye,1\n"
BASE = {
    "name": "t",
    "output": "out",
    "source": "{files: {paths: [in.csv]}}",
    "signals": "{long: {length: {min: 2}}}",
    "keep": "long",
}


def written(folder: Path, changes: Mapping[str, str] | str, files: Mapping[str, bytes]) -> str:
    for name, content in {"in.csv": GOOD, **files}.items():
        (folder / name).write_bytes(content)
    recipe = folder / "recipe.yaml"
    text = (
        changes
        if isinstance(changes, str)
        else "".join(f"{key}: {value}\n" for key, value in {**BASE, **changes}.items())
    )
    recipe.write_text(text, encoding="utf-8")
    return str(recipe)


def source(settings: str) -> dict[str, str]:
    return {"source": f"{{files: {{{settings}}}}}"}


def parquet(folder: Path, name: str, values: list[object]) -> bytes:
    pl.DataFrame({"text": ["a", "b"], "n": values}).write_parquet(folder / name)
    return (folder / name).read_bytes()


MANY = b"".join(b"row number %d\n" % n for n in range(500))
RECIPES = [
    # what, the recipe (changes to a good one, or a whole text), what the line says
    ("a misspelt key", {"keeep": "long"}, ["keeep", "did you mean 'keep'?", "line 6"]),
    ("a misspelt key inside", {"split": "{trian: 0.9}"}, ["trian", "did you mean 'train'?"]),
    ("an unknown signal", {"keep": "long & lnog"}, ["lnog", "long"]),
    ("`and` for `&`", {"keep": "long and long"}, ["'and'", "&"]),
    ("a comparison beside &", {"keep": "long & long > 0.5"}, ["(long > 0.5)"]),
    ("an open parenthesis", {"keep": "(long"}, ["formula: a bracket is not closed", "column 1"]),
    ("an unknown kind", {"signals": "{long: {lenght: {min: 2}}}"}, ["lenght", "length"]),
    ("an unknown parameter", {"signals": "{long: {length: {mim: 2}}}"}, ["mim", "min"]),
    ("a broken pattern", {"signals": "{long: {regex: {pattern: '('}}}"}, ["long", "("]),
    ("a list", "- a\n- b\n", ["expected a mapping"]),
    ("a text", "just text\n", ["expected a mapping"]),
    ("nothing", "", ["expected a mapping"]),
    ("broken YAML", "name: [t\n", ["line"]),
    ("a key twice", "name: t\nname: u\noutput: out\n", ["name", "twice", "line 2"]),
    ("an unset variable", {"output": '"${NOT_SET_HERE}/x"'}, ["NOT_SET_HERE", "output"]),
    ("a wrong type", {"seed": "soon"}, ["seed", "integer"]),
    ("an unknown rule", {"integrity": "{rows: {text: {not_nul: true}}}"}, ["not_nul", "not_null"]),
    ("a rule's column", {"integrity": "{rows: {txt: {not_null: true}}}"}, ["txt", "text"]),
    ("shares above one", {"split": "{train: 0.9, validation: 0.9}"}, ["split"]),
    ("no suite there", {"integrity": "{suite: none.json}"}, ["none.json"]),
    ("no signals file", {"signals": "{long: {python: none.py:f}}"}, ["none.py"]),
    ("a list that is not there", {"signals": "{long: {keyword: {list: none}}}"}, ["none"]),
]
DATA = [
    # what, settings of the source, its files, what the line says
    ("a missing column", "paths: [in.csv], text: body", {}, ["body", "text, stars"]),
    ("a missing id", "paths: [in.csv], id: key", {}, ["key", "text, stars"]),
    ("no such file", "paths: [none.csv]", {}, ["none.csv"]),
    ("a pattern without a match", "paths: ['*.jsonl']", {}, ["*.jsonl"]),
    ("only empty files", "paths: [a.csv]", {"a.csv": b""}, ["a.csv", "empty"]),
    ("a truncated gzip", "paths: [a.txt.gz]", {"a.txt.gz": gzip.compress(MANY)[:-9]}, ["a.txt.gz"]),
    ("no gzip at all", "paths: [a.txt.gz]", {"a.txt.gz": MANY}, ["a.txt.gz"]),
    ("no Parquet at all", "paths: [a.parquet]", {"a.parquet": MANY}, ["a.parquet"]),
    ("an unknown ending", "paths: [a.docx]", {"a.docx": MANY}, ["a.docx"]),
]
RECORDS = [
    # what, name and content of the file, records read, unreadable ones
    ("invalid UTF-8", "a.txt", MANY + b"caf\xe9\n", 501, 1),
    ("a NUL", "a.txt", MANY + b"nul \0 here\n", 501, 1),
    ("a line of 50 MB", "a.txt", MANY + b"x" * 50_000_000 + b"\n", 501, 1),
    ("a field too many", "a.csv", b"text\n" + MANY + b"one,two\n", 501, 1),
    ("fields change midway", "a.csv", b"text\n" + MANY + b"a,b\n" * 6, 506, 6),
    ("broken JSON", "a.jsonl", b'{"text": "a fine line"}\n' * 500 + b'{"text":\n', 501, 1),
]


def refused(done: Result, code: int, said: list[str]) -> None:
    assert (done.exit_code, done.stdout) == (code, "")
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("error: "), done.stderr
    assert [part for part in said if part not in lines[-1]] == [], lines[-1]
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("error: ") for line in lines) == 1


@pytest.mark.parametrize(("what", "changes", "said"), RECIPES, ids=[r[0] for r in RECIPES])
@pytest.mark.parametrize("command", ["check", "curate"])
def test_a_mistake_in_a_recipe(tmp_path, command, what, changes, said, run):
    recipe = written(tmp_path, changes, {})
    before = sorted(tmp_path.rglob("*"))
    refused(run(command, recipe), 2, said)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("what", "settings", "files", "said"), DATA, ids=[r[0] for r in DATA])
def test_a_source_that_cannot_be_read(tmp_path, what, settings, files, said, run):
    done = run("curate", written(tmp_path, source(settings), files))
    refused(done, 2, said)
    assert not (tmp_path / "out/set").exists()
    assert not (tmp_path / "out/runs").exists()


@pytest.mark.parametrize(
    ("what", "name", "content", "read", "bad"), RECORDS, ids=[r[0] for r in RECORDS]
)
def test_bad_records_cost_themselves_only(tmp_path, what, name, content, read, bad, run):
    recipe = written(tmp_path, source(f"paths: [{name}]"), {name: content})
    done = run("curate", recipe, "--json", "--set", "max_unreadable_share=0.02")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["rows"]["read"], found["rows"]["unreadable"]) == (read, bad)
    laid = pl.read_parquet(tmp_path / f"out/runs/{found['run_id']}/unreadable/*.parquet")
    assert laid.height == bad
    assert set(laid["source"].struct.field("file")) == {name}
    if bad > 0.01 * read:
        refused(run("curate", recipe), 4, ["unreadable", "max_unreadable_share"])


def test_parquet_schemas_that_conflict_name_both_files(tmp_path, run):
    values = {"a.parquet": [1, 2], "b.parquet": ["x", "y"]}
    files = {name: parquet(tmp_path, name, given) for name, given in values.items()}
    recipe = written(tmp_path, source("paths: [a.parquet, b.parquet]"), files)
    refused(run("curate", recipe), 2, ["a.parquet", "b.parquet", "'n'"])


def test_the_same_id_with_other_content(tmp_path, run):
    settings = source("paths: [in.csv], id: n")
    recipe = written(tmp_path, settings, {"in.csv": b"text,n\none thing,1\nother thing,1\n"})
    refused(run("curate", recipe), 2, ["in.csv record 0 and in.csv record 1", "different contents"])
    assert not (tmp_path / "out/set").exists()


def test_the_same_id_with_the_same_content_is_a_duplicate(tmp_path, run):
    settings = source("paths: [in.csv], id: n")
    recipe = written(tmp_path, settings, {"in.csv": b"text,n\none thing,1\none thing,1\n"})
    rows = json.loads(run("curate", recipe, "--json").stdout)["rows"]
    assert (rows["kept"], rows["duplicate"]) == (1, 1)


@pytest.mark.parametrize("output", ["in.csv", "in.csv/out"])
def test_an_output_that_cannot_be_written(tmp_path, output, run):
    recipe = written(tmp_path, {"output": output}, {})
    refused(run("curate", recipe), 2, ["in.csv"])
    assert (tmp_path / "in.csv").read_bytes() == GOOD


@pytest.mark.parametrize("name", ["set", "runs", "versions/0", "models", "preview", ".work"])
def test_nothing_of_the_users_is_replaced(tmp_path, name, run):
    recipe = written(tmp_path, {}, {})
    mine = tmp_path / "out" / name / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    refused(run("curate", recipe), 2, [name.partition("/")[0], "rename it"])
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]


def test_an_index_of_the_users_is_kept(tmp_path, run):
    recipe = written(tmp_path, {"output": "."}, {"index.html": b"my own page"})
    refused(run("curate", recipe), 2, ["index.html", "rename it"])
    assert (tmp_path / "index.html").read_bytes() == b"my own page"


def test_an_export_that_cannot_be_written(tmp_path, run):
    recipe = written(tmp_path, {}, {})
    assert run("curate", recipe, "-q").exit_code == 0
    refused(run("export", recipe, "--out", str(tmp_path / "in.csv/x.csv")), 2, ["in.csv"])
    refused(run("export", recipe, "--out", str(tmp_path / "x.docx")), 2, ["x.docx", ".parquet"])


def test_nothing_kept_fails_the_gate(tmp_path, run):
    recipe = written(tmp_path, {"signals": "{long: {length: {min: 1000}}}"}, {})
    refused(run("curate", recipe), 3, ["no row", "allow_empty"])
    assert not (tmp_path / "out/set").exists()


def test_a_signal_that_fails_beyond_the_budget(tmp_path, run):
    code = (
        b"from siftset import signal\n\n\n@signal\ndef long(text: str) -> bool:\n"
        b'    """Whether it is long."""\n    return text[0] / 2 > 1\n'
    )
    recipe = written(tmp_path, {"signals": "{long: {python: mine.py:long}}"}, {"mine.py": code})
    refused(run("curate", recipe), 4, ["signal 'long'", "TypeError", "max_fault_rate"])


MISSING = [
    # the package that is not there, the command, changes, the extra that the line names
    ("great_expectations", "curate", {"integrity": "{suite: default}"}, "gate"),
    ("great_expectations", "check", {"integrity": "{suite: default}"}, "gate"),
    ("torch", "check", {"train": "{task: mlm, model: minilm}"}, "train"),
    ("torch", "train", {"train": "{task: mlm, model: minilm}"}, "train"),
    ("datasets", "curate", {"source": "{hub: {name: a/b}}"}, "hub"),
    ("py3langid", "curate", {"signals": "{long: {language: {code: en}}}"}, "language"),
]
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        missing = name.partition(".")[0] in sys.argv[1].split(",")
        return None if missing else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from siftset.pipeline.cli import app
app(sys.argv[2:])
"""


def without(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, packages, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize(("package", "command", "changes", "extra"), MISSING)
def test_a_missing_extra_is_named(tmp_path, package, command, changes, extra):
    recipe = written(tmp_path, changes, {})
    if command == "train":
        assert without(package, "curate", recipe).returncode == 0
    done = without(package, command, recipe)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert f'pip install "siftset[{extra}]"' in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_base_install_curates_without_any_extra(tmp_path):
    recipe = written(tmp_path, {"signals": "{long: {length: {min: 2}}}"}, {})
    extras = "great_expectations,torch,transformers,datasets,numba,sklearn,scipy,py3langid,optuna"
    done = without(extras, "curate", recipe, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["kept"] == 2
