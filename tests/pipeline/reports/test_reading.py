"""The pages as people read them: any width, light, dark and printed, by keyboard alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from siftset.pipeline.reports.compare import compare_report
from siftset.pipeline.reports.index import index_page
from siftset.pipeline.reports.run import run_report
from siftset.pipeline.storage.catalog import Catalog, ModelEntry, RunEntry
from siftset.schemas.results.metrics import RunMetrics

NAMES = ("report", "compare", "index")

UNMARKED = """
const node = document.activeElement, style = getComputedStyle(node);
const box = node.getBoundingClientRect();
return [node.tagName, node.getAttribute('href') || node.textContent.slice(0, 30),
        style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1, box.width > 0];
"""


def build_comparison(task: str):
    path = Path(__file__).parent / "compare" / "conftest.py"
    spec = importlib.util.spec_from_file_location("_compare_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_comparison(task)


@pytest.fixture
def page(metrics: RunMetrics, tmp_path: Path) -> Callable[[str], Path]:
    """Write one of the pages, with something in every part."""
    links = {"Quarantine": "quarantine/", "Rejected rows": "rejected/", "Metrics": "metrics.json"}
    run = metrics.run.model_copy(update={"arguments": ("recipes/reviews.yaml", "--set", "seed=3")})
    full = metrics.model_copy(update={"run": run, "links": links})

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.html"
        if name == "report":
            text = run_report(full, [metrics] * 3)
        elif name == "compare":
            text = compare_report(build_comparison("classification"))
        else:
            runs = tuple(RunEntry(one, "runs/r/report.html") for one in (metrics, full))
            models = (ModelEntry("v4-mlm-1f", build_comparison("mlm"), "models/m/compare.html"),)
            text = index_page(Catalog("reviews", runs, models, (4,)))
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", NAMES)
def test_pages_fit_every_width_and_print(name: str, page, browser) -> None:
    path = page(name)
    for width in (390, 1_200, 1_800):
        browser.emulate(width=width)
        browser.open(path)
        inner = browser.driver.execute_script("return document.documentElement.scrollWidth")
        assert inner <= width
        shell = browser.driver.execute_script(
            "return document.querySelector('.shell').getBoundingClientRect().width"
        )
        assert shell > 0.8 * width  # a wide window is used
        long = browser.driver.execute_script(
            "return [...document.querySelectorAll('p')].filter("
            "p => p.getBoundingClientRect().width > 1000).map(p => p.textContent.slice(0, 60))"
        )
        assert long == []  # a line of more than about 130 characters is hard to read
        cut = browser.driver.execute_script(
            "return [...document.querySelectorAll('.scroll')].filter("
            "one => one.scrollWidth > one.clientWidth).map(one => one.textContent.slice(0, 60))"
        )
        assert width == 390 or cut == []  # tables scroll on a telephone alone
    browser.emulate(media="print", width=794)
    browser.open(path)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 794


@pytest.mark.parametrize("name", NAMES)
def test_every_text_has_contrast_as_it_is_drawn(name: str, page, browser) -> None:
    path = page(name)
    for dark, media in ((False, "screen"), (True, "screen"), (False, "print")):
        browser.emulate(dark=dark, media=media)
        browser.open(path)
        opened = "document.querySelectorAll('details').forEach(one => one.open = true)"
        browser.driver.execute_script(opened)
        assert browser.dim_texts() == {}, (dark, media)


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_used_by_keyboard_alone(name: str, page, browser) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.emulate(width=1_200)
    browser.open(page(name))
    links = browser.driver.execute_script(
        "return [...document.querySelectorAll('a, summary')]"
        ".filter(one => one.checkVisibility()).length"
    )
    body = browser.driver.find_element("css selector", "body")
    reached = []
    for _ in range(links + 40):  # parts that scroll take the focus too
        (body if not reached else browser.driver.switch_to.active_element).send_keys(Keys.TAB)
        tag, what, marked, seen = browser.driver.execute_script(UNMARKED)
        if tag == "BODY":
            break
        assert marked, (tag, what)
        assert seen, (tag, what)
        reached.append(tag)
    assert sum(tag in ("A", "SUMMARY") for tag in reached) == links
    folded = browser.driver.find_elements("css selector", "details:not([open]) > summary")
    if folded:
        folded[0].send_keys(Keys.ENTER)
        assert folded[0].find_element("xpath", "..").get_attribute("open") == "true"


def test_a_command_is_selected_whole_by_one_click(page, browser) -> None:
    browser.emulate(width=390)
    browser.open(page("report"))
    command = browser.driver.find_elements("css selector", "code.command")[0]
    middle = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
    browser.driver.execute_script(middle, command)
    command.click()
    chosen = browser.driver.execute_script("return getSelection().toString()")
    assert chosen == command.text
    assert chosen.startswith("siftset ")
