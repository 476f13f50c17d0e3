"""The page of a difference and the index beside it: nothing of the data is markup, all is shown."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from siftset.pipeline.reports.difference import (
    describe_difference,
    difference_markdown,
    difference_page,
)
from siftset.pipeline.reports.difference.markdown import code_span
from siftset.pipeline.reports.index import index_page
from siftset.pipeline.storage.catalog import Catalog, RunEntry
from siftset.pipeline.storage.tags import Tag
from siftset.schemas.results.difference import RecipeChange, SetDifference
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.plan import Approval, Plan


def _difference(said: str = "a text") -> SetDifference:
    side: dict[str, Any] = {"text": said, "label": said, "split": said}
    row = {
        "row_id": said, "kind": "changed", "reason": "correction", "source": said,
        "place": "rejected", "clause": said, "signal": said, "states": [said, said],
        "scores": [0.5, 1.5], "columns": [said], "before": side,
        "after": {**side, "text": said * 2},
    }  # fmt: skip
    rows = [
        row,
        {**row, "kind": "added", "before": None},
        {**row, "kind": "removed", "after": None},
    ]
    return SetDifference.model_validate(
        {
            "recipe": said,
            "before": {"name": said, "version": 1, "rows": 30, "formula": said},
            "after": {"name": said, "rows": 31, "formula": said + "&"},
            "changes": {"added": 1, "removed": 1, "changed": 1, "relabelled": 1, "moved": 1},
            "verdict": "warn",
            "arguments": [said, "--set", said],
            "recipe_changes": [{"key": said, "before": said}, {"key": said, "after": said}],
            "reasons": [{"kind": "added", "reason": "list", "detail": said, "rows": 1}],
            "slices": [
                {"column": c, "value": said, "before": 30, "after": 31, "added": 1}
                for c in ("source", "label", "split")
            ],
            "distributions": [
                {"name": name, "bins": [said, "x", "y"], "before": [1, 2, 3], "after": [3, 2, 1]}
                for name in ("label", "length", f"score of {said}")
            ],
            "columns_added": [said],
            "columns_removed": [said],
            "samples": rows,
        }
    )


def _catalog(said: str = "a text") -> Catalog:
    metrics = RunMetrics.model_validate(
        {"run": {"run_id": "r1", "recipe": said, "formula": said, "version": 1}, "verdict": "warn"}
    )
    plan = Plan(plan_id="20261130T191125678Z-5311", recipe=said, by=said, refusal=said)
    approval = Approval(plan="p", by=said, note=said)
    return Catalog(
        name=said,
        runs=(RunEntry(metrics, "runs/r1/report.html", "runs/r1/diff.html", approval),),
        plans=(plan, plan.model_copy(update={"refusal": None})),
        plan_arguments={plan.plan_id: (f"{said}.yaml", "--set", f"seed={said}")},
        tags={"gold": Tag(version=1)},
    )


def test_nothing_of_the_data_executes_and_nothing_is_requested(payloads, browser, tmp_path):
    for number, payload in enumerate(payloads):
        pages = {
            "diff": difference_page(_difference(payload)),
            "index": index_page(_catalog(payload)),
        }
        for name, page in pages.items():
            path = tmp_path / f"{name}-{number}.html"
            path.write_text(page, encoding="utf-8")
            browser.requests(), browser.complaints()
            browser.open(path)
            assert browser.requests() == [path.as_uri()]
            assert browser.complaints() == []
            assert browser.driver.title != "owned"
            found = browser.driver.find_elements("css selector", "iframe, img, link, base")
            assert found == []
            scripts = browser.driver.find_elements("css selector", "script")
            assert len(scripts) == (1 if name == "diff" else 0)


@pytest.mark.parametrize("width", [390, 1200])
def test_the_pages_never_scroll_sideways(browser, tmp_path, width):
    for name, page in (
        ("diff", difference_page(_difference("averylongword" * 40))),
        ("index", index_page(_catalog("averylongword" * 40))),
    ):
        path = tmp_path / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        browser.emulate(width=width)
        browser.open(path)
        inner = browser.driver.execute_script("return document.documentElement.scrollWidth")
        assert inner <= width, name


def test_rows_are_searched_in_the_page(browser, tmp_path):
    rows = [
        one.model_copy(update={"row_id": f"id{at}", "source": f"file-{at}"})
        for at, one in enumerate(_difference().samples)
    ]
    path = tmp_path / "diff.html"
    page = difference_page(_difference().model_copy(update={"samples": tuple(rows)}))
    path.write_text(page, encoding="utf-8")
    browser.open(path)
    find = browser.driver.find_element
    box = find("css selector", "#search input")
    box.send_keys("FILE-1 text")
    shown = [row.is_displayed() for row in browser.driver.find_elements("css selector", ".sample")]
    assert shown == [False, True, False]
    assert find("css selector", "#search output").text == "1 of 3"
    box.clear()
    find("css selector", "#search option[value=removed]").click()
    assert find("css selector", "#search output").text == "1 of 3"


def test_the_comment_holds_texts_as_code_and_fits(payloads):
    for payload in payloads:
        told = difference_markdown(_difference(f"{payload} @everyone `x` ``y`` | z"))
        for line in told.splitlines():
            code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
            assert not re.search(r"[@\[]|<(?!/?details|/?summary)", code), line
            if line.startswith("|"):
                cells = re.split(r"(?<!\\)\|", line)
                assert len(cells) in (5, 6, 8), line
    assert code_span("a`b") == "``a`b``"
    assert code_span("`") == "`` ` ``"
    many = _difference("word " * 200)
    long = many.model_copy(update={"samples": many.samples * 400})
    assert len(difference_markdown(long, rows=1200)) <= 60_000


def test_the_index_begins_with_the_recipe_and_its_verdict():
    page = index_page(_catalog("reviews"))
    top = page[page.index("<h1>") : page.index("</header>")]
    assert top.startswith("<h1>reviews</h1>")
    assert "warning" in top
    assert "Version 1 (gold) holds 0 rows." in top
    assert "One plan waits for approval." in top
    assert 'href="./plans/20261130T191125678Z-5311/diff.html"' in page
    assert page.count("siftset apply") == 1  # the other plan is refused
    assert "siftset apply reviews.yaml 20261130T191125678Z-5311 --set seed=reviews" in page
    assert 'href="./runs/r1/diff.html"' in page
    assert "approved by reviews: reviews" in page


def test_a_page_says_what_the_recipe_says_otherwise_and_how_to_act_on_it():
    row = _difference().samples[0].model_copy(update={"row_id": "ab" * 16, "scores": (0.25, 0.25)})
    change = RecipeChange(key="signals.cheap.min", before="0.05", after="0.3")
    plan = _difference().after.model_copy(update={"version": None, "run_id": "r-1"})
    told = {"recipe_changes": (change,), "samples": (row,), "after": plan,
            "arguments": ("my shoes.yaml", "--set", "seed=3")}  # fmt: skip
    found = _difference().model_copy(update=told)
    page = html.unescape(difference_page(found, data="diff.json"))
    values = change.model_dump().values()
    assert "".join(f'<td class="name"><code>{one}</code></td>' for one in values) in page
    assert "siftset apply 'my shoes.yaml' r-1 --set seed=3" in page
    assert f"siftset explain 'my shoes.yaml' --row {'ab' * 16} --set seed=3" in page
    assert 'href="./diff.json"' in page
    assert "(score 0.25)" in page
    for said in ("\n".join(describe_difference(found)), difference_markdown(found)):
        assert "signals.cheap.min: 0.05, now 0.3" in said
    refused = found.model_copy(update={"verdict": "fail"})
    assert "siftset apply" not in difference_page(refused)
