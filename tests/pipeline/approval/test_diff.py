from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siftset.pipeline.approval import turnover
from siftset.pipeline.approval.diff import diff
from siftset.pipeline.approval.tag import tag
from siftset.pipeline.approval.turnover import count_turnover
from siftset.pipeline.cli.summary import curate_summary
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.explain import explain_difference
from siftset.pipeline.refresh.plans import plan
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.table import DataFile, Store
from siftset.schemas.errors import OutputError

RECIPE = """
name: moving
output: out
source: {files: {paths: [texts.jsonl], id: id}}
signals:
  nike: {keyword: {words: [nike]}}
  size: {length: {min: 8, unit: chars}}
integrity: {rows: {text: {max_chars: 60}}}
keep: nike & size
"""
TEXTS = {
    "both": "nike shoes",
    "short": "nike",
    "other": "other shoes",
    "twin": "my nike shoes",
    "copy": "my  nike shoes",
    "long": "nike " * 30,
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    _write(tmp_path, TEXTS)
    return path


def _write(folder: Path, texts: dict[str, str]) -> None:
    rows = [json.dumps({"id": name, "text": text}) for name, text in texts.items()]
    (folder / "texts.jsonl").write_text("\n".join(rows) + "\n")


def test_the_difference_foretells_what_curate_does(recipe):
    first = curate(recipe)
    assert first.turnover is None
    overrides = ["keep=nike | size", "dedupe.exact=false"]
    found = explain_difference(recipe, overrides=overrides)
    told = found.facts["changes"]
    assert found.text.splitlines()[0] == (
        "version 0 -> this recipe: 3 rows added, 0 removed, 0 changed"
    )
    second = curate(recipe, overrides=overrides)
    assert second.turnover is not None
    moved = (second.turnover.entered, second.turnover.left)
    assert moved == (told["added"], told["removed"]) == (3, 0)
    assert "changes   3 rows added, 0 removed since version 0" in curate_summary(second, "r")
    assert second.to_json()["turnover"] == {"against": 0, "entered": 3, "left": 0}
    assert diff(recipe).reasons == diff(recipe, 0, 1).reasons
    assert {(one.kind, one.reason, one.detail) for one in diff(recipe).reasons} == {
        ("added", "formula", "nike"),
        ("added", "formula", "size"),
        ("added", "rule", ""),
    }


def test_a_plan_and_any_two_versions_are_compared(recipe):
    with pytest.raises(OutputError, match="holds no version to compare"):
        diff(recipe)
    curate(recipe)
    with pytest.raises(OutputError, match="version 0 is the first one"):
        diff(recipe)
    with pytest.raises(OutputError, match="has no plan"):
        diff(recipe, after="plan")
    curate(recipe, overrides=["signals.size.length.min=3"])
    tag(recipe, "short", 1)
    laid = plan(recipe, overrides=["signals.size.length.min=12"]).plan
    assert laid is not None
    waiting = diff(recipe, after="plan")
    assert (waiting.before.name, waiting.changes.removed) == ("version 1", 2)
    assert diff(recipe, "short", laid.plan_id) == waiting
    further = diff(recipe, 0, "plan")
    assert (further.before.version, further.changes.removed) == (0, 1)
    assert diff(recipe, "short", 0).changes.removed == 1


def test_a_page_and_a_comment_are_written(recipe, run, told, tmp_path):
    curate(recipe)
    curate(recipe, overrides=["signals.size.length.min=3"])
    page = tmp_path / "diff.html"
    shown = run("diff", recipe, "--html", page, "--markdown")
    assert "a changed threshold" in page.read_text()
    assert shown.stdout.startswith("### `moving`: 1 row added, 0 removed, 0 changed")
    assert told("diff", recipe, "--from", "0", "--to", "1")["changes"]["added"] == 1
    run_id = Store(tmp_path / "out").commit_of(1).run_id
    assert (tmp_path / "out/runs" / run_id / "diff.html").is_file()
    assert f"./runs/{run_id}/diff.html" in (tmp_path / "out/index.html").read_text()


def test_a_part_of_the_input_is_not_compared(recipe):
    curate(recipe)
    assert curate(recipe, options=CurateOptions(limit=2)).turnover is None
    assert curate(recipe, options=CurateOptions(dry_run=True)).turnover is not None


def test_without_a_version_there_is_nothing_to_compare_with(recipe):
    with pytest.raises(OutputError, match="holds no version to compare with"):
        explain_difference(recipe)


IDS = st.sets(st.integers(0, 40).map(lambda n: f"{(n * 0x9E3779B97F4A7C15) % 2**64:016x}" * 2))


def _files(folder: Path, ids: set[str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "train-00000.parquet"
    pl.DataFrame({"row_id": sorted(ids), "text": sorted(ids)}, schema_overrides={
        "row_id": pl.String, "text": pl.String}).write_parquet(path)  # fmt: skip
    return [path]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=IDS, after=IDS, rows=st.sampled_from([1, 7, 100]))
def test_turnover_counts_as_sets_do(before, after, rows, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(turnover, "PASS_ROWS", rows)
    folder = tmp_path_factory.mktemp("turnover")
    store = Store(folder)
    old, new = _files(folder / "old", before), _files(folder / "new", after)
    assert count_turnover(store, new) is None
    store.publish([DataFile(old[0], "train", len(before))], run_id="r", key="k", base=None)
    found = count_turnover(store, new)
    assert found is not None
    assert (found.entered, found.left) == (len(after - before), len(before - after))
