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
from siftset.pipeline.engines.ray.connected_components import connected, packed
from siftset.pipeline.engines.ray.shuffle_write import Group, grouped
from siftset.pipeline.stages.dedupe import near_repeats, none, repeats_in, texts_of
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
class Alike:
    """Which texts are near duplicates."""

    threshold: float
    seed: int


@dataclass(frozen=True, slots=True)
class Keyed:
    """Rows whose keys a task puts into buckets."""

    alike: Alike
    group: Group
    without: pl.Series
    """Places that take no part."""
    folder: Path
    buckets: int


@dataclass(frozen=True, slots=True)
class Connected:
    """Rows whose texts a task puts into the buckets of their components."""

    group: Group
    rows: pl.DataFrame
    """Place and bucket of those that are in a component, in order."""
    folder: Path
    buckets: int


@dataclass(frozen=True, slots=True)
class Searched:
    """A bucket that a task searches."""

    alike: Alike
    folder: Path
    number: int
    found: Path


class NearExchange:
    """Finds near duplicates without one machine's memory.

    A task holds twice `rows` keys and places, or the texts of 16 parts, or what the finder needs
    for a quarter of `rows` rows, unless a single component has more.
    """

    def __init__(self, nodes: Nodes, folder: Path, *, rows: int) -> None:
        self.nodes, self.folder, self.rows = nodes, folder, rows

    def find(self, parts: Sequence[Part], alike: Alike, without: pl.Series) -> pl.DataFrame:
        """Return place, keeper and kind; the rows at the places `without` take no part."""
        pairs = self._pairs(parts, alike, without)
        places, roots = connected(count_rows(parts), _read(pairs))
        if not len(places):
            return none()
        buckets = packed(roots, _piece(len(places), self.rows // 4))
        return self._compared(parts, alike, pl.DataFrame({"place": places, BUCKET: buckets}))

    def _pairs(self, parts: Sequence[Part], alike: Alike, without: pl.Series) -> list[str]:
        """Name the files with place and keeper of rows that share a key with an earlier one."""
        bands, _ = band_shape(alike.threshold)
        kept, most = count_rows(parts), 2 * self.rows
        buckets = max(1, math.ceil(kept * bands / _piece(kept * bands, most)))
        folder, found = self._empty("keys"), self._empty("pairs")
        left_out = without.sort().to_frame("place")
        items = [
            Keyed(alike, group, group.cut(left_out)["place"], folder, buckets)
            for group in grouped(parts, _piece(kept, most // bands))
        ]
        self.nodes.each(part_bands, items)
        searches = [Searched(alike, folder, number, found) for number in range(buckets)]
        named = self.nodes.each(pair_rows, searches)
        shutil.rmtree(folder)
        return named

    def _compared(self, parts: Sequence[Part], alike: Alike, rows: pl.DataFrame) -> pl.DataFrame:
        """Return what the finder gives for rows with the buckets of their components."""
        folder, found = self._empty("texts"), self._empty("found")
        buckets = int(rows.select(pl.col(BUCKET).max()).item()) + 1
        groups = grouped(parts, _piece(count_rows(parts), self.rows), most=PARTS)
        items = [Connected(group, group.cut(rows), folder, buckets) for group in groups]
        self.nodes.each(part_texts, [item for item in items if item.rows.height])
        searches = [Searched(alike, folder, number, found) for number in range(buckets)]
        named = self.nodes.each(search_component, searches)
        shutil.rmtree(folder)
        return pl.concat([none(), *_read(named)]).sort("place")

    def _empty(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def part_bands(keyed: Keyed) -> int:
    """Write the keys of some rows, with their places, into buckets; return their number."""
    found = [pl.DataFrame(schema={"place": pl.Int64, "key": pl.UInt64})]
    for rows in texts_of(keyed.group.parts, keyed.without, start=keyed.group.start):
        keys = keys_of_bands(rows["text"], keyed.alike.threshold, seed=keyed.alike.seed)
        found.append(keys.select(rows["place"].gather(keys["row"]), "key"))
    together = pl.concat(found).with_columns((pl.col("key") % keyed.buckets).alias(BUCKET))
    write_buckets(name_of(keyed.folder, keyed.group.number), together, keyed.buckets)
    return together.height


def pair_rows(searched: Searched) -> str:
    """Pair rows of a bucket with the first row that has their key; return the file of pairs."""
    found, frames = none(), [*read_bucket(searched.folder, searched.number)]
    if frames:
        found = repeats_in(pl.concat(frames), keep="first", kind="near")
    return _written(found.select("place", "keeper").unique(), searched)


def part_texts(connected: Connected) -> int:
    """Write the texts of some rows, with their places, into buckets; return their number."""
    found = []
    for group in connected.group.singly():
        rows = group.cut(connected.rows)
        if rows.height:
            texts = pl.read_parquet(group.parts[0].path, columns=["text"])["text"]
            found.append(compact(rows.with_columns(texts.gather(rows["place"] - group.start))))
    together = pl.concat(found)
    write_buckets(name_of(connected.folder, connected.group.number), together, connected.buckets)
    return together.height


def search_component(searched: Searched) -> str:
    """Find the near duplicates in a bucket of whole components; return the file that names them."""
    rows = read_bucket(searched.folder, searched.number)
    found = near_repeats(rows, searched.alike.threshold, seed=searched.alike.seed)
    return _written(found, searched)


def _written(found: pl.DataFrame, searched: Searched) -> str:
    return write_found(searched.found / f"{searched.number:06d}.arrow", found)


def _read(names: Sequence[str]) -> Iterator[pl.DataFrame]:
    return map(pl.read_ipc, names)


def _piece(total: int, most: int) -> int:
    """Return how much a task takes: what its memory allows, or less where all is little."""
    return max(1, min(most, max(most // _SMALLEST, math.ceil(total / PIECES))))
