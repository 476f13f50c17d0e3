from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siftset.pipeline.cli.summary import curate_summary
from siftset.pipeline.commands import diff
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.diff import SetState, compare_states, count_turnover
from siftset.pipeline.commands.explain import explain_difference
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


def _moves(recipe: Path, *overrides: str) -> dict[str, dict[str, str]]:
    found = explain_difference(recipe, overrides=overrides).facts
    return {
        side: {" ".join(str(move["text"]).split())[:14]: move["why"] for move in found[side]}
        for side in ("enter", "leave")
    }  # type: ignore[index,union-attr]


def test_a_row_that_the_formula_lets_in_says_which_signal_changed(recipe):
    curate(recipe)
    found = _moves(recipe, "signals.size.length.min=3")
    assert found == {"enter": {"nike": "was rejected by  size ; size: false -> true"}, "leave": {}}


def test_a_row_that_leaves_names_the_clause_and_the_scores(recipe):
    curate(recipe)
    found = explain_difference(recipe, overrides=["signals.size.length.min=12"])
    (move,) = found.facts["leave"]  # type: ignore[misc]
    assert move["why"] == "is now rejected by  size ; size: true -> false"
    assert move["signals"] == {"size": ["true", "false"]}
    assert move["scores"] == {"size": [10.0, 10.0]}
    assert (move["place"], move["reason"]) == ("rejected", "size")
    assert found.text.splitlines()[0] == "against version 0: 0 enter, 1 leave"
    assert found.text.splitlines()[-1].endswith("size: true -> false  (size 10)")


def test_rows_move_for_other_reasons_than_signals(recipe, tmp_path):
    curate(recipe)
    _write(tmp_path, {**TEXTS, "new": "a new nike"} | {"other": "x"})
    assert _moves(recipe)["enter"] == {"a new nike": "is new (no earlier run has a record of it)"}
    found = _moves(recipe, "integrity.rows.text.max_chars=999")
    assert found["enter"]["nike nike nike"] == "was quarantined: text: longer than 60 characters"
    found = _moves(recipe, "integrity.rows.text.max_chars=12")
    assert found["leave"] == {
        "my nike shoes": "is now quarantined: text: longer than 12 characters"
    }
    _write(tmp_path, {name: text for name, text in TEXTS.items() if name != "both"})
    assert _moves(recipe)["leave"] == {"nike shoes": "is gone (this run has no record of it)"}


def test_a_duplicate_that_comes_back_says_what_it_was(recipe):
    curate(recipe)
    assert _moves(recipe, "dedupe.exact=false")["enter"] == {"my nike shoes": "was a duplicate"}
    curate(recipe, overrides=["dedupe.exact=false"])
    assert _moves(recipe)["leave"] == {"my nike shoes": "is now a duplicate"}


def test_another_formula_moves_rows_though_no_signal_changed(recipe):
    curate(recipe)
    why = _moves(recipe, "keep=size & ~nike")
    same = "no signal says otherwise, the formula is another"
    assert why["enter"] == {"other shoes": f"was rejected by  nike ; {same}"}
    assert set(why["leave"]) == {"nike shoes", "my nike shoes"}
    assert set(why["leave"].values()) == {f"is now rejected by  ~nike ; {same}"}


def test_the_difference_foretells_what_curate_does(recipe):
    first = curate(recipe)
    assert first.turnover is None
    overrides = ["keep=nike | size", "dedupe.exact=false"]
    told = explain_difference(recipe, overrides=overrides).facts
    second = curate(recipe, overrides=overrides)
    assert second.turnover is not None
    moved = (second.turnover.entered, second.turnover.left)
    assert moved == (told["entered"], told["left"]) == (3, 0)
    assert "changes   3 rows enter, 0 leave against version 0" in curate_summary(second, "r")
    assert second.to_json()["turnover"] == {"against": 0, "entered": 3, "left": 0}


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
    monkeypatch.setattr(diff, "PASS_ROWS", rows)
    folder = tmp_path_factory.mktemp("turnover")
    store = Store(folder)
    old, new = _files(folder / "old", before), _files(folder / "new", after)
    assert count_turnover(store, new) is None
    store.publish([DataFile(old[0], "train", len(before))], run_id="r", key="k", base=None)
    found = count_turnover(store, new)
    assert found is not None
    assert (found.entered, found.left) == (len(after - before), len(before - after))
    sides = [SetState(pl.scan_parquet(files), ()) for files in (store.files(), new)]
    listed = compare_states(0, *sides)
    assert [move.row_id for move in listed.enter] == sorted(after - before)
    assert [move.row_id for move in listed.leave] == sorted(before - after)
