"""How the rows of both sides are spread: by split, label, source, length, score and language."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from siftset.pipeline.difference.explain_rows import is_plain
from siftset.pipeline.difference.find_rows import drop_shared, read_schema, scan_set
from siftset.pipeline.difference.state import SetState
from siftset.pipeline.profile.languages import count_languages
from siftset.schemas.results.difference import NULL, Distribution

VALUES: Final = 200
"""Values of a column that are told apart; the rarest are counted together beyond."""
OTHERS: Final = "(others)"
_LANGUAGE_ROWS: Final = 300
_EDGES: Final = (0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240)
_SCORE_BINS: Final = 20

Counts = Mapping[str, int]


def measure_distributions(before: SetState, after: SetState) -> list[Distribution]:
    """Return the rows of both sides by value; files that both share are counted once."""
    parts = drop_shared(before.files, after.files)
    ranges: dict[str, tuple[float, float]] = {}
    for files in parts:
        for name, (low, high) in _find_ranges(files).items():
            known = ranges.get(name, (low, high))
            ranges[name] = (min(low, known[0]), max(high, known[1]))
    counted = [_count_groups(files, ranges) for files in parts]
    names = dict.fromkeys(name for part in counted for name in part)
    found = []
    for name in sorted(names, key=_place):
        sides = [_add(counted[at].get(name, {}), counted[2].get(name, {})) for at in (0, 1)]
        found.append(_draw(name, sides, _label_bins(name, ranges)))
    return [*found, *_count_languages(before, after, has_text="length" in names)]


def _place(name: str) -> tuple[int, str]:
    """Put distributions in the order in which people ask for them, scores last."""
    order = ("split", "label", "source", "length")
    return (order.index(name) if name in order else len(order), name)


def _find_ranges(files: Sequence[Path]) -> dict[str, tuple[float, float]]:
    """Return the least and the largest score of every signal that has any."""
    held = read_schema(files).get("scores")
    if not isinstance(held, pl.Struct):
        return {}
    names = [field.name for field in held.fields]
    scores = {name: pl.col("scores").struct.field(name).cast(pl.Float64) for name in names}
    ends = scan_set(files).select(
        *(score.drop_nans().min().alias(f"low {name}") for name, score in scores.items()),
        *(score.drop_nans().max().alias(f"high {name}") for name, score in scores.items()),
    )
    row = ends.collect(engine="streaming").row(0, named=True)
    pairs = {name: (row[f"low {name}"], row[f"high {name}"]) for name in names}
    return {
        name: (low, high)
        for name, (low, high) in pairs.items()
        if low is not None and math.isfinite(low) and math.isfinite(high)
    }


def _list_groups(
    schema: pl.Schema, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, pl.Expr]:
    """Return what rows are counted by, as far as their files have it."""
    groups = {
        "split": pl.col("split").cast(pl.String),
        "source": pl.col("source").struct.field("file"),
    }
    if is_plain(schema.get("label")):
        groups["label"] = pl.col("label").cast(pl.String)
    if schema.get("text") == pl.String:
        groups["length"] = _length_bin()
    held = schema.get("scores")
    fields = {field.name for field in held.fields} if isinstance(held, pl.Struct) else set()
    for name, (low, high) in ranges.items():
        if name in fields:
            groups[f"score of {name}"] = _score_bin(name, low, high)
    return groups


def _length_bin() -> pl.Expr:
    length = pl.col("text").str.len_chars()
    number: pl.Expr = pl.lit(0, pl.UInt8)
    for at, edge in enumerate(_EDGES):
        number = pl.when(length >= edge).then(pl.lit(at, pl.UInt8)).otherwise(number)
    return pl.when(pl.col("text").is_null()).then(None).otherwise(number)


def _score_bin(name: str, low: float, high: float) -> pl.Expr:
    score = pl.col("scores").struct.field(name).cast(pl.Float64)
    width = (high - low) / _SCORE_BINS or 1.0
    at = ((score - low) / width).floor().clip(0, _SCORE_BINS - 1)
    return at.cast(pl.UInt8, strict=False)


def _label_bins(name: str, ranges: Mapping[str, tuple[float, float]]) -> dict[str, str] | None:
    """Return the words for the numbers of bins; None where values stand for themselves."""
    if name == "length":
        ends = [*(f"{low:,} to {high - 1:,}" for low, high in itertools.pairwise(_EDGES))]
        return {str(at): word for at, word in enumerate([*ends, f"{_EDGES[-1]:,} and more"])}
    signal = name.removeprefix("score of ")
    if name == signal or signal not in ranges:
        return None
    low, high = ranges[signal]
    width = (high - low) / _SCORE_BINS
    return {str(at): f"{low + at * width:.4g}" for at in range(_SCORE_BINS)}


def _count_groups(
    files: Sequence[Path], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, int]]:
    if not files:
        return {}
    groups = _list_groups(read_schema(files), ranges)
    frame = scan_set(files).select(**groups).collect(engine="streaming")
    return {
        name: {
            NULL if value is None else str(value): int(count)
            for value, count in frame[name].value_counts().iter_rows()
        }
        for name in groups
    }


def _add(one: Counts, other: Counts) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _draw(name: str, sides: Sequence[Counts], labels: dict[str, str] | None) -> Distribution:
    if labels is not None:
        keys = [*labels, *([NULL] if any(NULL in side for side in sides) else [])]
    else:
        total = _add(*sides)
        keys = sorted(total, key=lambda key: (-total[key], key))
    shown = keys[:VALUES]
    counts = [[side.get(key, 0) for key in shown] for side in sides]
    rest = [sum(side.values()) - sum(count) for side, count in zip(sides, counts, strict=True)]
    bins = [key if labels is None else labels.get(key, key) for key in shown]
    if any(rest):
        bins, counts = [*bins, OTHERS], [[*c, r] for c, r in zip(counts, rest, strict=True)]
    return Distribution(
        name=name, bins=tuple(bins), before=tuple(counts[0]), after=tuple(counts[1])
    )


def _count_languages(
    before: SetState, after: SetState, *, has_text: bool
) -> Iterator[Distribution]:
    """Yield the languages of a few texts of each side, where they can be told."""
    if not has_text:
        return
    sides = [count_languages(_pick_texts(side.files)) for side in (before, after)]
    if sides[0] is None or sides[1] is None:
        return
    found = _draw("language", [sides[0], sides[1]], None)
    yield found.model_copy(update={"is_sample": True})


def _pick_texts(files: Sequence[Path]) -> list[str]:
    """Return the texts of a few rows from all over the files, the same ones every time."""
    few = list(files)[:: max(1, len(files) // 8)][:8]
    texts: list[str] = []
    for path in few:
        rows = pl.scan_parquet(path).select("text").head(4 * _LANGUAGE_ROWS // len(few)).collect()
        texts += rows["text"].drop_nulls().gather_every(4).to_list()
    return texts[:_LANGUAGE_ROWS]
