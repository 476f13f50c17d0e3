"""Repeats found bucket by bucket are those that one machine finds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.pipeline.engines.ray.shuffle import ShuffleResolver
from siftset.pipeline.run.content_key import TEXT_KEY, text_key
from siftset.pipeline.run.frozen_split import POINT, STRATUM, FrozenSplit
from siftset.pipeline.stages.resolve_duplicates import LocalResolver
from siftset.pipeline.storage.part_files import Part
from siftset.schemas.errors import SourceError
from siftset.schemas.results.columns import LEFT_OUT


class OneByOne:
    """Does what a cluster does, in this process."""

    def map_tasks(self, function, items):
        return [function(item) for item in items]


def key_of(values: list[object]) -> pl.Series:
    frame = pl.DataFrame({"text": pl.Series(values, dtype=pl.String)})
    return frame.select(text_key()).to_series()


def write(folder: Path, frames: list[list[pl.DataFrame]]) -> list[Part]:
    """Write the parts of each shard as a run names them."""
    folder.mkdir(parents=True)
    parts = []
    for shard, some in enumerate(frames):
        for at, frame in enumerate(some):
            path = folder / f"{shard:06d}-name-{at:05d}.parquet"
            frame.write_parquet(path)
            parts.append(Part(path, frame.height))
    return parts


rows = st.tuples(st.integers(0, 12), st.sampled_from(["a", "b", "c", None]), st.booleans())
shards = st.lists(st.lists(st.lists(rows, max_size=8), max_size=3), min_size=1, max_size=6)


def laid(folder: Path, drawn, *, conflicts: bool) -> tuple[list[Part], list[Part]]:
    """Return candidates and ids; without conflicts an id has one content."""
    ids, candidates = [], []
    for shard in drawn:
        some_ids, some_kept = [], []
        for part in shard:
            keys = key_of([f"id {row}" for row, _, _ in part])
            contents = [hash(text) % 97 if conflicts else row for row, text, _ in part]
            kept = [flag for _, _, flag in part]
            frame = pl.DataFrame({"key": keys})
            frame = frame.with_columns(
                content=pl.Series(contents, dtype=pl.UInt64),
                candidate=pl.Series(kept, dtype=pl.Boolean),
                file=pl.lit("f"),
                record=pl.int_range(pl.len()),
            )
            some_ids.append(frame)
            texts = [text for _, text, flag in part if flag]
            some_kept.append(pl.DataFrame({TEXT_KEY: key_of(texts)}))
        ids.append(some_ids)
        candidates.append(some_kept)
    return write(folder / "candidates", candidates), write(folder / "ids", ids)


@pytest.mark.parametrize("selects", [False, True])
@pytest.mark.parametrize("stratified", [False, True])
def test_groups_write_what_one_machine_writes(stratified, selects, tmp_path):
    """Rows, their order within a split, what each duplicate repeats, and what is not selected."""
    frozen = None
    if stratified:
        nobody = pl.DataFrame(schema={"key": pl.UInt128, "split": pl.String})
        frozen = FrozenSplit("x", ("train", "test"), {"a": (0.3,), None: (0.8,)}, nobody)
    frames = []
    for shard in range(5):
        numbers = [shard * 20 + row for row in range(20)]
        frame = pl.DataFrame({"row_id": [f"{n:032x}" for n in numbers]})
        frame = frame.with_columns(source=pl.lit("f"), signals=pl.struct(long=pl.lit("true")))
        frame = frame.with_columns(
            text=pl.Series([f"text {n % 37}" for n in numbers]),
            split=pl.Series(["train" if n % 3 else "test" for n in numbers]),
        )
        frame = frame.with_columns(text_key())
        if stratified:
            frame = frame.with_columns(
                pl.Series(POINT, [n % 10 / 10 for n in numbers]),
                pl.Series(STRATUM, ["a" if n % 2 else None for n in numbers]),
            )
        frames.append([frame.head(11), frame.tail(9)])
    parts = write(tmp_path / "candidates", frames)
    repeated = LocalResolver().find_texts(parts, None)
    reasons = np.where(np.arange(100) % 4 > 0, 0, LEFT_OUT.index("select")) if selects else None
    if reasons is not None:
        reasons = reasons.astype(np.uint8)
    written = {}
    for name, resolver in (
        ("one", LocalResolver()),
        ("many", ShuffleResolver(OneByOne(), tmp_path / "work", rows=30)),
    ):
        decider = SimpleNamespace(hash="formula")
        run = SimpleNamespace(
            folder=tmp_path / name,
            run_id="run",
            frozen=frozen,
            job=SimpleNamespace(
                decider=decider,
                clauses=lambda: pl.Enum(["long", "select"]),
                recipe=SimpleNamespace(record="full"),
            ),
        )
        files, duplicates, unselected = resolver.write_rows(run, parts, repeated, reasons)
        assert sum(one.rows for one in (*files, *duplicates, *unselected)) == 100
        assert bool(unselected) is selects
        written[name] = (
            {
                split: pl.concat([pl.read_parquet(f.path) for f in files if f.split == split])
                for split in ("train", "test")
            },
            pl.concat([pl.read_parquet(part.path) for part in duplicates]),
            [pl.read_parquet(part.path).rows() for part in unselected],
        )
    if stratified:
        points = {n: (n % 10 / 10 < (0.3 if n % 2 else 0.8)) for n in range(100)}
        kept = written["one"][0]["train"]["row_id"].to_list()
        assert all(points[int(row_id, 16)] for row_id in kept)
    for split in ("train", "test"):
        assert written["one"][0][split].equals(written["many"][0][split])
    assert written["one"][1].equals(written["many"][1])
    rejected = [[row for part in written[name][2] for row in part] for name in written]
    assert rejected[0] == rejected[1]
    assert all("select" in row for row in rejected[0])
    assert written["one"][1].height == repeated.height > 50


@settings(max_examples=40)
@given(shards, st.integers(1, 9), st.booleans())
def test_an_exchange_finds_what_one_machine_finds(tmp_path_factory, drawn, size, latest):
    folder = tmp_path_factory.mktemp("exchange")
    candidates, ids = laid(folder, drawn, conflicts=False)
    exchange = ShuffleResolver(OneByOne(), folder / "work", rows=size)
    here = LocalResolver()
    found = exchange.find_ids(candidates, ids, latest_wins=latest)
    assert found.equals(here.find_ids(candidates, ids, latest_wins=latest))
    for without in (None, found["place"]):
        expected = here.find_texts(candidates, without)
        assert exchange.find_texts(candidates, without).equals(expected)


def test_an_id_of_two_contents_is_refused(tmp_path):
    drawn = [[[(1, "a", True)]], [[(1, "b", True)]]]
    candidates, ids = laid(tmp_path, drawn, conflicts=True)
    exchange = ShuffleResolver(OneByOne(), tmp_path / "work", rows=1)
    with pytest.raises(SourceError, match="have one id and different contents"):
        exchange.find_ids(candidates, ids, latest_wins=False)
    assert exchange.find_ids(candidates, ids, latest_wins=True).height == 1
