"""The server asked as a client asks it: over stdio, by the official SDK."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh.plans import plan
from siftset.schemas.errors import MissingExtraError, SiftsetError

HIDDEN = "good \u202eshoe\u202c\x1b[2J " + "word " * 400


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [HIDDEN, "good socks", "good hat", "bad hat", "poor bag", "fine good bag"]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(rows))
    )
    path = tmp_path / "shop.json"
    content = {
        "name": "shop",
        "output": "out",
        "source": {"files": {"paths": ["rows.jsonl"], "id": "id"}},
        "signals": {"good": {"keyword": {"words": ["good"]}},
                    "bag": {"keyword": {"words": ["bag"]}}},
        "keep": "good",
        "analysis": "full",
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


def ask(recipe: Path, *calls: tuple[str, dict[str, object]], flags: tuple[str, ...] = ()):
    """Start `siftset mcp` and return its tools and the answer to each call."""
    mcp = pytest.importorskip("mcp")

    async def talk():
        command = ["-m", "siftset.pipeline.cli", "mcp", str(recipe), *flags]
        server = mcp.StdioServerParameters(
            command=sys.executable, args=command, cwd=str(recipe.parent)
        )
        async with mcp.Client(server) as client:
            tools = (await client.list_tools()).tools
            answers = [await client.call_tool(name, given) for name, given in calls]
        return tools, answers

    return anyio.run(talk)


def test_a_client_reads_runs_reports_rows_and_versions(recipe: Path) -> None:
    curate(recipe)
    changed = plan(recipe, overrides=("keep=good & bag",)).plan
    folder = sorted(path.read_bytes() for path in (recipe.parent / "out").rglob("*.json"))
    tools, answers = ask(
        recipe,
        ("list_runs", {}),
        ("read_report", {}),
        ("try_formula", {"formula": "good & ~bag"}),
        ("try_formula", {"formula": "keyword(list='/etc/passwd')"}),
        ("diff_versions", {"after": changed.plan_id}),
        ("list_plans", {}),
        ("apply_plan", {"plan_id": changed.plan_id, "note": "please"}),
        ("explain_row", {"row_id": "../../etc"}),
        ("list_runs", {"recipe": "other"}),
    )
    assert {one.name for one in tools} == {
        "list_runs", "read_report", "explain_row", "try_formula", "diff_versions", "list_plans",
    }  # fmt: skip
    assert all(one.annotations.read_only_hint for one in tools)
    told = [one.structured_content for one in answers]
    assert (told[0]["current_version"], told[0]["runs"][0]["rows"]["kept"]) == (0, 4)
    assert told[1]["verdict"] == "pass"
    assert {one["name"] for one in told[1]["signals"]} == {"good"}
    assert "good socks" not in json.dumps(told[1])
    assert (told[2]["formula"], told[2]["kept"]) == ("good & ~bag", 3)
    assert "expected names of the recipe's signals" in answers[3].content[0].text
    assert told[4]["changes"]["removed"] == 3
    assert [one["plan_id"] for one in told[5]["plans"]] == [changed.plan_id]
    assert [one.is_error for one in answers] == [False] * 3 + [True] + [False] * 2 + [True] * 3
    assert "expected a row_id" in answers[7].content[0].text
    assert answers[8].content[0].text.endswith("no recipe 'other', expected one of shop")
    assert folder == sorted(p.read_bytes() for p in (recipe.parent / "out").rglob("*.json"))


@pytest.mark.slow
def test_texts_of_rows_are_cut_and_show_what_they_hide(recipe: Path) -> None:
    import polars as pl

    run = curate(recipe)
    row = pl.read_delta(str(run.output / "set")).filter(pl.col("id") == "0")["row_id"].item()
    _, (answer,) = ask(recipe, ("explain_row", {"row_id": row[:12]}))
    text = answer.structured_content["row"]["text"]
    assert text.startswith("good \\u202eshoe\\u202c\\x1b[2J word")
    assert len(text) < 700
    assert all(one.isprintable() for one in text)


@pytest.mark.slow
def test_a_plan_is_applied_by_its_whole_id_where_that_is_allowed(recipe: Path) -> None:
    curate(recipe)
    found = plan(recipe, overrides=("keep=good & bag",)).plan
    flags = ("--allow-apply", "--set", "keep=good & bag")
    _, answers = ask(
        recipe,
        ("apply_plan", {"plan_id": found.plan_id[:12], "note": "looked at it"}),
        ("apply_plan", {"plan_id": found.plan_id, "note": " "}),
        ("apply_plan", {"plan_id": found.plan_id, "note": "looked at it"}),
        ("list_runs", {}),
        flags=flags,
    )
    assert [one.is_error for one in answers] == [True, True, False, False]
    assert "is no id of a plan" in answers[0].content[0].text
    assert answers[2].structured_content == {"version": 1, "rows": 1, "plan_id": found.plan_id}
    assert answers[3].structured_content["current_version"] == 1


def test_without_the_extra_one_line_says_what_to_install(recipe, monkeypatch) -> None:
    from siftset.pipeline.mcp_server import server

    monkeypatch.setattr(server, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"siftset mcp needs the extra 'mcp'.*siftset\[mcp\]"
    ):
        server.serve_recipes([str(recipe)])


def test_two_recipes_are_told_apart_by_name(recipe: Path, tmp_path: Path) -> None:
    from siftset.pipeline.mcp_server.tools import RecipeTools

    other = tmp_path / "b" / "shop.json"
    other.parent.mkdir()
    other.write_text(recipe.read_text())
    with pytest.raises(SiftsetError, match="two recipes have one file name"):
        RecipeTools([str(recipe), str(other)])
    with pytest.raises(SiftsetError, match=r"no recipe '', expected one of shop, nike"):
        RecipeTools([str(recipe), "nike"]).list_runs()
    curate(recipe)
    tools = RecipeTools([str(recipe), "nike"])
    assert tools.list_runs("shop")["current_version"] == 0
