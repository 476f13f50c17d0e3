"""What a refresh reads, writes and refuses."""

from __future__ import annotations

import json

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh, refresh_set
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.errors import GateFailed, RecipeError, SourceError

IDS = {"files": {"paths": ["in/*.jsonl"], "id": "id"}}


def tree(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in files}


def held(world):
    return world.set().select("text", pl.col("source").struct.field("file")).sort("text").rows()


def test_only_what_is_new_is_read(new_world):
    world = new_world()
    world.texts("a", "the first text", "hi")
    world.texts("b", "the second text")
    assert world.refresh().rows.read == 3
    world.texts("c", "the third text", "bad and long", None)
    result = world.refresh()
    assert result.rows.to_json() == {
        "read": 3, "kept": 1, "rejected": 1, "quarantined": 1, "duplicate": 0, "unreadable": 0,
    }  # fmt: skip
    assert (result.set_rows, result.version, result.turnover.entered) == (3, 1, 1)
    manifest = json.loads((result.report.parent / "manifest.json").read_text())
    assert (manifest["command"], manifest["state"]) == ("refresh", "published")
    kept = {name: pl.read_parquet(result.report.parent / name / "*.parquet").height
            for name in ("rejected", "quarantine", "duplicates", "unreadable")}  # fmt: skip
    assert kept == {"rejected": 1, "quarantine": 1, "duplicates": 0, "unreadable": 0}


def test_rows_that_stay_are_not_written_again(new_world):
    world = new_world()
    world.texts("a", "the first text")
    world.refresh()
    before = {name for name in tree(world.folder / "out/set") if name.endswith(".parquet")}
    world.texts("a", "the first text", "appended to it")
    world.refresh()
    after = {name for name in tree(world.folder / "out/set") if name.endswith(".parquet")}
    assert before < after
    runs = world.folder / "out/versions/1"
    texts = [pl.read_parquet(p)["text"].to_list() for p in sorted(runs.iterdir())]
    assert sorted(texts) == [["appended to it"], ["the first text"]]


def test_nothing_new_writes_nothing(new_world):
    world = new_world()
    world.texts("a", "the first text")
    first = world.refresh()
    before = tree(world.folder / "out")
    again = world.refresh()
    assert tree(world.folder / "out") == before
    assert (first.new, again.new, again.version) == (True, False, 0)


def test_after_curate_nothing_is_new(new_world):
    world = new_world()
    world.texts("a", "the first text")
    curate(world.path())
    assert not world.refresh().new
    world.texts("b", "the second text")
    assert world.refresh().set_rows == 2
    assert not curate(world.path()).new


def test_a_late_row_displaces_a_published_keeper(new_world):
    world = new_world()
    world.texts("b", "the same text", "another text")
    world.refresh()
    world.texts("a", "the  same text")
    result = world.refresh()
    assert held(world) == [("another text", "b.jsonl"), ("the  same text", "a.jsonl")]
    assert result.rows.kept == 1
    world.remove("a")
    world.change(refresh={"removed": "delete"})
    world.refresh()
    assert held(world) == [("another text", "b.jsonl"), ("the same text", "b.jsonl")]


def test_rows_of_inputs_that_are_gone_stay(new_world):
    world = new_world()
    world.texts("a", "the first text", "the  second text")
    world.texts("b", "the second text", "the third text")
    world.refresh()
    full = world.full()
    world.remove("a")
    assert not world.refresh().new
    assert world.set().equals(full)
    world.texts("c", "the first text", "a fourth")
    world.refresh()
    assert [text for text, _ in held(world)] == [
        "a fourth", "the  second text", "the first text", "the third text",
    ]  # fmt: skip


def test_rows_that_are_gone_are_decided_anew_by_a_changed_recipe(new_world):
    world = new_world()
    world.texts("a", "the first text", "a short")
    world.texts("b", "the second text")
    world.refresh()
    world.remove("a")
    world.change(signals={"long": {"length": {"min": 10}}, "bad": {"keyword": {"words": ["bad"]}}})
    world.refresh()
    assert held(world) == [("the first text", "a.jsonl"), ("the second text", "b.jsonl")]


def test_rows_that_are_gone_are_taken_from_the_set_where_nothing_else_is_left(new_world):
    world = new_world()
    world.texts("a", "the first text")
    world.texts("b", "the second text")
    world.refresh()
    world.remove("a")
    world.forget()
    world.texts("c", "the third text")
    world.refresh()
    assert [file for _, file in held(world)] == ["a.jsonl", "b.jsonl", "c.jsonl"]


def test_replace_lets_rows_go_whose_input_is_gone(new_world):
    world = new_world(refresh={"merge": "replace"})
    world.texts("a", "the first text")
    world.texts("b", "the second text")
    world.refresh()
    world.remove("a")
    world.refresh()
    assert held(world) == [("the second text", "b.jsonl")]


def test_the_same_id_again(new_world):
    world = new_world(source=IDS)
    world.write("a", [{"id": 1, "text": "the first text"}])
    world.refresh()
    world.write("b", [{"id": 1, "text": "the first text"}, {"id": 2, "text": "the second"}])
    result = world.refresh()
    assert (result.rows.kept, result.rows.duplicate) == (1, 1)
    world.write("c", [{"id": 2, "text": "quite another"}])
    with pytest.raises(SourceError, match="one id and different contents"):
        world.refresh()
    assert world.set().height == 2
    world.change(refresh={"merge": "upsert"})
    world.refresh()
    assert held(world) == [("quite another", "c.jsonl"), ("the first text", "b.jsonl")]
    assert world.set().equals(world.full())


def test_an_upsert_may_take_a_row_out(new_world):
    world = new_world(source=IDS, refresh={"merge": "upsert"})
    world.write("a", [{"id": 1, "text": "the first text"}, {"id": 2, "text": "the second"}])
    world.refresh()
    world.write("b", [{"id": 1, "text": "bad is what it became"}])
    world.refresh()
    assert held(world) == [("the second", "a.jsonl")]
    assert world.set().equals(world.full())


def test_near_duplicates_are_held_against_published_rows(new_world):
    long = "one two three four five six seven eight nine ten eleven twelve"
    world = new_world(dedupe={"near": 0.6})
    world.texts("b", long)
    world.refresh()
    world.texts("a", f"{long} thirteen", "something else entirely")
    result = world.refresh()
    assert result.rows.duplicate == 1
    assert held(world) == [(long, "b.jsonl"), ("something else entirely", "a.jsonl")]


def test_a_column_that_widens_is_read_anew(new_world):
    world = new_world()
    world.write("a", [{"text": "the first text", "n": 1}])
    world.refresh()
    world.write("b", [{"text": "the second text", "n": 1.5, "more": "x"}])
    world.refresh()
    assert world.set().equals(world.full())
    assert world.set().schema["n"] == pl.Float64


def test_the_gate_judges_what_is_new(new_world):
    world = new_world(integrity={"thresholds": {"rejected_share": {"critical": 0.5}}})
    world.texts("a", *(f"text number {n}" for n in range(20)))
    world.refresh()
    before = world.set()
    world.texts("b", "bad and long", "bad again, long", "good and long")
    with pytest.raises(GateFailed, match="rejected_share"):
        world.refresh()
    assert world.set().equals(before)
    world.change(integrity={})
    assert world.refresh().rows.read == 3


def test_many_small_files_become_few(new_world, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.refresh.write_version.MANY_FILES", 3)
    world = new_world(split={"train": 1.0, "validation": 0.0})
    for number in range(5):
        world.texts(f"f{number}", f"text number {number}")
        result = world.refresh()
    assert len(list((world.folder / f"out/versions/{result.version}").iterdir())) <= 3
    assert world.set().equals(world.full())


def test_a_dry_run_publishes_nothing(new_world):
    world = new_world()
    world.texts("a", "the first text")
    world.refresh()
    before = {k: v for k, v in tree(world.folder / "out").items() if not k.startswith("ledger")}
    world.texts("b", "the second text")
    result = refresh(world.path(), options=CurateOptions(dry_run=True))
    after = {k: v for k, v in tree(world.folder / "out").items() if not k.startswith("ledger")}
    assert {k: v for k, v in after.items() if not k.startswith("preview")} == before
    assert (result.version, result.rows.read, result.set_rows) == (None, 1, 2)
    assert pl.read_parquet(result.output / "preview/set/*.parquet").height == 2


def test_what_is_damaged_is_read_anew(new_world):
    world = new_world()
    world.texts("a", "the first text")
    world.refresh()
    (entry,) = (world.folder / "out/ledger/rows").iterdir()
    next(entry.iterdir()).unlink()
    world.texts("b", "the second text")
    assert world.refresh().rows.read == 2
    assert world.set().height == 2


def test_training_that_nothing_describes_is_refused_first(new_world):
    world = new_world(refresh={"retrain_after": 10})
    world.texts("a", "the first text")
    with pytest.raises(RecipeError, match="no section 'train'"):
        refresh(world.path())
    assert not (world.folder / "out/set").exists()
    assert refresh_set(world.path()).new
