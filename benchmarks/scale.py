"""What a curation costs on many machines: a simulation from measured rates.

    python benchmarks/scale.py                        the plan for 10 billion rows on 100 machines
    python benchmarks/scale.py --check small.json large.json
        rates from the first of two outputs of cluster.py, held against the second

Shards go to free places in order, as the engine hands them out; stragglers, lost nodes and repeated
attempts are drawn from a seed. Then follows what the driver does alone.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

HOUR = 3600.0


@dataclass(frozen=True)
class Rates:
    """Measured on one core of the test machine; docs/scale.md says how."""

    sift: float = 120_000.0
    """Rows a second and place of read, rules, formula and writing parts."""
    shard: float = 0.15
    """Seconds of a shard beside its rows: scheduling, syncing, renaming."""
    start: float = 12.0
    """Seconds until the first shard is under way."""
    take: float = 0.004
    """Seconds in which the driver takes one result."""
    key: float = 4_000_000.0
    """Rows a second and place of parting keys into buckets."""
    search: float = 6_000_000.0
    """Rows a second and place of searching a bucket."""
    settle: float = 600_000.0
    """Kept rows a second that the driver writes into the set, alone."""
    end: float = 8.0
    """Seconds of profile, report and commit."""
    text: float = 1_000.0
    """Bytes of a row."""


@dataclass(frozen=True)
class Job:
    rows: float
    shards: int
    kept: float
    places: int
    nodes: int = 1
    straggle: float = 0.0
    """Standard deviation of the logarithm of a shard's time."""
    lost_after: float = math.inf
    """Hours after which a node is lost on average; another one comes in ten minutes."""


def sift_seconds(job: Job, rates: Rates, seed: int = 0) -> tuple[float, int]:
    """Return when the last shard is done, and how many attempts were lost with their nodes."""
    draw = random.Random(seed)
    each = job.rows / job.shards / rates.sift + rates.shard
    free = [(0.0, place % job.nodes) for place in range(job.places)]
    heapq.heapify(free)
    dies = [draw.expovariate(1 / (job.lost_after * HOUR)) if math.isfinite(job.lost_after)
            else math.inf for _ in range(job.nodes)]  # fmt: skip
    left, lost, end = job.shards, 0, 0.0
    while left:
        begin, node = heapq.heappop(free)
        while begin >= dies[node] + 600:
            dies[node] += 600 + draw.expovariate(1 / (job.lost_after * HOUR))
        done = begin + each * draw.lognormvariate(0, job.straggle)
        if begin <= dies[node] < done:
            lost += 1
            heapq.heappush(free, (dies[node] + 600, node))
            continue
        left -= 1
        end = max(end, done)
        heapq.heappush(free, (done, node))
    return end, lost


def stages(job: Job, rates: Rates) -> dict[str, float]:
    """Return the seconds of each stage, one after the other."""
    sift, _ = sift_seconds(job, rates)
    kept = job.rows * job.kept
    exchange = 0.0
    if kept > 4_000_000:
        exchange = kept / job.places / rates.key + kept / job.places / rates.search
    return {
        "start": rates.start,
        "sift": sift,
        "take results": job.shards * rates.take,
        "exchange": exchange,
        "settle (driver)": kept / rates.settle,
        "profile, report, commit": rates.end,
    }


def measured_rates(found: dict[str, dict[str, object]]) -> Rates:
    """Return the rates that one output of cluster.py shows."""
    one = found["ray"]
    nodes = [node for node in one["nodes"].values() if node["shards"]]
    busy = sum(node["seconds"] for node in nodes)
    shards = sum(node["shards"] for node in nodes)
    rates = Rates()
    rest = one["wall"] - max(node["seconds"] for node in nodes)
    rest -= shards * rates.take + (one["rows"]["kept"] + one["rows"]["duplicate"]) / rates.settle
    rows = one["rows"]["read"]
    sift = rows / max(busy - shards * rates.shard, 1e-9)
    return replace(rates, sift=sift, start=max(rest - rates.end, 0.0))


def job_of(found: dict[str, dict[str, object]]) -> Job:
    one = found["ray"]
    rows = one["rows"]
    shards = int(sum(node["shards"] for node in one["nodes"].values()))
    kept = (rows["kept"] + rows["duplicate"]) / rows["read"]
    return Job(rows["read"], shards, kept, places=2, nodes=2)


def check(small: Path, large: Path) -> None:
    rates = measured_rates(json.loads(small.read_text()))
    for path in (small, large):
        found = json.loads(path.read_text())
        expected = sum(stages(job_of(found), rates).values())
        wall = found["ray"]["wall"]
        print(
            f"{path.name}: {found['ray']['rows']['read']:,} rows: measured {wall:.1f} s, "
            f"simulated {expected:.1f} s ({expected / wall - 1:+.0%})"
        )


def measure_exchange(rows: int = 2_000_000) -> tuple[float, float]:
    """Return rows a CPU second of parting keys into buckets, and of searching a bucket."""
    import polars as pl

    from pipeline.dedupe import TEXT_KEY, text_key
    from pipeline.engines.exchange import Bucket, Keys, part_keys, search_bucket

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = pl.DataFrame({"text": pl.int_range(rows, eager=True).cast(pl.String)})
        path = folder / "000000-a-00000.parquet"
        texts.select(text_key().alias(TEXT_KEY)).write_parquet(path, compression="lz4")
        for number in range(8):
            (folder / "exact" / f"{number:06d}").mkdir(parents=True)
        began = time.process_time()
        part_keys(Keys("exact", 0, 8, folder, (((path,), 0),)))
        parted = time.process_time()
        for number in range(8):
            search_bucket(Bucket("exact", number, folder, latest=False))
        return rows / (parted - began), rows / (time.process_time() - parted)


def measure_settle(rows: int = 200_000, size: int = 1_000) -> float:
    """Return kept rows of `size` bytes a CPU second that are written into the set."""
    import polars as pl

    from pipeline.dedupe import TEXT_KEY, none, settle, text_key
    from pipeline.parts import Part, PartWriter

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
        for kept, _ in settle([Part(folder / "in.parquet", rows)], none()):
            writer.add(kept.drop(TEXT_KEY))
        writer.close()
        return rows / (time.process_time() - began)


def plan(rates: Rates) -> None:
    job = Job(
        rows=1e10, shards=20_000, kept=0.3, places=3200, nodes=100, straggle=0.3, lost_after=50.0
    )
    print("10 billion rows of 1 kB, 30 % kept, 100 machines of 32 cores")
    for name, seconds in stages(job, rates).items():
        print(f"  {name:26} {seconds / 60:8.1f} min")
    total = sum(stages(job, rates).values())
    end, lost = sift_seconds(job, rates)
    print(f"  {'together':26} {total / 60:8.1f} min; {lost} attempts lost with their nodes")
    busy = job.rows / rates.sift / HOUR
    print(f"  {busy:,.0f} core hours of sifting; {total / HOUR * job.nodes:,.0f} machine hours")
    for shards in (2_000, 20_000, 200_000, 1_000_000):
        other = replace(job, shards=shards)
        end, lost = sift_seconds(other, rates)
        taking = shards * rates.take
        print(f"  {shards:9,} shards: sift {end / 60:6.1f} min, driver {taking / 60:6.1f} min")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", nargs=2, type=Path, metavar=("SMALL", "LARGE"))
    options.add_argument("--exchange", action="store_true", help="measure the rates of an exchange")
    chosen = options.parse_args()
    if chosen.exchange:
        parted, searched = measure_exchange()
        print(f"rows a CPU second: parting {parted:,.0f}, searching {searched:,.0f}, ", end="")
        print(f"settling {measure_settle():,.0f}")
    elif chosen.check:
        check(*chosen.check)
    else:
        plan(Rates())


if __name__ == "__main__":
    main()
