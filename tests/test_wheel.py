"""What can break in installing siftset and in living beside strangers; run from the wheel too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOMS = ("pipeline", "signals", "trainer", "schemas", "data")

RECIPE = """
name: beside
output: out
source: {files: {paths: [rows.csv]}}
signals:
  polite: {python: "signals.py:polite"}
keep: polite
"""

SIGNALS = """
from pipeline import WORDS
from siftset import signal

@signal
def polite(text: str) -> bool:
    return any(word in text for word in WORDS)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose own modules have the names of our rooms."""
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    (tmp_path / "rows.csv").write_text("text\nyes please\nno\nthank you\n", "utf-8")
    (tmp_path / "signals.py").write_text(SIGNALS, "utf-8")
    for folder in ("pipeline", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("WORDS = ('please', 'thank')\n", "utf-8")
    (tmp_path / "data/__init__.py").write_text("mine = True\n", "utf-8")
    (tmp_path / "schemas.py").write_text("raise ImportError('not for siftset')\n", "utf-8")
    return tmp_path


def _run(folder: Path, *command: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_project_may_have_modules_named_like_our_rooms(project):
    script = Path(sys.executable).parent / "siftset"
    told = _run(project, str(script), "curate", "recipe.yaml", "--json")
    assert '"kept": 2' in told


def test_python_code_of_such_a_project_imports_both(project):
    code = (
        "import data, pipeline, siftset; from siftset import curate, keyword; "
        "print(data.mine, pipeline.WORDS, keyword('nike')('a nike'), "
        "curate('recipe.yaml').rows.kept)"
    )
    assert _run(project, sys.executable, "-c", code).split("\n")[0].endswith("True 2")


@pytest.mark.slow
def test_workers_of_a_cluster_import_both(project):
    pytest.importorskip("ray")
    script = Path(sys.executable).parent / "siftset"
    told = _run(project, str(script), "curate", "recipe.yaml", "--engine", "ray", "--json")
    assert '"kept": 2' in told


def test_an_installed_package_has_one_name_at_the_top():
    files = metadata.files("siftset") or []
    top = {file.parts[0] for file in files if file.parts[0] != ".."}
    if not any(file.name == "py.typed" for file in files):
        pytest.skip("installed from the tree: only a wheel lists its files")
    assert {name for name in top if not name.endswith(".dist-info")} == {"siftset"}
    shipped = {str(file) for file in files}
    assert "siftset/data/recipes/nike.yaml" in shipped
    assert all(f"siftset/{room}/__init__.py" in shipped for room in ROOMS)


def test_the_lock_file_holds_the_tested_versions_with_their_hashes():
    path = Path(__file__).parents[1] / "requirements.lock"
    if not path.is_file():
        pytest.skip("only the wheel is here")
    lock = path.read_text("utf-8")
    assert "://" not in lock  # hashes pin the files: any index may hold them
    locked = re.findall(r"^([a-z0-9._-]+)==(.+(?:\n +--hash=.+)+)", lock, re.MULTILINE)
    tested = dict(
        line.partition(";")[0].strip().split("==")
        for line in path.with_name("constraints.txt").read_text("utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    assert len(locked) == len(re.findall(r"^[^ #\n]", lock, re.MULTILINE))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", rest) for _, rest in locked)
    names = {name: re.split(r"[ ;]", rest)[0] for name, rest in locked}
    assert {"polars", "torch", "transformers", "great-expectations"} <= names.keys()
    known = {name: version for name, version in tested.items() if name in names}
    assert len(known) > 20
    assert {name: names[name] for name in known} == known


def test_the_extra_all_is_all_and_each_extra_is_in_the_table_of_the_quickstart():
    path = Path(__file__).parents[1] / "pyproject.toml"
    extras = tomllib.loads(path.read_text("utf-8"))["project"]["optional-dependencies"]

    def named(extra: str) -> set[str]:
        inner = {
            name
            for one in extras[extra]
            if one.startswith("siftset[")
            for name in one.removeprefix("siftset[").rstrip("]").split(",")
        }
        return inner | {name for one in inner for name in named(one)}

    assert named("all") | {"all"} == extras.keys()
    assert named("local") < named("all")
    page = (path.parent / "docs/index.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) >= extras.keys()
