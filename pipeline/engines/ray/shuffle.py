"""Repeats found by many machines: of ids and texts, by an exchange of keys by their hash.

Tasks part the keys of some shards into buckets by hash; then each bucket, which holds all rows of
its keys, is searched by one task. A task holds the keys of one bucket, about 4 million rows of 24
bytes, however many rows there are; the driver holds what was found, 17 bytes for each repeat.
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from siftset.pipeline.engines.ray.buckets import (
    BUCKET,
    name_of,
    read_bucket,
    write_buckets,
    write_found,
)
from siftset.pipeline.engines.ray.nodes import Nodes, open_cluster
from siftset.pipeline.engines.ray.shuffle_near import NearDuplicateQuery, NearDuplicateShuffle
from siftset.pipeline.engines.ray.shuffle_write import write_all
from siftset.pipeline.run.content_key import TEXT_KEY
from siftset.pipeline.stages.dedupe import (
    candidate_place,
    no_repeats,
    refuse_conflicts,
    repeats_in,
    text_keys,
)
from siftset.pipeline.storage.part_files import Part, Reasons, count_rows

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.resolve_duplicates import WrittenRows

ROWS: Final = 4_000_000
"""Rows of a bucket, and rows whose keys one task parts."""
FOLDER: Final = "exchange"
Kind = Literal["id", "exact"]


@dataclass(frozen=True, slots=True)
class KeyBatch:
    """Shards whose keys one task puts into buckets."""

    kind: Kind
    number: int
    buckets: int
    folder: Path
    shards: tuple[tuple[tuple[Path, ...], int], ...]
    """The files of a shard, and the place of its first kept row."""
    without: pl.Series | None = None
    """Places that take no part."""


@dataclass(frozen=True, slots=True)
class KeyBucket:
    """All rows of some keys."""

    kind: Kind
    number: int
    folder: Path
    latest: bool
    """Whether the last row of a key is the one that stays."""


@contextmanager
def open_shuffle(run: CurateRun) -> Iterator[ShuffleResolver]:
    """Connect to the cluster for an exchange; its files go with the run's folder."""
    with open_cluster(run) as nodes:
        yield ShuffleResolver(nodes, run.folder / FOLDER)


class ShuffleResolver:
    """Finds rows whose id or text another row has, without one machine's memory."""

    def __init__(self, nodes: Nodes, folder: Path, *, rows: int = ROWS) -> None:
        self.nodes, self.folder, self.rows = nodes, folder, rows

    def find_ids(
        self, parts: Sequence[Part], ids: Sequence[Part], *, latest_wins: bool
    ) -> pl.DataFrame:
        """Return place, keeper and kind of the kept rows whose id another row has too.

        Raises SourceError where an id stands for two contents, unless the latest one wins.
        """
        keys = self._group_keys("id", _place_parts(ids, parts), count_rows(ids))
        found = self._search_keys(keys, latest=latest_wins)
        # An id that repeats with equal content is a duplicate; two contents under one id are an
        # error of the input, which only reading the rows tells.
        if found.height and not latest_wins:
            refuse_conflicts(ids)
        # Ids cover all rows, kept ones or not; a row that is no candidate has a negative place.
        return found.filter(pl.col("place") >= 0)

    def find_texts(self, parts: Sequence[Part], without: pl.Series | None) -> pl.DataFrame:
        """Return place, keeper and kind of the rows that repeat the text of an earlier one."""
        keys = self._group_keys("exact", _place_parts(parts, parts), count_rows(parts), without)
        return self._search_keys(keys, latest=False)

    def find_near(
        self, parts: Sequence[Part], threshold: float, *, without: pl.Series, seed: int
    ) -> pl.DataFrame:
        """Return place, keeper and kind of the rows that nearly repeat an earlier kept one."""
        exchange = NearDuplicateShuffle(self.nodes, self.folder / "near", rows=self.rows)
        return exchange.find_duplicates(parts, NearDuplicateQuery(threshold, seed), without)

    def write_rows(
        self,
        run: CurateRun,
        candidates: Sequence[Part],
        repeated: pl.DataFrame,
        reasons: Reasons | None = None,
    ) -> WrittenRows:
        """Write kept rows, duplicates and rows that are not `taken`, each to files of their own."""
        return write_all(run, self.nodes, candidates, repeated, reasons, rows=self.rows)

    def _group_keys(
        self,
        kind: Kind,
        shards: Sequence[tuple[tuple[Part, ...], int]],
        rows: int,
        without: pl.Series | None = None,
    ) -> list[KeyBatch]:
        """Return the shards in groups of about `rows` rows."""
        buckets = max(1, math.ceil(rows / self.rows))
        groups: dict[int, list[tuple[tuple[Path, ...], int]]] = defaultdict(list)
        done = 0
        for parts, start in shards:
            groups[done // self.rows].append((tuple(part.path for part in parts), start))
            done += count_rows(parts)
        return [
            KeyBatch(kind, number, buckets, self.folder, tuple(group), without)
            for number, group in enumerate(groups.values())
        ]

    def _search_keys(self, keys: Sequence[KeyBatch], *, latest: bool) -> pl.DataFrame:
        if not keys:
            return no_repeats()
        # What a driver that was killed left would be read as buckets of this exchange.
        shutil.rmtree(self.folder / keys[0].kind, ignore_errors=True)
        (self.folder / keys[0].kind).mkdir(parents=True)
        self.nodes.map_tasks(part_keys, keys)
        buckets = [
            KeyBucket(keys[0].kind, number, self.folder, latest)
            for number in range(keys[0].buckets)
        ]
        files = self.nodes.map_tasks(search_bucket, buckets)
        return pl.concat([no_repeats(), *(pl.read_ipc(path) for path in files)]).sort("place")


def part_keys(keys: KeyBatch) -> int:
    """Write the keys of some shards into buckets; return their number."""
    frames = []
    for paths, start in keys.shards:
        place = start
        for path in paths:
            if keys.kind == "exact":
                frame = pl.read_parquet(path, columns=[TEXT_KEY])
                frames.append(text_keys(frame, place, keys.without))
                place += frame.height
            else:
                frame = pl.read_parquet(path, columns=["key", "candidate"])
                frames.append(frame.select(candidate_place(place), "key"))
                place += int(frame["candidate"].sum())
    # All rows of a key must meet in one bucket on whichever node: a fixed seed, and one version of
    # polars on all nodes, which workers check.
    bucket = (pl.col("key").hash(0) % keys.buckets).alias(BUCKET)
    together = pl.concat(frames).with_columns(bucket)
    write_buckets(name_of(keys.folder / keys.kind, keys.number), together, keys.buckets)
    return together.height


def search_bucket(bucket: KeyBucket) -> str:
    """Find the rows whose key another row of the bucket has; return the file that names them."""
    found, frames = no_repeats(), [*read_bucket(bucket.folder / bucket.kind, bucket.number)]
    if frames:
        keep = "last" if bucket.latest else "first"
        found = repeats_in(pl.concat(frames), keep=keep, kind=bucket.kind)
    return write_found(bucket.folder / f"{bucket.kind}-{bucket.number:06d}.arrow", found)


def _place_parts(
    parts: Sequence[Part], candidates: Sequence[Part]
) -> list[tuple[tuple[Part, ...], int]]:
    """Return the parts of each shard with the place of the shard's first kept row."""
    # Places are those of one machine: shards in the order of their numbers, rows as they stand.
    # Therefore the keeper, the earliest place, is the same on any number of nodes.
    kept: dict[int, int] = defaultdict(int)
    for part in candidates:
        kept[_shard_number(part)] += part.rows
    of_shard: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        of_shard[_shard_number(part)].append(part)
    starts, total = {}, 0
    for shard in sorted({*kept, *of_shard}):
        starts[shard] = total
        total += kept[shard]
    return [(tuple(found), starts[shard]) for shard, found in sorted(of_shard.items())]


def _shard_number(part: Part) -> int:
    """Return the number of the shard that a part is of, which its name begins with."""
    return int(part.path.name.partition("-")[0])
