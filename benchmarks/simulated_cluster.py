"""What a curation costs on many machines: a simulation from measured rates.

    python benchmarks/simulated_cluster.py
        the plan for 10 billion rows on 100 machines
    python benchmarks/simulated_cluster.py --check few.json many.json large.json others.json ...
        rates from three outputs of cluster.py (few rows in few shards, in many shards, many rows),
        held against what the others measured

Shards go to free places in order, as the engine hands them out; stragglers, lost nodes and repeated
attempts are drawn from a seed. Then follows what the driver does alone.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from dataclasses import dataclass, replace
from pathlib import Path

HOUR = 3600.0


@dataclass(frozen=True)
class Rates:
    """Measured on one core of the test machine; docs/scale.md says how."""

    sift: float = 29_000.0
    """Rows of 1 kB a second and place: reading, rules, formula, writing parts (29 MB/s)."""
    shard: float = 0.15
    """Seconds of a shard beside its rows: scheduling, syncing, renaming."""
    start: float = 12.0
    """Seconds until the first shard is under way."""
    worker: float = 0.3
    """Seconds in which a worker makes itself ready."""
    take: float = 0.025
    """Seconds in which the driver opens, hands out and takes one shard."""
    key: float = 7_500_000.0
    """Rows a second and place of parting keys into buckets."""
    search: float = 5_000_000.0
    """Rows a second and place of searching a bucket."""
    near: float = 33_000.0
    """Rows of 1 kB a second and place of all that nodes do for near duplicates at 0.9."""
    join: float = 2_900_000.0
    """Pairs of rows that share a key, a second, that the driver joins."""
    pairs: float = 2.0
    """Pairs for each kept row: assumed, a fifth of the rows shares ten keys with others."""
    settle: float = 240_000.0
    """Kept rows of 1 kB a second and place that are written into the set."""
    scan: float = 17_000_000.0
    """Kept rows a second whose row_id the driver reads, to draw the sample that is profiled."""
    file: float = 0.005
    """Seconds in which the driver syncs and renames one file of the set, on network storage."""
    per_file: float = 24e3
    """Rows of 1 kB of a file of the set."""
    storage: float = 20e9
    """Bytes a second that the storage gives all nodes together: assumed, not measured."""
    text: float = 1_000.0
    """Bytes of a row."""
    end: float = 8.0
    """Seconds of profile, report and commit."""


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
    reading = job.rows * rates.text / rates.storage
    kept = job.rows * job.kept
    spread = job.places if kept > 4_000_000 else 1
    exchange = kept / rates.key + kept / rates.search if spread > 1 else 0.0
    return {
        "start": rates.start,
        "sift (nodes)": max(sift, reading),
        "take results (driver)": job.shards * rates.take,
        "exchange of keys (nodes)": exchange / spread,
        "write the set (nodes)": kept / rates.settle / spread,
        "draw the profile (driver)": kept / rates.scan,
        "sync and commit (driver)": kept / rates.per_file * rates.file,
        "profile, report (driver)": rates.end,
    }


def near_stages(job: Job, rates: Rates) -> dict[str, float]:
    """Return the seconds that near duplicates at 0.9 add.

    Texts are read twice; 14 keys a row and a fifth of the texts are written and read.
    """
    kept = job.rows * job.kept
    moved = kept * (2.4 * rates.text + 2 * 14 * 16)
    return {
        "keys and search (nodes)": max(kept / rates.near / job.places, moved / rates.storage),
        "join pairs (driver)": kept * rates.pairs / rates.join,
    }


def cpu_seconds(job: Job, rates: Rates) -> dict[str, float]:
    """Return the CPU seconds of the nodes and of the driver."""
    nodes = job.rows / rates.sift + job.shards * rates.shard + job.places * rates.worker
    kept = job.rows * job.kept
    return {
        "nodes": nodes,
        "driver": rates.end + job.shards * rates.take + kept / rates.settle,
    }


def measured_rates(runs: list[dict[str, dict[str, object]]]) -> Rates:
    """Return the rates that three runs show: few rows in few and in many shards, and many rows."""
    few, many, large = (job_of(run) for run in runs)
    spent = [cpu_of(run) for run in runs]
    apart = many.shards - few.shards
    shard = max(0.0, (spent[1]["nodes"] - spent[0]["nodes"]) / apart)
    take = max(0.0, (spent[1]["driver"] - spent[0]["driver"]) / apart)
    more = spent[2]["nodes"] - spent[0]["nodes"] - (large.shards - few.shards) * shard
    sift = (large.rows - few.rows) / more
    worker = (spent[0]["nodes"] - few.shards * shard - few.rows / sift) / few.places
    driver = spent[2]["driver"] - spent[0]["driver"] - (large.shards - few.shards) * take
    settle = (large.rows * large.kept - few.rows * few.kept) / max(driver, 1e-3)
    end = spent[0]["driver"] - few.shards * take - few.rows * few.kept / settle
    return Rates(sift=sift, shard=shard, worker=worker, take=take, settle=settle, end=end)


def cpu_of(found: dict[str, dict[str, object]]) -> dict[str, float]:
    nodes = found["ray"]["nodes"].values()
    return {"nodes": sum(node["cpu_seconds"] for node in nodes), "driver": found["ray"]["cpu"]}


def job_of(found: dict[str, dict[str, object]]) -> Job:
    one = found["ray"]
    rows = one["rows"]
    shards = int(sum(node["shards"] for node in one["nodes"].values()))
    kept = (rows["kept"] + rows["duplicate"]) / rows["read"]
    return Job(rows["read"], shards, kept, places=2, nodes=2)


def check(paths: list[Path]) -> None:
    """Take the rates from the first three runs and hold all of them against the simulation."""
    runs = [json.loads(path.read_text()) for path in paths]
    rates = measured_rates(runs[:3])
    print(
        f"rates: {rates.sift:,.0f} rows a CPU second, {rates.shard:.3f} CPU s a shard, "
        f"{rates.worker:.2f} a worker, "
        f"{rates.take * 1000:.1f} ms a result, {rates.end:.1f} CPU s at the ends"
    )
    for path, found in zip(paths, runs, strict=True):
        job, spent = job_of(found), cpu_of(found)
        for name, expected in cpu_seconds(job, rates).items():
            print(
                f"{path.stem:12} {job.rows:>10,} rows {job.shards:>4} shards {name:7} measured "
                f"{spent[name]:6.2f} CPU s, simulated {expected:6.2f} "
                f"({expected / spent[name] - 1:+.0%})"
            )


def plan(rates: Rates) -> None:
    job = Job(
        rows=1e10, shards=20_000, kept=0.3, places=3200, nodes=100, straggle=0.3, lost_after=50.0
    )
    print("10 billion rows of 1 kB, 30 % kept, 100 machines of 32 cores")
    for name, seconds in stages(job, rates).items():
        print(f"  {name:26} {seconds / 60:8.1f} min")
    total = sum(stages(job, rates).values())
    end, lost = sift_seconds(job, rates)
    reading = job.rows * rates.text / rates.storage / 60
    print(f"  (sift: {end / 60:.1f} min of work, {reading:.1f} min of reading)")
    print(f"  {'together':26} {total / 60:8.1f} min; {lost} attempts lost with their nodes")
    print("  with near duplicates, besides:")
    for name, seconds in near_stages(job, rates).items():
        print(f"    {name:24} {seconds / 60:8.1f} min")
    busy = job.rows / rates.sift / HOUR
    print(f"  {busy:,.0f} core hours of sifting; {total / HOUR * job.nodes:,.0f} machine hours")
    for shards in (2_000, 20_000, 200_000, 1_000_000):
        other = replace(job, shards=shards)
        end, _ = sift_seconds(other, rates)
        taking = shards * rates.take
        print(f"  {shards:9,} shards: sift {end / 60:6.1f} min, driver {taking / 60:6.1f} min")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", nargs="+", type=Path, metavar="JSON")
    chosen = options.parse_args()
    if chosen.check:
        check(chosen.check)
    else:
        plan(Rates())


if __name__ == "__main__":
    main()
