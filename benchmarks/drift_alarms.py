"""How often drift warns of random halves of one corpus, and how often it finds planted shifts.

    python benchmarks/drift_alarms.py CORPUS.parquet --topic TOPIC.parquet [--pairs 200]

The corpus has the columns id, text and label; the topic a column text. Halves of 100, 1,000 and
10,000 rows are drawn; at 1,000 rows labels are moved by ten points, a twentieth of the texts is
replaced by the topic's, and texts are made a fifth longer.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl

from siftset.pipeline.profile.drift import measure_drift
from siftset.pipeline.profile.state import profile_frame

Shift = Callable[[pl.DataFrame, int], pl.DataFrame]


def main() -> None:
    """Draw the pairs and print the shares that warn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--topic", type=Path, required=True)
    parser.add_argument("--column", default="text", help="the topic's column of texts")
    parser.add_argument("--pairs", type=int, default=200)
    given = parser.parse_args()
    rows = pl.read_parquet(given.corpus).select(
        "text", pl.col("label").cast(pl.String), row_id=pl.format("r{}", "id")
    )
    for size in (100, 1_000, 10_000):
        if 2 * size <= rows.height:
            report(f"halves of {size:,} rows", rows, size, given.pairs)
    topic = pl.read_parquet(given.topic)[given.column].drop_nulls()
    shifts: dict[str, Shift] = {
        "labels moved by ten points": move_labels,
        "a topic in a twentieth of the texts": lambda frame, seed: add_topic(frame, topic, seed),
        "texts a fifth longer": make_longer,
    }
    for name, shift in shifts.items():
        report(f"{name}, 1,000 rows", rows, 1_000, given.pairs, shift)


def report(
    name: str, rows: pl.DataFrame, size: int, pairs: int, shift: Shift | None = None
) -> None:
    """Print how many of the pairs warn of anything, and of what."""
    warned, keys = 0, Counter[str]()
    for seed in range(pairs):
        two = rows.sample(2 * size, shuffle=True, seed=seed)
        now = two[size:] if shift is None else shift(two[size:], seed)
        found = measure_drift(profile_frame(now), profile_frame(two[:size]), against="its half")
        levels = {one.key for one in found if one.level != "pass"}
        warned, keys = warned + bool(levels), keys + Counter(levels)
    print(f"{name}: {warned} of {pairs} pairs warn ({warned / pairs:.1%}) {dict(keys)}")


def move_labels(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Give a tenth of the rows the most frequent label, those that have another."""
    most = frame["label"].value_counts(sort=True)["label"][0]
    pick = pl.int_range(pl.len()).shuffle(seed).over(pl.col("label") == most) < frame.height // 10
    other = pl.col("label") != most
    return frame.with_columns(label=pl.when(pick & other).then(pl.lit(most)).otherwise("label"))


def add_topic(frame: pl.DataFrame, topic: pl.Series, seed: int) -> pl.DataFrame:
    """Put texts of a topic in place of a twentieth of the texts."""
    some = frame.height // 20
    texts = pl.concat([topic.sample(some, seed=seed), frame["text"][some:]])
    return frame.with_columns(text=texts)


def make_longer(frame: pl.DataFrame, _seed: int) -> pl.DataFrame:
    """Repeat the first fifth of the words of each text."""
    words = pl.col("text").str.split(" ")
    more = words.list.concat(words.list.head((words.list.len() * 0.2).round()))
    return frame.with_columns(text=more.list.join(" "))


if __name__ == "__main__":
    main()
