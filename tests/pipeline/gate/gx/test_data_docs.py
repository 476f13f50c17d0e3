from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.gate import run_gate

ATTACKS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "'\"><a href=\"javascript:document.title='owned'\" id=bait>x</a>",
    "</td></tr></table><iframe src=https://example.org/x></iframe>",
    "</style></script><link rel=stylesheet href=https://example.org/x.css>",
    "${column} $column $$ {{7*7}} {% raw %}",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>",
    "<style>@import 'https://example.org/x.css'</style>",
    "&lt;b&gt; & <b>bold</b>\x00\x07\u202e\ue000\ue001",
)
COLUMN = "<img src=x onerror=document.title='owned'>\"'$c"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("docs")
    frame = pl.DataFrame(
        {
            "row_id": [f"{attack}{i}" for i, attack in enumerate(ATTACKS)],
            "text": ATTACKS,
            COLUMN: list(ATTACKS[::-1]),
        }
    )
    each = [
        ("expect_column_values_to_be_in_set", {"column": c, "value_set": [ATTACKS[1]]})
        for c in ("text", COLUMN)
    ]
    each += [
        ("expect_column_values_to_match_regex", {"column": "text", "regex": "^<script>x(?!<b>)"}),
        ("expect_column_values_to_not_be_null", {"column": COLUMN, "row_condition": {
             "type": "comparison", "column": {"name": "text"}, "operator": "==",
             "parameter": ATTACKS[2]}}),
        ("expect_column_most_common_value_to_be_in_set", {"column": "text", "value_set": ["a"]}),
        ("expect_column_distinct_values_to_be_in_set", {"column": "text", "value_set": ["a"]}),
        ("expect_column_pair_values_to_be_equal", {"column_A": "text", "column_B": COLUMN}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["text", COLUMN]}),
    ]  # fmt: skip
    suite = {
        "name": "attacks",
        "expectations": [
            {"type": kind, "kwargs": kwargs, "notes": ATTACKS[0]}
            for kind, kwargs in each
        ],
    }  # fmt: skip
    path = folder / "suite.json"
    path.write_text(json.dumps(suite), encoding="utf-8")
    result = run_gate(frame.lazy(), suite=path, folder=folder, name="set")
    assert result.verdict == "fail"
    found = sorted((folder / "data_docs").rglob("*.html"))
    assert len(found) == 3
    assert result.data_docs in found
    assert {p.suffix for p in (folder / "data_docs").rglob("*") if p.is_file()} <= {".html"} | {""}
    return found


def test_pages_hold_no_script_and_load_nothing(pages):
    for page in pages:
        content = page.read_text(encoding="utf-8")
        assert "<script" not in content.lower()
        assert "https://" not in content.replace("&#", "").split("<body>")[0]
        assert "Content-Security-Policy" in content
        assert not any(0xE000 <= ord(c) <= 0xE0FF for c in content)
        assert "dataContextId" not in content


def test_nothing_executes_and_nothing_is_requested(browser, pages):
    browser.requests()
    for page in pages:
        browser.open(page)
        assert browser.driver.title != "owned"
        assert [url for url in browser.requests() if not url.startswith("file:")] == []
        for kind in ("script", "iframe", "img", "svg", "object", "embed", "link"):
            assert browser.driver.find_elements("css selector", f"body {kind}") == []
        handlers = browser.driver.execute_script(
            "return [...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
            ".filter(a => a.name.startsWith('on') || a.value.trim().startsWith('javascript:'))"
            ".length"
        )
        assert handlers == 0


def test_texts_are_shown_as_they_are(browser, pages):
    result = next(page for page in pages if "validations" in page.parts)
    browser.open(result)
    shown = browser.driver.execute_script("return document.body.textContent")
    assert "<script>document.title='owned'</script>" in shown
    assert "&lt;b&gt; & <b>bold</b>\\x00\\x07\\u202e" in shown
    assert "${column} $column $$ {{7*7}}" in shown
    assert "&#60;" not in shown


def test_the_index_leads_to_every_page_without_a_script(browser, pages):
    index = next(page for page in pages if page.name == "index.html")
    browser.open(index)
    links = browser.driver.find_elements("css selector", "table a[href]")
    assert all(link.is_displayed() for link in links)
    targets = {link.get_attribute("href") for link in links}
    assert targets == {page.resolve().as_uri() for page in pages if page != index}
    assert "failed" in browser.driver.execute_script(
        "return getComputedStyle(document.querySelector('td i'), '::before').content"
    )
