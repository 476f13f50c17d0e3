"""The rows that a selection chooses from, read block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from siftset.pipeline.run.split import class_text
from siftset.pipeline.storage.part_files import Mask, Part, rows_at
from siftset.schemas.results.metrics import ClassShare
from siftset.signals.builtin.similar import embed_minilm
from siftset.signals.kernels.arrays import to_series
from siftset.signals.labels import label_column
from siftset.signals.selection.choice import RowBlock
from siftset.signals.selection.turns import ID_BITS, Grid, round_vectors
from siftset.signals.static_vectors.model import load_static

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job

SAMPLE: Final = 20_000
"""Texts that stand for all rows: examples are told from them, and likeness is measured on them."""
MOST_LABELS: Final = 50
BLOCK: Final = 16_384
_COLUMNS: Final = ["text", "row_id"]


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates that repeat no other row and have a class, where classes get shares."""

    parts: Sequence[Part]
    classes: NDArray[np.int32]
    """The class of each candidate, by its number; -1 for one that cannot be taken."""
    names: tuple[str, ...]
    """The classes in the order of their names; one without a name where none is asked for."""
    sample: pl.Series
    """Texts of the pool, the same in whatever order the rows lie."""

    @property
    def sizes(self) -> list[int]:
        """Rows by class."""
        counts = np.bincount(self.classes[self.classes >= 0], minlength=len(self.names))
        return [int(rows) for rows in counts]

    def read_static(self, wanted: Mask) -> Iterator[RowBlock]:
        """Yield the wanted rows with vectors of the static model."""
        for frame in rows_at(self.parts, wanted, _COLUMNS):
            for rows in frame.iter_slices(BLOCK):
                yield _make_block(rows, round_vectors(load_static().embed(rows["text"])))

    def read_minilm(self, wanted: Mask) -> RowBlock:
        """Return the wanted rows with vectors of MiniLM.

        They are embedded in the order of their ids, because a vector depends a little on the texts
        that it shares a batch with.
        """
        rows = pl.concat(rows_at(self.parts, wanted, _COLUMNS)).sort("row_id", "place")
        return _make_block(rows, round_vectors(embed_minilm(rows["text"])))


def _make_block(rows: pl.DataFrame, vectors: Grid) -> RowBlock:
    first = pl.col("row_id").str.slice(0, ID_BITS // 4).str.to_integer(base=16)
    return RowBlock(vectors, rows.select(first).to_series().to_numpy(), rows["place"].to_numpy())


def survey_pool(job: Job, parts: Sequence[Part], kept: Mask) -> Pool:
    """Read the kept candidates once: their classes, and a sample of their texts."""
    per = None if job.recipe.select is None else job.recipe.select.per
    value = pl.lit("") if per is None else class_text(per, job.sources.schema, "select.per")
    columns = list(dict.fromkeys(["text", *value.meta.root_names()]))
    names: dict[str, int] = {}
    codes = np.full(len(kept), -1, np.int32)

    def read_texts() -> Iterator[pl.Series]:
        for frame in rows_at(parts, kept, columns):
            classes = frame.select(value.alias("class")).to_series()
            if len(classes) != frame.height:  # a constant, where no classes are asked for
                classes = pl.repeat("", frame.height, eager=True)
            for name in classes.unique().drop_nulls():
                names.setdefault(name, len(names))
            found = classes.replace_strict(names, default=-1, return_dtype=pl.Int32)
            codes[frame["place"].to_numpy()] = found.to_numpy()
            yield frame["text"]

    sample = sample_texts(read_texts())
    order = sorted(names)  # whichever was met first
    renumber = np.array([order.index(name) for name in names] or [0], np.int32)
    codes = np.where(codes >= 0, renumber[codes], -1).astype(np.int32)
    return Pool(parts, codes, tuple(order), sample)


def count_labels(parts: Sequence[Part], kept: Mask, taken: Mask) -> tuple[ClassShare, ...]:
    """Count the kept rows and those taken by label; nothing where there are many labels."""
    counts: dict[str, tuple[int, int]] = {}
    for frame in rows_at(parts, kept, ["label"]):
        mark = to_series("taken", taken[frame["place"].to_numpy()])
        named = frame.select(label_column(frame).alias("label"), mark).drop_nulls("label")
        found = named.group_by("label").agg(pl.len().alias("rows"), pl.col("taken").sum())
        for name, rows, some in found.iter_rows():
            before = counts.get(name, (0, 0))
            counts[name] = before[0] + rows, before[1] + some
        if len(counts) > MOST_LABELS:
            return ()
    return tuple(
        ClassShare(name=name, rows=rows, taken=some)
        for name, (rows, some) in sorted(counts.items())
    )


def sample_texts(series: Iterable[pl.Series]) -> pl.Series:
    """Return SAMPLE distinct texts at most, those with the lowest hashes, in that order."""
    found = pl.DataFrame(schema={"text": pl.String, "hash": pl.UInt64})
    for texts in series:
        new = texts.alias("text").to_frame().drop_nulls()
        new = new.with_columns(hash=plh.col("text").nchash.xxh3_64())
        if found.height == SAMPLE:
            new = new.filter(pl.col("hash") <= found["hash"].max())
        found = pl.concat([found, new]).unique("text").bottom_k(SAMPLE, by=["hash", "text"])
    return found.sort("hash", "text")["text"]
