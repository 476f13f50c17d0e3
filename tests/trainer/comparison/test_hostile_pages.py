"""Texts that attack, through a whole run: curate, train, every page from disk and as served."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.serve import serve_output
from siftset.pipeline.commands.train import train_recipe

pytestmark = pytest.mark.slow

ATTACKS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload="document.title=\'owned\'">',
    "'><iframe src='https://evil.example/'></iframe>",
    "</title></style></script><script>document.title='owned'</script>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "{{7*7}}${document.title}<!--",
    "<style>@import 'https://evil.example/y.css';</style>",
)
NAME = "<img src=x onerror=document.title='owned'>.jsonl"
RECIPE = {
    "name": "hostile",
    "output": "out",
    "source": {"files": {"paths": ["*.jsonl"], "text": "text", "label": "label", "id": "id"}},
    "signals": {"words": {"keyword": {"words": ["shoe", ATTACKS[0]]}},
                "long": {"length": {"min": 400}}},
    "keep": "words | long",
    "integrity": {"rows": {"text": {"not_null": True, "matches": "shoe|(?:<x>)?"}},
                  "suite": "mine.json", "input_suite": "mine.json", "labels": [ATTACKS[1]]},
    "split": {"train": 0.7, "validation": 0.3},
}  # fmt: skip


def _write(folder: Path) -> None:
    rows = [
        {"id": f"{i}{a}", "text": f"the shoe {a} is good {i}", "label": ATTACKS[i % 2], a: a}
        for i, a in enumerate(ATTACKS * 12)
    ]
    rows += [{"id": f"n{a}", "text": None, "label": a} for a in ATTACKS]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / NAME).write_text(text, encoding="utf-8")
    kind = "expect_column_values_to_be_in_set"
    expectations = [
        {"type": kind, "kwargs": {"column": column, "value_set": [ATTACKS[2]]},
         "severity": "warning", "notes": ATTACKS[1]}
        for column in ("text", "label", ATTACKS[0])
    ]  # fmt: skip
    suite = {"name": "mine", "expectations": expectations}
    (folder / "mine.json").write_text(json.dumps(suite), encoding="utf-8")


@pytest.fixture(scope="module")
def output(tmp_path_factory, tiny_bert: Path) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    _write(folder)
    for task in ("classification", "mlm"):
        train = {"task": task, "model": str(tiny_bert), "max_steps": 2, "batch_size": 4}
        prompts = [f"{attack} [MASK] shoe" for attack in ATTACKS] if task == "mlm" else []
        recipe = {**RECIPE, "train": train, "compare": {"prompts": prompts}}
        path = folder / f"{task}.json"
        path.write_text(json.dumps(recipe), encoding="utf-8")
        curate(path)
        train_recipe(path)
    return folder / "out"


def _safe(browser, address: str | Path, base: str) -> None:
    browser.requests()
    browser.complaints()
    browser.open(address)
    assert browser.driver.title != "owned"
    assert all(url.startswith(base) for url in browser.requests())
    ran = "return document.querySelectorAll('script, iframe, object, embed, [onload], [onerror]')"
    assert browser.driver.execute_script(f"{ran}.length") == 0


def test_nothing_runs_on_any_page_on_disk(output: Path, browser) -> None:
    pages = [p for p in output.rglob("*.html") if ".work" not in p.parts]
    names = {p.name for p in pages}
    assert {"index.html", "report.html", "compare.html", "siftset-set.html"} <= names
    for page in pages:
        _safe(browser, page, page.resolve().as_uri())


def test_nothing_runs_on_any_page_as_served(output: Path, browser) -> None:
    stop, ready, found = threading.Event(), threading.Event(), []

    def hear(url: str) -> None:
        found.append(url)
        ready.set()

    thread = threading.Thread(
        target=serve_output, args=(output, 0), kwargs={"ready": hear, "stop": stop}
    )
    thread.start()
    try:
        assert ready.wait(60)
        for page in sorted(output.rglob("*.html")):
            _safe(browser, found[0] + page.relative_to(output).as_posix(), found[0])
        for place in ("", "live", "runs/", "models/"):
            _safe(browser, found[0] + place, found[0])
    finally:
        stop.set()
        thread.join(60)
