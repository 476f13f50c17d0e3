"""The site of the documentation: what is made for it is made, and its search works from disk."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load(path: Path):
    spec = importlib.util.spec_from_file_location(f"_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_of_messages_is_that_of_the_code():
    """Few messages may differ until the page is made again, by `make docs`."""
    made = load(ROOT / "docs/make_messages.py").page().splitlines()
    kept = set((ROOT / "docs/messages.md").read_text("utf-8").splitlines())
    rows = [line for line in made if line.startswith("| ")]
    assert len(rows) > 450
    lacking = [line for line in rows if line not in kept]
    assert len(lacking) <= len(rows) // 20, f"run docs/make_messages.py: {lacking}"


@pytest.mark.slow
def test_the_site_asks_the_network_for_nothing_and_its_search_works_from_disk(tmp_path):
    pytest.importorskip("material")
    if not (ROOT / "mkdocs.yml").is_file():
        pytest.skip("only the wheel is here")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(site)]
    subprocess.run(command, cwd=ROOT, check=True)
    pages = list(site.rglob("*.html"))
    assert {page.stem for page in pages} >= {path.stem for path in ROOT.glob("docs/**/*.md")}
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.search(r"""<(?:script|img|iframe)[^>]*src=["']?(?:https?:)?//""", text), page
        assert not re.search(r"""<link[^>]*rel=["']?stylesheet[^>]*href=["']?https?:""", text), page
    pytest.importorskip("selenium")
    browser = load(ROOT / "tests/browser.py")
    if browser.CHROMIUM is None or browser.DRIVER is None:
        pytest.skip("no Chromium is installed")
    with browser.chromium(tmp_path / "profile") as opened:
        opened.open(site / "index.html")
        driver = opened.driver
        driver.execute_script("document.querySelector('label[for=__search]').click()")
        field = driver.find_element("css selector", "input.md-search__input")
        field.send_keys("decontamination")
        until = time.monotonic() + 30
        while not (found := driver.find_elements("css selector", ".md-search-result__item a")):
            assert time.monotonic() < until, opened.complaints()
            time.sleep(0.2)
        assert any("integrity.html" in one.get_attribute("href") for one in found)
        assert all(one.startswith(("file:", "about:", "blob:")) for one in opened.requests())


def test_the_workflow_builds_the_site_by_make_and_says_where_it_is_served():
    import yaml

    path = ROOT / ".github/workflows/docs.yml"
    if not path.is_file():
        pytest.skip("only the wheel is here")
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    (build,) = (step for step in jobs["build"]["steps"] if "run" in step)
    assert build["run"] == "make docs"
    assert re.search(r"^docs:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    (setting,) = build["env"]
    assert f"!ENV [{setting}," in (ROOT / "mkdocs.yml").read_text("utf-8")
    (uploaded,) = (
        one["with"]["path"] for one in jobs["build"]["steps"] if "path" in one.get("with", {})
    )
    assert f"site_dir: {uploaded}" in (ROOT / "mkdocs.yml").read_text("utf-8")
