"""Near duplicates found by many machines: texts that may be compared are brought to one task.

The finder compares only texts that share a key of a band, so texts that no chain of shared keys
connects know nothing of each other. Tasks put the keys into buckets; in each bucket every row is
paired with the first of its key; the driver joins the pairs into components; tasks put the texts
into buckets of whole components, in each of which the finder runs as it would over all rows.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.engines.ray.buckets import (
    BUCKET,
    name_of,
    read_bucket,
    write_buckets,
    write_found,
)
from siftset.pipeline.engines.ray.connected_components import connected_components, pack_components
from siftset.pipeline.engines.ray.shuffle_write import PartGroup, group_parts
from siftset.pipeline.stages.dedupe import near_repeats, no_repeats, repeats_in, texts_of
from siftset.pipeline.storage.compact import compact
from siftset.pipeline.storage.part_files import Part, count_rows
from siftset.signals.near_duplicates.finder import keys_of_bands
from siftset.signals.near_duplicates.minhash import band_shape

if TYPE_CHECKING:
    from siftset.pipeline.engines.ray.nodes import Nodes

PARTS: Final = 16
"""Parts, of at most 24 MB, whose texts a task holds."""
PIECES: Final = 256
"""Pieces into which work is cut where it is less than fills the memory of as many tasks."""
_SMALLEST: Final = 16
"""How many pieces at most make up one that fills the memory of a task."""


@dataclass(frozen=True, slots=True)
class NearDuplicateQuery:
    """Which texts are near duplicates."""

    threshold: float
    seed: int


@dataclass(frozen=True, slots=True)
class BandBatch:
    """Rows whose keys a task puts into buckets."""

    query: NearDuplicateQuery
    group: PartGroup
    without: pl.Series
    """Places that take no part."""
    folder: Path
    buckets: int


@dataclass(frozen=True, slots=True)
class ComponentBatch:
    """Rows whose texts a task puts into the buckets of their components."""

    group: PartGroup
    rows: pl.DataFrame
    """Place and bucket of those that are in a component, in order."""
    folder: Path
    buckets: int


@dataclass(frozen=True, slots=True)
class TextBucket:
    """A bucket that a task searches."""

    query: NearDuplicateQuery
    folder: Path
    number: int
    found: Path


class NearDuplicateShuffle:
    """Finds near duplicates without one machine's memory.

    A task holds twice `rows` keys and places, or the texts of 16 parts, or what the finder needs
    for a quarter of `rows` rows, unless a single component has more.
    """

    def __init__(self, nodes: Nodes, folder: Path, *, rows: int) -> None:
        self.nodes, self.folder, self.rows = nodes, folder, rows

    def find_duplicates(
        self, parts: Sequence[Part], query: NearDuplicateQuery, without: pl.Series
    ) -> pl.DataFrame:
        """Return place, keeper and kind; the rows at the places `without` take no part."""
        pairs = self._pair_candidates(parts, query, without)
        places, roots = connected_components(count_rows(parts), _read_frames(pairs))
        if not len(places):
            return no_repeats()
        # The finder keeps a row or not by those kept before it, so whole components go to one task,
        # in the order of places: then it meets the same candidates as on one machine.
        packed = pack_components(roots, _piece_size(len(places), self.rows // 4))
        rows = pl.DataFrame({"place": places, BUCKET: packed})
        folder, found = self._empty_folder("texts"), self._empty_folder("found")
        buckets = int(rows.select(pl.col(BUCKET).max()).item()) + 1
        groups = group_parts(parts, _piece_size(count_rows(parts), self.rows), most=PARTS)
        items = [ComponentBatch(group, group.slice_rows(rows), folder, buckets) for group in groups]
        self.nodes.map_tasks(part_texts, [item for item in items if item.rows.height])
        searches = [TextBucket(query, folder, number, found) for number in range(buckets)]
        named = self.nodes.map_tasks(search_component, searches)
        shutil.rmtree(folder)
        return pl.concat([no_repeats(), *_read_frames(named)]).sort("place")

    def _pair_candidates(
        self, parts: Sequence[Part], query: NearDuplicateQuery, without: pl.Series
    ) -> list[str]:
        """Name the files with place and keeper of rows that share a key with an earlier one."""
        bands, _ = band_shape(query.threshold)
        kept, most = count_rows(parts), 2 * self.rows
        buckets = max(1, math.ceil(kept * bands / _piece_size(kept * bands, most)))
        folder, found = self._empty_folder("keys"), self._empty_folder("pairs")
        left_out = without.sort().to_frame("place")
        items = [
            BandBatch(query, group, group.slice_rows(left_out)["place"], folder, buckets)
            for group in group_parts(parts, _piece_size(kept, most // bands))
        ]
        self.nodes.map_tasks(part_bands, items)
        searches = [TextBucket(query, folder, number, found) for number in range(buckets)]
        named = self.nodes.map_tasks(pair_rows, searches)
        shutil.rmtree(folder)
        return named

    def _empty_folder(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def part_bands(keyed: BandBatch) -> int:
    """Write the keys of some rows, with their places, into buckets; return their number."""
    found = [pl.DataFrame(schema={"place": pl.Int64, "key": pl.UInt64})]
    for rows in texts_of(keyed.group.parts, keyed.without, start=keyed.group.start):
        keys = keys_of_bands(rows["text"], keyed.query.threshold, seed=keyed.query.seed)
        found.append(keys.select(rows["place"].gather(keys["row"]), "key"))
    together = pl.concat(found).with_columns((pl.col("key") % keyed.buckets).alias(BUCKET))
    write_buckets(name_of(keyed.folder, keyed.group.number), together, keyed.buckets)
    return together.height


def pair_rows(searched: TextBucket) -> str:
    """Pair rows of a bucket with the first row that has their key; return the file of pairs."""
    found, frames = no_repeats(), [*read_bucket(searched.folder, searched.number)]
    # A star of n - 1 pairs holds n rows together as well as all n * (n - 1) / 2 pairs would.
    if frames:
        found = repeats_in(pl.concat(frames), keep="first", kind="near")
    return _write_result(found.select("place", "keeper").unique(), searched)


def part_texts(batch: ComponentBatch) -> int:
    """Write the texts of some rows, with their places, into buckets; return their number."""
    found = []
    for group in batch.group.split_parts():
        rows = group.slice_rows(batch.rows)
        if rows.height:
            texts = pl.read_parquet(group.parts[0].path, columns=["text"])["text"]
            found.append(compact(rows.with_columns(texts.gather(rows["place"] - group.start))))
    together = pl.concat(found)
    write_buckets(
        name_of(batch.folder, batch.group.number),
        together,
        batch.buckets,
    )
    return together.height


def search_component(searched: TextBucket) -> str:
    """Find the near duplicates in a bucket of whole components; return the file that names them."""
    rows = read_bucket(searched.folder, searched.number)
    found = near_repeats(rows, searched.query.threshold, seed=searched.query.seed)
    return _write_result(found, searched)


def _write_result(found: pl.DataFrame, searched: TextBucket) -> str:
    return write_found(searched.found / f"{searched.number:06d}.arrow", found)


def _read_frames(names: Sequence[str]) -> Iterator[pl.DataFrame]:
    return map(pl.read_ipc, names)


def _piece_size(total: int, most: int) -> int:
    """Return how much a task takes: what its memory allows, or less where all is little."""
    # Full tasks where there is much; where there is little, pieces small enough to keep all nodes
    # busy, but not so small that starting a task costs more than its work.
    return max(1, min(most, max(most // _SMALLEST, math.ceil(total / PIECES))))
