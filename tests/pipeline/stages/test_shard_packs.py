"""Packs of small files: the rows of each, in fewer steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands import curate as command
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.engines import sift
from siftset.pipeline.sources import Sources, open_sources
from siftset.pipeline.stages import shard_packs
from siftset.pipeline.stages.process_shard import process_shard
from siftset.pipeline.stages.retractions import RETRACTIONS
from siftset.pipeline.stages.shard_packs import ShardPack, name_source, pack_shards
from siftset.schemas.recipe.model import Recipe

FILES = 70
CONTENT = {
    "name": "packs",
    "source": {"files": {"paths": ["in/*.jsonl"]}},
    "signals": {"long": {"length": {"unit": "words", "min": 3}}},
    "keep": "long",
    "max_unreadable_share": 0.5,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for at in range(FILES):
        good = f'{{"text": "one two three {at}"}}\n{{"text": "short"}}\n'
        lines = good + ("broken\n" if at % 7 == 0 else "")
        (tmp_path / "in" / f"{at:03}.jsonl").write_text(lines)
    return tmp_path


def opened(folder: Path) -> Sources:
    return open_sources(Recipe.model_validate({**CONTENT, "output": "out"}), folder)


def test_packs_hold_the_same_rows_in_the_same_order(folder: Path) -> None:
    sources = opened(folder)
    packs = pack_shards(sources.shards)
    assert any(isinstance(pack, ShardPack) for pack in packs)
    assert len(packs) <= shard_packs.PACKS + 4
    packed = replace(sources, shards=packs)
    assert packed.records == sources.records == 2 * FILES + 10
    assert packed.frame().equals(sources.frame())
    apart = pl.concat(batch.unreadable for batch in sources.read_batches())
    assert pl.concat(batch.unreadable for batch in packed.read_batches()).equals(apart)
    assert len({pack.fingerprint for pack in packs}) == len(packs)


def test_few_files_and_large_ones_stay_alone(folder: Path) -> None:
    shards = opened(folder).shards
    assert pack_shards(shards[: shard_packs.MANY]) == shards[: shard_packs.MANY]
    pack = ShardPack(shards[:3])
    assert pack.take_first(4).records == 4
    assert next(iter(pack.take_first(1).read_batches())).frame.height == 1


def test_a_run_takes_fewer_steps_than_there_are_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step for every file cost 25 ms of CPU: two minutes for 5,000 files of 20 rows."""
    steps: list[int] = []

    def counted(*given: object) -> object:
        steps.append(1)
        return process_shard(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(sift, "process_shard", counted)
    content = {**CONTENT, "source": {"files": {"paths": [str(folder / "in/*.jsonl")]}}}
    packed = curate({**content, "output": str(folder / "packed")})
    assert len(steps) <= shard_packs.PACKS + 4
    monkeypatch.setattr(command, "pack_shards", lambda shards: shards)
    alone = curate({**content, "output": str(folder / "alone")})
    assert packed.rows == alone.rows
    rows = [
        pl.read_delta(str(folder / name / "set")).drop("run_id").sort("row_id")
        for name in ("packed", "alone")
    ]
    assert rows[0].equals(rows[1])


def test_ids_of_many_files_are_those_of_their_own_source(folder: Path) -> None:
    """Curating so many files packs them; what their records take out is kept by source."""
    (folder / "other").mkdir()
    for name in ("in", "other"):
        for at in range(FILES):  # the last file takes out what the first one says
            text = "short" if at == FILES - 1 else f"one two three {at}"
            line = json.dumps({"text": text, "id": f"{name} {at % (FILES - 1)}"})
            (folder / name / f"{at:03}.jsonl").write_text(line + "\n")
    sources = [
        {"files": {"name": name, "paths": [str(folder / name / "*.jsonl")], "id": "id"}}
        for name in ("in", "other")
    ]
    content = {**CONTENT, "output": str(folder / "out"), "source": sources}
    packs = pack_shards(open_sources(Recipe.model_validate(content), folder).shards)
    assert all(
        len({name_source(shard) for shard in pack.inner}) == 1
        for pack in packs
        if isinstance(pack, ShardPack)
    )
    done = curate({**content, "refresh": {"merge": "upsert"}})
    found = pl.read_parquet(done.report.parent / RETRACTIONS)
    assert sorted(found["source"]) == ["in", "other"]
