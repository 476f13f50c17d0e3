"""Conversations that begin a longer one, as logs hold that are written after every turn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from siftset.pipeline.stages.dedupe import no_repeats
from siftset.pipeline.storage.part_files import Part, read_parts
from siftset.schemas.conversations import COLUMN, MESSAGES, turns_text
from siftset.signals.words.text_normalisation import same_text

_TURNS: pl.DataType = pl.List(pl.UInt64)


def prefix_repeats(parts: Sequence[Part], without: pl.Series) -> pl.DataFrame:
    """Return place, keeper and kind of the rows that begin a longer conversation of another row.

    The keeper is the longest such row, of several the first. Rows at the places `without` take no
    part.
    """
    frames, start = [], 0
    for frame in read_parts(parts, [COLUMN]):
        places = pl.int_range(start, start + frame.height, dtype=pl.Int64, eager=True)
        frames.append(pl.DataFrame({"place": places, "keys": turn_keys(frame[COLUMN])}))
        start += frame.height
    if not frames:
        return no_repeats()
    rows = pl.concat(frames).filter(~pl.col("place").is_in(without.implode()))
    return _find_prefixes(rows).select("place", "keeper", kind=pl.lit("prefix")).sort("place")


def count_prefixes(files: Iterable[Path]) -> int | None:
    """Count the rows of a set that begin a longer conversation; None where it has none at all."""
    rows = pl.scan_parquet(list(files))
    if rows.collect_schema().get(COLUMN) != MESSAGES:
        return None
    frames = rows.select(COLUMN).collect_batches(maintain_order=True)
    keys = [turn_keys(frame[COLUMN]) for frame in frames]
    numbered = pl.DataFrame({"keys": pl.concat(keys) if keys else pl.Series([], dtype=_TURNS)})
    return _find_prefixes(numbered.with_row_index("place")).height


def turn_keys(messages: pl.Series) -> pl.Series:
    """Return a hash for each beginning of a conversation, the last of which is of all its turns."""
    folded = messages.alias(COLUMN).to_frame().select(same_text(turns_text())).to_series()
    return pl.Series("keys", [list(_hash_beginnings(text)) for text in folded], dtype=_TURNS)


def _hash_beginnings(text: str | None) -> Iterator[int]:
    known = hashlib.blake2b(digest_size=8)
    for turn in () if text is None else text.split("\x1e"):
        known.update(turn.encode() + b"\x1e")
        yield int.from_bytes(known.digest(), "big")


def _find_prefixes(rows: pl.DataFrame) -> pl.DataFrame:
    """Return place and keeper of rows, given by place and keys, whose turns begin another row's."""
    turns = pl.col("keys").list.len()
    whole = rows.filter(turns > 0).select("place", key=pl.col("keys").list.last())
    begun = rows.select("place", turns.alias("turns"), key=pl.col("keys").list.slice(0, turns - 1))
    longest = (
        begun.filter(pl.col("turns") > 1)
        .explode("key", empty_as_null=False, keep_nulls=False)
        .sort("turns", "place", descending=[True, False])
        .unique("key", keep="first", maintain_order=True)
        .select("key", keeper=pl.col("place").cast(pl.Int64))
    )
    return whole.join(longest, on="key", how="inner")
