"""The pages are true: every block of the README and the guides runs, in order, in one folder."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli import app

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/index.md",
    "docs/nightly.md",
    "docs/concepts.md",
    "docs/signals.md",
    "docs/integrity.md",
    "docs/coming-from.md",
    "docs/troubleshooting.md",
    *sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/examples/*.md")),
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)\)")
REVIEWS = """review,stars
I love these shoes!,5
The shoes fell apart. Terrible.,1
GREAT SHOES,5
"These sneakers are comfortable, and they look good.",4
A fine book.,4
,3
"""


def run(command: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # a reader's Python looks for modules in the folder where it starts
    env = {name: text for name, text in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        command, cwd=folder, env={**env, "PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


SHELL = re.compile(r"[$`*<>|;]")
"""What only a shell understands."""
PROCESSES = ("README.md", "docs/index.md")
"""Pages whose every command runs as a reader's does, in a process of its own."""


def run_lines(text: str, folder: Path) -> None:
    """Run a script: siftset and Python's files in this process, which imported much, else bash."""
    left: list[str] = []
    for line in [*text.replace("\\\n", " ").splitlines(), "cd ."]:
        plain = [] if SHELL.search(line) else [shlex.split(one, True) for one in line.split(" && ")]
        if not plain or any(one[:1] not in (["cd"], ["siftset"], ["python"]) for one in plain):
            left.append(line)
            continue
        if left:
            run(["bash", "-euo", "pipefail", "-c", "\n".join(left)], folder)
            left = []
        for program, *words in plain:
            if program == "cd":
                folder /= words[0]
                continue
            with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
                if program == "python":
                    patch.setattr(sys, "argv", words)
                    runpy.run_path(words[0], run_name="__main__")
                else:
                    done = CliRunner().invoke(app, words, catch_exceptions=False)
                    assert done.exit_code == 0, f"{words}: {done.output}{done.stderr}"


def run_block(language: str, text: str, folder: Path, *, here: bool = True) -> None:
    """Run a block of a page, with its commands in this process or not."""
    first = text.partition("\n")[0]
    if first.startswith("# ") and first.endswith((".py", ".yaml")):
        (folder / first.removeprefix("# ")).write_text(text, "utf-8")
    elif language == "python":
        run([sys.executable, "-c", text], folder)
    elif language == "sh" and here:
        run_lines(text, folder)
    elif language == "sh":
        run(["bash", "-euo", "pipefail", "-c", text], folder)
    else:
        assert language in ("console", "text"), f"a block in {language} is not run"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, tmp_path: Path, sample_corpora: Path):
    pytest.importorskip("duckdb")
    if page != "README.md":  # whose blocks run in an empty folder
        (tmp_path / "reviews.csv").write_text(REVIEWS, "utf-8")
        (tmp_path / "corpora").symlink_to(sample_corpora)
    for language, text in FENCE.findall((ROOT / page).read_text("utf-8")):
        run_block(language, text, tmp_path, here=page not in PROCESSES)
    if page == "README.md":
        assert len((tmp_path / "sound.jsonl").read_text("utf-8").splitlines()) == 5


def test_make_knows_the_commands():
    if not (ROOT / "Makefile").is_file():
        pytest.skip("only the wheel is here")
    named = re.findall(r"^\$ make ([\w-]+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert named == ["demo", "test"]
    for target in named:
        planned = run(["make", "--dry-run", target], ROOT)
        assert "siftset" in planned or "pytest" in planned


@pytest.mark.parametrize("page", [path.relative_to(ROOT) for path in ROOT.glob("docs/**/*.md")])
def test_links_of_pages_lead_somewhere(page: Path):
    for link in LINK.findall((ROOT / page).read_text("utf-8")):
        assert link.startswith("http") or (ROOT / page.parent / link).exists(), link


def test_links_of_the_readme_lead_somewhere():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("only the wheel is here")
    for link in LINK.findall((ROOT / "README.md").read_text("utf-8")):
        assert link.startswith("http") or (ROOT / link).exists(), link


@pytest.mark.parametrize("page", ["kinds", "recipe"])
def test_reference_pages_are_those_of_the_code(page: str):
    code = f"import runpy; print(runpy.run_path('make_{page}.py')['page'](), end='')"
    made = run([sys.executable, "-c", code], ROOT / "docs")
    assert made == (ROOT / f"docs/{page}.md").read_text("utf-8"), f"run docs/make_{page}.py"
