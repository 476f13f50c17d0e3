"""What travels between machines: results of shards, and the files that signals name."""

from __future__ import annotations

import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from siftset.pipeline.engines.ray import worker as remote
from siftset.pipeline.engines.ray.code_shipping import stage_files
from siftset.pipeline.engines.ray.driver import Driver, count_equal_records
from siftset.pipeline.engines.ray.failed_shard import quarantine_shard
from siftset.pipeline.engines.shard_results import (
    ShardCost,
    ShardRecord,
    close_shards,
    load_record,
    open_shards,
    shard_name,
    store_record,
)
from siftset.pipeline.run.content_key import text_key
from siftset.pipeline.run.job import Job, load_job
from siftset.pipeline.run.row_sample import SeededSample
from siftset.pipeline.stages.process_shard import OUTCOMES, ShardContext, ShardResult, process_shard
from siftset.pipeline.storage.part_files import count_rows
from siftset.schemas.errors import OutputError, RecipeError
from siftset.schemas.progress import Silent

RECIPE = """
name: travels
output: out
seed: 2
source: {files: {paths: [in.jsonl], text: text, id: id}}
signals:
  good: {keyword: {list: lists/words.txt}}
  mine: {python: "own/mine.py:mine"}
keep: good & mine
analysis: full
integrity: {rows: {text: {max_chars: 40}}}
"""
MINE = """
from siftset import signal

@signal(examples=[("a b", True), ("", False), (None, None)])
def mine(text: str) -> bool:
    return " " in text
"""


@pytest.fixture
def job(tmp_path) -> Job:
    for name, text in {
        "r.yaml": RECIPE,
        "lists/words.txt": "good\n",
        "lists/other.txt": "not named\n",
        "own/mine.py": MINE,
        "own/table.json": "{}",
        "own/notes.md": "no",
        "in.jsonl": "".join(
            f'{{"id": {n}, "text": "{["good one", "bad one", "good", "x" * 50][n % 4]}"}}\n'
            for n in range(40)
        )
        + "broken\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return load_job(tmp_path / "r.yaml")


def work_of(job: Job, folder: Path) -> ShardContext:
    return ShardContext(
        decider=job.decider,
        rules=job.rules,
        output_rules=job.output_rules,
        columns=job.columns,
        split=job.split(),
        official_split=False,
        record="full",
        content_key=text_key(),
        track_ids=True,
        analyse=True,
        keep_input=True,
        folder=folder,
        key=job.key,
        watch=lambda: SeededSample(100),
        stop=threading.Event(),
        advance=lambda done: None,
        tally=lambda balance: None,
    )


def kept_of(job: Job, draft: Path) -> ShardRecord:
    draft.mkdir(parents=True)
    result = process_shard(job.shards[0], 0, work_of(job, draft))
    return ShardRecord(
        result, job.decider.take_statistics(), ShardCost("node", 41, 1.0, 0.5, 2**28)
    )


def plain(result: ShardResult) -> dict[str, object]:
    names = (
        "balance", "unknown", "faulted", "faults", "rule_counts", "out_counts", "asked_out",
        "analysis", "clauses",
    )  # fmt: skip
    return {name: getattr(result, name) for name in names}


def test_a_result_comes_back_as_it_was(job, tmp_path):
    place = open_shards(tmp_path / "out", job.key) / shard_name(job.key, job.shards[0], 0)
    kept = kept_of(job, tmp_path / "out" / "draft")
    frames = kept.result.watch.frames
    store_record(kept, tmp_path / "out" / "draft", place)
    found = load_record(place)
    assert found is not None
    assert plain(found.result) == plain(kept.result)
    assert found.result.balance.kept == 10
    assert (found.statistics, found.cost) == (kept.statistics, kept.cost)
    assert all(
        one.equals(other) for one, other in zip(found.result.watch.frames, frames, strict=True)
    )
    for outcome in OUTCOMES:
        parts = found.result.parts[outcome]
        assert count_rows(parts) == count_rows(kept.result.parts[outcome])
        assert all(part.path.is_file() for part in parts)


def test_the_second_of_two_equal_results_is_dropped(job, tmp_path):
    place = open_shards(tmp_path / "out", job.key) / "000000-a"
    for name in ("one", "two"):
        store_record(kept_of(job, tmp_path / "out" / name), tmp_path / "out" / name, place)
        assert load_record(place) is not None
        assert not (tmp_path / "out" / name).exists()


@pytest.mark.parametrize(
    "harm",
    [
        lambda place: next(place.glob("rejected/*.parquet")).unlink(),
        lambda place: next(place.glob("candidates/*.parquet")).write_bytes(b"PAR1"),
        lambda place: (place / "result.json").write_text('{"balance"'),
        lambda place: (place / "result.json").unlink(),
        lambda place: next(place.glob("watch/*.arrow")).write_bytes(b"half"),
        shutil.rmtree,
    ],
)
def test_a_result_that_lost_a_file_is_none_and_makes_room_for_another(harm, job, tmp_path):
    root, shard = open_shards(tmp_path / "out", job.key), job.shards[0]
    place = root / shard_name(job.key, shard, 0)
    store_record(kept_of(job, tmp_path / "out" / "draft"), tmp_path / "out" / "draft", place)
    harm(place)
    assert load_record(place) is None
    run = SimpleNamespace(job=job, progress=Silent())
    driver = Driver(run, SimpleNamespace(place=root), SimpleNamespace())
    assert list(driver.find_missing([(0, shard)])) == [(0, shard)]
    store_record(kept_of(job, tmp_path / "out" / "draft"), tmp_path / "out" / "draft", place)
    assert load_record(place) is not None


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("out", "at the same path$"),
        ("s3://b/out", "path, where the work for s3://b/out is done: name one with SIFTSET_WORK$"),
    ],
)
def test_a_node_without_the_storage_says_what_it_lacks(output, said, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_node_id", lambda: "n1")
    loaded = SimpleNamespace(recipe=SimpleNamespace(output=output))
    payload = SimpleNamespace(loaded=loaded, output=tmp_path, place=tmp_path, mark="m")
    with pytest.raises(OutputError, match=f"node n1 does not see .*{said}"):
        remote._check_storage(payload)
    (tmp_path / "mark").write_text("m")
    remote._check_storage(payload)


def test_only_the_shards_of_this_run_stay(tmp_path):
    for key, name in (("old", "000000-a"), ("new", "000001-b"), ("new", ".draft-x")):
        (tmp_path / ".shards" / key / name).mkdir(parents=True)
    place = open_shards(tmp_path, "new")
    assert [path.name for path in place.iterdir()] == ["000001-b"]
    assert [path.name for path in place.parent.iterdir()] == ["new"]
    close_shards(tmp_path)
    assert not (tmp_path / ".shards").exists()


def test_a_shard_that_is_set_aside_keeps_its_rows(job, tmp_path):
    (tmp_path / "aside").mkdir()
    result = quarantine_shard(job.shards[0], 0, work_of(job, tmp_path / "aside"), "it hung")
    assert result.balance.to_json() == {
        "read": 41, "kept": 0, "rejected": 0, "quarantined": 40, "duplicate": 0, "unreadable": 1,
    }  # fmt: skip
    assert result.faulted == count_rows(result.parts["quarantine"]) == 40
    assert count_rows(result.parts["ids"]) == count_rows(result.parts["input"]) == 40
    assert result.parts["candidates"], "the first shard's parts state the columns"
    assert result.watch.frames == ()
    assert result.faults[0]["error"] == "it hung"


class OneByOne:
    """Does what a cluster does, in this process, with everything pickled on the way."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def map_tasks(self, function, items):
        self.asked.append(len(items))
        return [pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(i))))) for i in items]


def test_a_file_of_many_shards_is_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.sources.formats.columnar.PART_ROWS", 10)
    texts = ["good one", "good two"] * 25
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "many.parquet", row_group_size=10)
    (tmp_path / "r.yaml").write_text(
        "{name: m, output: out, source: {files: {paths: [many.parquet], text: text}}, keep: "
        "'~is_null()'}"
    )
    here = load_job(tmp_path / "r.yaml").sources
    there = load_job(tmp_path / "r.yaml").sources
    assert len(there.shards) == 5
    nodes = OneByOne()
    count_equal_records(list(enumerate(there.shards)), nodes)
    sent = [pickle.loads(pickle.dumps(shard)) for shard in there.shards]
    assert all(shard.file.is_counted for shard in sent)
    ids = [batch.frame["row_id"].to_list() for shard in sent for batch in shard.read_batches()]
    assert ids == [batch.frame["row_id"].to_list() for batch in here.read_batches()]
    assert len({row for batch in ids for row in batch}) == 50
    count_equal_records(list(enumerate(there.shards)), nodes)
    assert nodes.asked == [1, 0]


def test_what_signals_name_travels(job, tmp_path):
    folder = stage_files(job, tmp_path / "staged")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {
        "recipe/lists/words.txt", "recipe/own/mine.py", "recipe/own/table.json",
    }  # fmt: skip


def test_too_much_does_not_travel(job, tmp_path, monkeypatch):
    monkeypatch.setattr("siftset.pipeline.engines.ray.code_shipping.LARGEST", 10)
    with pytest.raises(RecipeError, match="too much to travel"):
        stage_files(job, tmp_path / "staged")


def test_absolute_paths_and_strangers_do_not_travel(job, tmp_path):
    specs = {"good": {"keyword": {"list": "/etc/hostname"}}, "mine": {"python": "../x.py:y"}}
    recipe = job.recipe.model_copy(update={"signals": specs})
    other = replace(job, loaded=replace(job.loaded, recipe=recipe))
    folder = stage_files(other, tmp_path / "staged")
    assert not [path for path in folder.rglob("*") if path.is_file()]
