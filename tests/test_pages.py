"""The pages are true: every block of the README and the guides runs, in order, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def run_block(language: str, text: str, folder: Path) -> None:
    first = text.partition("\n")[0]
    if first.startswith("# ") and first.endswith((".py", ".yaml")):
        (folder / first.removeprefix("# ")).write_text(text, "utf-8")
    elif language == "python":
        run([sys.executable, "-c", text], folder)
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
        run_block(language, text, tmp_path)
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


def test_the_site_builds_and_asks_the_network_for_nothing(tmp_path: Path):
    pytest.importorskip("material")
    if not (ROOT / "mkdocs.yml").is_file():
        pytest.skip("only the wheel is here")
    run([sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)], ROOT)
    pages = list(tmp_path.rglob("*.html"))
    assert {page.stem for page in pages} >= {path.stem for path in ROOT.glob("docs/**/*.md")}
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.search(r"""<(?:script|img|iframe)[^>]*src=["']?(?:https?:)?//""", text), page
        assert not re.search(r"""<link[^>]*rel=["']?stylesheet[^>]*href=["']?https?:""", text), page
