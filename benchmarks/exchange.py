"""The rates of the exchanges that find repeats on many machines, and of writing the set, on a core.

    python benchmarks/exchange.py

Runs the tasks of a cluster one by one in this process; figures are for each CPU second.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from siftset.pipeline.engines.ray.connected_components import connected_components
from siftset.pipeline.engines.ray.shuffle import KeyBatch, KeyBucket, part_keys, search_bucket
from siftset.pipeline.engines.ray.shuffle_near import NearDuplicateQuery, NearDuplicateShuffle
from siftset.pipeline.stages.dedupe import (
    TEXT_KEY,
    near_duplicates,
    no_repeats,
    split_duplicates,
    text_key,
)
from siftset.pipeline.storage.part_files import Part, PartWriter


def measure_exchange(rows: int = 2_000_000) -> tuple[float, float]:
    """Return rows a CPU second of parting keys into buckets, and of searching a bucket."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = pl.DataFrame({"text": pl.int_range(rows, eager=True).cast(pl.String)})
        path = folder / "000000-a-00000.parquet"
        texts.select(text_key().alias(TEXT_KEY)).write_parquet(path, compression="lz4")
        (folder / "exact").mkdir()
        began = time.process_time()
        part_keys(KeyBatch("exact", 0, 8, folder, (((path,), 0),)))
        parted = time.process_time()
        for number in range(8):
            search_bucket(KeyBucket("exact", number, folder, latest=False))
        return rows / (parted - began), rows / (time.process_time() - parted)


class Timed:
    """Does what a cluster does, in this process, and notes the CPU seconds."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def map_tasks(self, function, items):
        began = time.process_time()
        found = [function(item) for item in items]
        self.spent[function.__name__] = time.process_time() - began
        return found


def measure_near(rows: int = 40_000, words: int = 105) -> None:
    """Print what near duplicates at 0.9 take by the exchange and on one machine, a fifth edits."""
    draw, texts = random.Random(1), []
    vocabulary = [f"word{number}" for number in range(20_000)]
    for _ in range(rows):
        again = texts and draw.random() < 0.2
        chosen = draw.choice(texts).split() if again else draw.choices(vocabulary, k=words)
        chosen[draw.randrange(words)] = draw.choice(vocabulary)
        texts.append(" ".join(chosen))
    with tempfile.TemporaryDirectory() as name:
        parts = [Part(Path(name) / "000000-a-00000.parquet", rows)]
        pl.DataFrame({"text": texts}).write_parquet(parts[0].path)
        nothing, nodes = pl.Series("place", [], pl.Int64), Timed()
        began = time.process_time()
        found = NearDuplicateShuffle(nodes, Path(name), rows=4_000_000).find_duplicates(
            parts, NearDuplicateQuery(0.9, 0), nothing
        )
        spent, began = time.process_time() - began, time.process_time()
        assert near_duplicates(parts, 0.9, without=nothing, seed=0).equals(found)
        alone = time.process_time() - began
    map_tasks = ", ".join(f"{name} {rows / one:,.0f}" for name, one in nodes.spent.items())
    print(f"near duplicates, {found.height:,} of {rows:,}, rows a CPU second: {rows / spent:,.0f} "
          f"({map_tasks}), by one machine {rows / alone:,.0f}")  # fmt: skip
    place = pl.int_range(20_000_000, eager=True).sample(4_000_000, seed=1).alias("place")
    pairs = pl.DataFrame({"place": place, "keeper": place - place % 5})
    began = time.process_time()
    connected_components(
        20_000_000, [pairs.slice(start, 500_000) for start in range(0, 4_000_000, 500_000)]
    )
    print(f"pairs joined a CPU second: {4_000_000 / (time.process_time() - began):,.0f}")


def measure_settle(rows: int = 200_000, size: int = 1_000) -> tuple[float, float]:
    """Return rows of `size` bytes a CPU second that are written, and whose row_id is read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        word = pl.int_range(rows, eager=True).hash().cast(pl.String)
        texts = pl.DataFrame({"row_id": word, "text": pl.select(
            pl.concat_str([word.hash(seed).cast(pl.String) + " " for seed in range(size // 20)])
        ).to_series()})  # fmt: skip
        states = pl.struct(nike=pl.lit("true"), praise=pl.lit("skipped"))
        frame = texts.with_columns(text_key().alias(TEXT_KEY), signals=states)
        frame = frame.with_columns(split=pl.lit("train"))
        frame.write_parquet(folder / "in.parquet", compression="lz4")
        writer = PartWriter(folder / "set", "train")
        began = time.process_time()
        for kept, _ in split_duplicates([Part(folder / "in.parquet", rows)], no_repeats()):
            writer.add(kept.drop(TEXT_KEY))
        writer.close()
        settled = rows / (time.process_time() - began)
        ids = pl.scan_parquet(folder / "set").select("row_id")
        began = time.process_time()
        ids.filter(pl.col("row_id") < "5").collect()
        return settled, rows / (time.process_time() - began)


def main() -> None:
    parted, searched = measure_exchange()
    print(f"rows: parting {parted:,.0f}, searching {searched:,.0f}, ", end="")
    print("writing the set {:,.0f}, reading row_id {:,.0f}".format(*measure_settle()))
    measure_near()


if __name__ == "__main__":
    main()
