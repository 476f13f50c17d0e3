"""A small uniform sample of the rows of a population, by which two can be compared at equal size.

It holds the rows whose hash is lowest, so that the samples of parts merge into that of the whole.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from siftset.schemas.results.metrics_part import Metrics

ROWS: Final = 1000
TOKENS: Final = 48
"""Words that are looked at of each text, from its beginning."""


class SketchedRow(NamedTuple):
    """What is known of one row; `tokens` are the 32-bit hashes of its first words."""

    priority: int
    label: str
    source: str
    chars: int
    words: int
    tokens: str


class RowSketch(Metrics):
    """At most 1,000 rows with a text, in order of their hash."""

    rows: tuple[SketchedRow, ...] = ()

    def __add__(self, other: RowSketch) -> RowSketch:
        # Rows without an id are known by their text: of equal ones the first by label stays.
        both = {row.priority: row for row in sorted((*self.rows, *other.rows), reverse=True)}
        return RowSketch(rows=tuple(both[one] for one in sorted(both)[:ROWS]))


class RowArrays(NamedTuple):
    """The columns of some sketched rows; the word `tokens[i]` stands in the row `row_of[i]`."""

    labels: list[str]
    sources: list[str]
    chars: NDArray[np.int64]
    words: NDArray[np.int64]
    tokens: NDArray[np.uint32]
    row_of: NDArray[np.int64]


def to_arrays(rows: tuple[SketchedRow, ...]) -> RowArrays:
    """Return rows as columns."""
    tokens = [np.frombuffer(b64decode(row.tokens), dtype="<u4") for row in rows]
    sizes = [one.size for one in tokens]
    return RowArrays(
        [row.label for row in rows],
        [row.source for row in rows],
        np.array([row.chars for row in rows], np.int64),
        np.array([row.words for row in rows], np.int64),
        np.concatenate(tokens) if tokens else np.zeros(0, np.uint32),
        np.repeat(np.arange(len(rows)), sizes),
    )


def sketch_rows(frame: pl.LazyFrame, text: str, label: pl.Expr, source: pl.Expr) -> RowSketch:
    """Return the sketch of the rows of a frame that have a text, by row_id where there is one."""
    key = plh.col("row_id" if "row_id" in frame.collect_schema() else text)
    known = frame.select(
        text=pl.col(text), label=label, source=source, priority=key.nchash.xxh3_64()
    )
    known = known.drop_nulls("text")
    # the lowest hashes alone are grouped, unless so many rows are equal that they are too few
    some = known.bottom_k(4 * ROWS, by="priority").collect(engine="streaming")
    enough = some.height < 4 * ROWS or some["priority"].n_unique() > ROWS
    drawn = (
        (some.lazy() if enough else known)
        .group_by("priority")
        .agg(pl.col("text", "label", "source").sort_by("label", "source").first())
        .bottom_k(ROWS, by="priority")
        .collect(engine="streaming")
        .sort("priority")
    )
    lower = drawn["text"].str.to_lowercase()
    words = lower.str.extract_all(r"\w+").list.head(TOKENS)
    sizes = words.list.len().to_list()
    flat = words.explode(empty_as_null=False).drop_nulls().alias("word").to_frame()
    hashed = flat.select(plh.col("word").nchash.xxh3_64() & 0xFFFFFFFF).to_series().to_numpy()
    ends = np.cumsum(sizes, dtype=np.int64)
    tokens = np.split(hashed.astype("<u4"), ends[:-1]) if sizes else []
    told = drawn.select(
        "priority",
        "label",
        "source",
        chars=pl.col("text").str.len_chars(),
        words=pl.col("text").str.count_matches(r"\w+"),
    )
    written = (b64encode(some.tobytes()).decode() for some in tokens)
    return RowSketch(
        rows=tuple(
            SketchedRow(**row, tokens=some)
            for row, some in zip(told.iter_rows(named=True), written, strict=True)
        )
    )


def find_words(hashes: Sequence[int], known: Iterable[str]) -> list[str]:
    """Return the words among `known` that have the hashes, in the order of these."""
    words = pl.DataFrame({"word": list(known)}, schema={"word": pl.String})
    hashed = words.select(plh.col("word").nchash.xxh3_64() & 0xFFFFFFFF).to_series().to_list()
    named = dict(zip(hashed, words["word"].to_list(), strict=True))
    return [named[one] for one in hashes if one in named]
