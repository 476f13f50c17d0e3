"""Rules for chosen rows: what finds them again, and how a recipe comes to hold it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.schemas.recipe.loading import load_recipe


@pytest.fixture
def loud(page) -> dict:
    """The filter of the rows that speak of a loud film or bore."""
    return {"q": "loud"}


def test_a_word_that_sets_rows_apart_is_found(page, loud) -> None:
    found = page.tell("propose", filter=loud)
    assert found["chosen"] == 13
    best = found["rules"][0]
    assert (best["kind"], best["title"]) == ("keyword", "any of loud")
    assert (best["precision"], best["recall"], best["rows"]) == (1.0, 1.0, pytest.approx(13, abs=7))


def test_a_rule_is_judged_on_rows_that_did_not_make_it(session) -> None:
    rng = np.random.default_rng(3)
    chosen = rng.random(session.rows.count) < 0.5
    rules = session.rules.propose(chosen)["rules"]
    # nothing sets rows apart that were drawn by lot
    assert all(rule["precision"] < 0.75 or rule["recall"] < 0.4 for rule in rules)


def test_too_few_rows_and_all_rows_have_no_rule(page) -> None:
    for asked in ({"q": "number 7."}, {}):
        status, said, _ = page.send("POST", "/api/propose", json.dumps({"filter": asked}))
        assert (status, b"at least 5 rows" in said) == (400, True)


def test_a_rule_is_shown_then_written_as_a_comment_that_works(page, loud, recipe: Path) -> None:
    before = recipe.read_text()
    rule = page.tell("propose", filter=loud)["rules"][0]
    shown = page.tell("rule", id=rule["id"])
    assert recipe.read_text() == before
    assert [line[0] for line in shown["diff"] if not line.startswith(("---", "+++", "@@"))]
    assert all(line[:2] in ("+#", "+") for line in shown["diff"][2:] if line[0] == "+")
    page.tell("rule", id=rule["id"], before=shown["before"])
    after = recipe.read_text()
    assert after.startswith(before)
    assert load_recipe(recipe).recipe == load_recipe(page.server.session.rows.loaded.path).recipe
    status, said, _ = page.send(
        "POST", "/api/rule", json.dumps({"id": rule["id"], "before": shown["before"]})
    )
    assert (status, b"was changed since" in said, recipe.read_text()) == (400, True, after)
    # what the comment says holds: the signal, and the first formula
    lines = [line.removeprefix("# ") for line in after[len(before) :].splitlines()]
    block = "\n".join(lines[lines.index("signals:") + 1 : -2])
    kept = next(line for line in lines if line.startswith("keep:"))
    plain = before.replace("signals:", f"signals:\n{block}").replace(
        "keep: some & (film | (strong >= 0.3))", kept
    )
    recipe.write_text(plain)
    rows = curate(recipe).rows
    assert rows.kept == sum(
        "loud" not in row["text"]
        for row in page.ask("rows", filter={"facets": {"part": ["kept"]}}, limit="500")["rows"]
    )


def test_a_recipe_that_cannot_hold_a_comment_says_so(session, recipe: Path) -> None:
    session.rules.propose(
        session.rows.frame["text"].str.contains("loud").fill_null(False).to_numpy()
    )
    path = recipe.with_suffix(".json")
    path.write_text("{}")
    object.__setattr__(session.rows.loaded, "path", path)
    with pytest.raises(Exception, match="is no YAML file of yours"):
        session.rules.write(0, None)
