"""The page in a real browser: the keyboard alone, hostile rows, the phone, no request elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.review.open import open_review
from siftset.pipeline.review.static_file import write_static

pytestmark = pytest.mark.slow

POLARITY = {
    "name": "polarity",
    "output": "out",
    "source": {"files": {"paths": ["rows.parquet"], "id": "id"}},
    "signals": {"some": {"length": {"min": 40}}},
    "keep": "some",
    "review": {},
}


class Person:
    """Somebody who presses keys and reads."""

    def __init__(self, browser, page) -> None:
        self.driver = browser.driver
        browser.requests()
        browser.complaints()
        browser.open(page if isinstance(page, Path) else page.server.address)
        self.wait("return page.detail !== null && $('list').children.length > 1")

    def wait(self, script: str) -> None:
        until = time.monotonic() + 60  # machines are busy at times
        while not self.driver.execute_script(script):
            assert time.monotonic() < until, f"never came: {script}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            acts = ActionChains(self.driver)
            if key.startswith(Keys.CONTROL):
                acts.key_down(Keys.CONTROL).send_keys(key[1:]).key_up(Keys.CONTROL).perform()
            else:
                acts.send_keys(key).perform()

    def script(self, code: str):
        return self.driver.execute_script(f"return {code}")

    def decide(self, *keys: str) -> dict:
        """Press keys that decide the row that is shown; return it once the next one is shown."""
        self.wait("return page.detail !== null")
        row, decided = self.script("page.detail"), self.script("page.state.decided")
        again = row["decision"] is not None
        self.press(*keys)
        self.wait(f"return page.state.decided === {decided + (not again)}")
        self.wait(f"return page.detail !== null && page.detail.row !== {row['row']}")
        return row


@pytest.fixture
def polarity(tmp_path: Path, corpora: Path) -> Path:
    rows = pl.read_parquet(corpora / "sentence_polarity.parquet").gather_every(40).head(200)
    rows.write_parquet(tmp_path / "rows.parquet")
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(POLARITY), encoding="utf-8")
    curate(recipe)
    return recipe


def test_a_person_reviews_fifty_rows_by_keyboard_alone(polarity: Path, serve, browser) -> None:
    from selenium.webdriver.common.keys import Keys

    page = serve(open_review(polarity, by="mara"))
    person = Person(browser, page)
    meant: dict[str, tuple] = {}
    for number in range(50):
        kind = number % 5
        if kind == 0:
            row = person.decide("d")
            meant[row["row_id"]] = ("drop", None, None)
        elif kind == 1:
            row = person.decide("1" if person.script("page.detail.label") == "pos" else "2")
            other = {"pos": "neg", "neg": "pos"}[row["label"]]
            meant[row["row_id"]] = ("relabel", other, None)
        elif kind == 2:
            person.press("e")
            person.wait("return document.activeElement.id === 'text'")
            row = person.decide(Keys.END, " !", Keys.CONTROL + Keys.ENTER)
            meant[row["row_id"]] = ("edit", None, row["text"] + " !")
        else:
            row = person.decide("ks"[kind - 3])
            meant[row["row_id"]] = (("keep", "skip")[kind - 3], None, None)
    # the last two were mistakes
    for left in (49, 48):
        person.press("z")
        person.wait(f"return page.state.decided === {left}")
        meant.popitem()
    lines = [json.loads(line) for line in page.server.session.hand.path.read_text().splitlines()]
    undone = {event for line in lines for event in line.get("undo", ())}
    said = {
        line["row_id"]: (line["decision"], line.get("label"), line.get("text"))
        for line in lines
        if "undo" not in line and line["event"] not in undone
    }
    assert said == meant
    assert browser.complaints() == []
    base = f"http://127.0.0.1:{page.server.server_port}/"
    assert all(url.startswith(base) for url in browser.requests())
    before = page.server.session.rows.frame
    assert curate(polarity).rows.read == before.height
    kept = pl.read_delta(str(polarity.parent / "out" / "set"))
    expected = {}
    for row_id, text, label in before.select("row_id", "text", ":label").iter_rows():
        verb, relabelled, edited = meant.get(row_id, ("", None, None))
        text, label = edited or text, relabelled or label
        if verb == "keep" or (verb != "drop" and len(text) >= 40):
            expected[row_id] = (text, label)
    found = {r: (t, b) for r, t, b in kept.select("row_id", "text", "label").iter_rows()}
    assert found == expected


def test_search_facets_and_help_work_by_keyboard(page, browser) -> None:
    from selenium.webdriver.common.keys import Keys

    person = Person(browser, page)
    person.press("/", "wonderful", Keys.ESCAPE)
    person.wait("return page.filter.q === 'wonderful' && page.total > 0 && page.rows.length")
    assert "wonderful" in person.script("$('one').querySelector('mark').textContent")
    person.press("?")
    assert person.script("$('dialog').open")
    person.press("k", Keys.ESCAPE)
    assert person.script("page.state.decided") == 0
    name = "document.querySelector('#chips button').getAttribute('aria-label')"
    assert person.script(name) == "Remove “wonderful”"
    unnamed = """[...document.querySelectorAll('button, input, select, canvas, [role=img]')]
        .filter(one => !(one.ariaLabel || one.textContent.trim() || one.labels?.length
          && [...one.labels].some(l => l.textContent.trim()))).map(one => one.outerHTML)"""
    assert person.script(unnamed) == []


def test_a_lasso_on_the_map_becomes_a_rule_in_the_recipe(
    recipe: Path, serve, browser, monkeypatch
) -> None:
    from selenium.webdriver import ActionChains

    monkeypatch.setattr("siftset.pipeline.review.map._has_opentsne", lambda: False)
    session = open_review(recipe, by="mara", with_map=True)
    session.preparation.make()
    person = Person(browser, serve(session))
    person.script("choose({queue: ''})")
    person.wait("return page.total === 63 && !$('mapcard').hidden && $('map').width > 300")
    canvas = person.driver.find_element("id", "map")
    wide, tall = canvas.size["width"] / 2 - 4, canvas.size["height"] / 2 - 4
    corners = ((0, -tall), (0, 0), (0, tall), (-wide, tall), (-wide, 0), (-wide, -tall), (0, -tall))
    person.press("l")
    drag = ActionChains(person.driver, duration=5)
    drag.move_to_element_with_offset(canvas, 0, int(-tall)).click_and_hold()
    for x, y in corners[1:]:
        drag.move_to_element_with_offset(canvas, int(x), int(y))
    drag.release().perform()
    person.wait("return page.filter.selection && page.total > 5 && page.total < 60")
    drawn = session.preparation.map
    chosen = session.matcher.selections[person.script("page.filter.selection")]
    # one side of the map, and every row of it
    assert drawn.x[chosen].max() < drawn.x[~chosen].min()
    person.script("proposeRules()")
    person.wait("return document.querySelectorAll('.rule').length")
    assert person.script("document.querySelector('.rule b').textContent")
    before = recipe.read_text()
    person.script("document.querySelector('.rule .end button').click()")
    person.wait("return document.querySelector('pre.diff')")
    assert recipe.read_text() == before
    person.script("document.querySelector('dialog .primary').click()")
    person.wait("return document.querySelector('dialog h2').textContent === 'Written'")
    assert recipe.read_text().startswith(f"{before}\n# Proposed by siftset review")
    assert browser.complaints() == []


def test_the_page_fits_a_phone(page, browser) -> None:
    browser.emulate(width=390)
    person = Person(browser, page)
    wide = "document.documentElement.scrollWidth"
    for tab in ("row", "list", "filter"):
        person.script(f"showTab('{tab}')")
        assert person.script(wide) == 390, tab
    person.script("showTab('row')")
    shown = "getComputedStyle(document.querySelector('.acts.verdict')).display"
    assert person.script(shown) == "grid"
    for dark in (False, True):
        browser.emulate(dark=dark, width=1200)
        person.wait("return page.detail !== null")
        assert browser.dim_texts() == {}, dark


def test_without_the_key_there_is_nothing_to_see(page, browser) -> None:
    browser.open("about:blank")
    browser.open(f"http://127.0.0.1:{page.server.server_port}/")
    for _ in range(3000):
        said = browser.driver.execute_script("return $('notice').textContent")
        if said:
            break
        time.sleep(0.02)
    assert "it holds the key of this session" in said
    assert browser.driver.execute_script("return $('list').children.length") == 0


def test_a_file_is_reviewed_from_disk_saved_and_taken_in(
    session, recipe: Path, tmp_path: Path, browser, told
) -> None:
    file = tmp_path / "review.html"
    write_static(session, file)
    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    person = Person(browser, file)
    assert person.script("page.filter.queue") == "doubt"
    doubtful = {person.decide("d")["row"], person.script("page.detail.row")}
    assert doubtful == {11, 30}
    person.press("1")
    person.wait("return page.state.decided === 2")
    person.press("z")
    person.wait("return page.state.decided === 1")
    person.script("choose({queue: '', facets: {origin: ['shop']}})")
    person.wait("return page.total === 20")
    person.script("decideAll('keep')")
    person.script("document.querySelector('dialog .primary').click()")
    person.wait("return page.state.decided >= 20")
    decided = person.script("page.state.decided")
    person.script("saveDecisions()")
    person.script("document.querySelector('dialog input').value = 'Otto'")
    person.script("document.querySelector('dialog .primary').click()")
    saved = tmp_path / "Otto.jsonl"
    person.wait("return document.querySelector('dialog h2').textContent === 'Saved'")
    for _ in range(1200):
        if saved.exists():
            break
        time.sleep(0.05)
    told("review", recipe, "--import", saved)
    assert open_review(recipe).state()["decided"] == decided
    assert browser.complaints() == []
    assert {url for url in browser.requests() if not url.startswith("blob:")} == {
        file.resolve().as_uri()
    }


def _hostile(folder: Path, payloads: tuple[str, ...]) -> Path:
    texts = [f"{payload} row {number}" for number in range(3) for payload in payloads]
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    rows = [
        {"id": f"{number} {text[:60]}", "text": text, "label": text[:40], "origin": text[:50]}
        for number, text in enumerate(clean)
    ]
    attack = "<img src=x onerror=document.title='owned'>"
    (folder / f"{attack}.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    recipe = {
        "name": "hostile",
        "output": "out",
        "source": {"files": {"paths": ["*.jsonl"], "id": "id"}},
        "signals": {"words": {"keyword": {"words": [attack, "row 1"]}},
                    "all": {"length": {"min": 3}}},
        "keep": "all & ~words",
        "dedupe": {"exact": False},
    }  # fmt: skip
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    curate(path)
    return path


@pytest.mark.parametrize("kind", ["served", "file"])
def test_hostile_rows_are_text(
    tmp_path: Path, payloads: tuple[str, ...], serve: Callable, browser, kind: str
) -> None:
    session = open_review(_hostile(tmp_path, payloads), by=payloads[0])
    session.preparation.make()
    place: Any = tmp_path / "review.html"
    if kind == "file":
        write_static(session, place)
    else:
        place = serve(session)
    person = Person(browser, place)
    attack = "<img src=x onerror=document.title=`owned`>"
    steps = (
        "choose({queue: ''})",
        "go(4)",
        "decide('relabel', {label: page.state.labels[3]})",
        f"decide('edit', {{text: '{attack}'}})",
        "choose({facets: {label: [page.state.labels[1]]}})",
        "decideAll('relabel')",
        "closeDialog()",
        "showKeys()",
        "closeDialog()",
        "choose({q: '<img'})",
        "choose({q: '', facets: {}})",
        "go(7)",
    )
    for step in steps:
        person.script(step)
        person.wait("return page.detail !== null || !current()")
    assert person.script("document.title") == "Review · hostile"
    strange = "document.querySelectorAll('img, iframe, svg, base, main script, [onload]').length"
    assert person.script(strange) == 0
    assert not set("\u202e\u2066\x00\x07\x1b") & set(person.script("document.body.textContent"))
    refused = "(() => { try { document.body.innerHTML = 'x'; } catch { return true; } })()"
    assert person.script(refused) is True
    assert all("Trusted" in said or "trusted" in said for said in browser.complaints())
    base = place.as_uri() if kind == "file" else place.server.address.partition("#")[0]
    assert all(url.startswith(base) for url in browser.requests())
