"""Run the peers' job with siftset and with the tools people use today, in one interleaved run.

python benchmarks/against_peers.py [--rows 300000] [--rounds 5] [--only siftset,daft_job]

Each tool runs in a process of its own (start included). Peers get an environment of their own in
.bench/, made on first use. Reported: the median CPU seconds of the process and its children, wall
seconds, the peak memory of the whole process tree, and the ratio to siftset. Every tool must keep
exactly the same ids, else the run fails. siftset records every row's decision; the peers do not.
Its kernels are compiled before, as the peers are installed before: a run of 20 MB of text does so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from corpus import corpus, write  # noqa: E402
from peers.job import PRODUCTS, THRESHOLD  # noqa: E402

BENCH = HERE.parent / ".bench"
PEERS = ("polars_plain", "daft_job", "hf_datasets", "datatrove_job")
SIFTSET = (str(Path(sys.executable).parent / "siftset"),)
TRIES = 4
PACKAGES = ["daft", "datatrove[io]", "datasets", "polars", "pyarrow", "nltk", "vaderSentiment"]


@dataclass(frozen=True)
class Cost:
    """What one process tree used: seconds and MiB."""

    cpu: float
    wall: float
    peak: float


def environment() -> Path:
    python = BENCH / "venv" / "bin" / "python"
    if not python.exists():
        print("installing the peers into .bench/venv (once)")
        subprocess.run([sys.executable, "-m", "venv", BENCH / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def tree_memory(root: int) -> float:
    """Return the proportional memory of a process and its descendants in MiB (Linux)."""
    total, queue = 0, [root]
    while queue:
        pid = queue.pop()
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss:")[1]
        except (OSError, IndexError):
            continue
        total += int(rollup.split()[0])
        queue += [int(child) for child in children]
    return total / 1024


def surroundings() -> dict[str, str]:
    """Return an environment in which Python keeps its bytecode, for every tool alike."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(BENCH / "bytecode")}


def measure_again(command: list[str], out: Path) -> Cost:
    """Measure a command; one that ends in a crash of its own (Daft, now and then) is run again."""
    for _ in range(TRIES):
        cost = measure(command)
        if cost is not None:
            return cost
        print(f"crashed, run again: {' '.join(command[1:])}", flush=True)
        shutil.rmtree(out, ignore_errors=True)
    sys.exit(f"{command} crashed {TRIES} times, see {BENCH / 'last.log'}")


def measure(command: list[str]) -> Cost | None:
    """Measure a command; None where a signal ended it."""
    began = time.perf_counter()
    with (BENCH / "last.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=surroundings())
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, tree_memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    done.set()
    watcher.join()
    if os.WIFSIGNALED(status):
        return None
    if status:
        sys.exit(f"{command} failed, see {BENCH / 'last.log'}")
    cpu = used.ru_utime + used.ru_stime
    return Cost(cpu, time.perf_counter() - began, max(peak, used.ru_maxrss / 1024))


def recipe(source: Path, out: Path) -> Path:
    """Write the same job as a recipe; suite off, duplicates kept as the peers keep them."""
    path = BENCH / "job.json"
    document = {
        "name": "peers-job",
        "output": str(out),
        "source": {"files": {"paths": [str(source)], "id": "id"}},
        "signals": {
            "nike": {"keyword": {"words": ["nike"]}},
            "product": {"keyword": {"words": PRODUCTS}},
            "mood": {"sentiment": {}},
        },
        "keep": f"nike & product & (mood > {THRESHOLD})",
        "dedupe": {"exact": False},
        "record": "decisions",
        "analysis": "off",
    }
    path.write_text(json.dumps(document))
    return path


def kept_ids(out: Path) -> set[int]:
    if (out / "set").is_dir():
        rows = pl.scan_delta(str(out / "set")).select("id").collect()
    else:
        files = sorted(out.rglob("*.parquet"))
        rows = pl.concat([pl.read_parquet(f).select(pl.col("id").cast(pl.Int64)) for f in files])
    return set(rows["id"].to_list())


def command(tool: str, source: Path, out: Path, scorer: str) -> list[str]:
    if tool == "siftset":
        return [*SIFTSET, "curate", str(recipe(source, out)), "--json"]
    return [str(environment()), str(HERE / "peers" / f"{tool}.py"), str(source), str(out), scorer]


def run(tools: list[tuple[str, str]], source: Path, rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {}
    reference: set[int] | None = None
    for number in range(rounds):
        for tool, scorer in tools:
            out = BENCH / "out"
            for old in (out, Path(f"{out}-logs")):
                shutil.rmtree(old, ignore_errors=True)
            cost = measure_again(command(tool, source, out, scorer), out)
            ids = kept_ids(out)
            reference = reference or ids
            if scorer == "nltk" and ids != reference:
                sys.exit(f"{tool} kept {len(ids):,} rows, siftset {len(reference):,}")
            name = tool if tool == "siftset" else f"{tool} ({scorer})"
            costs.setdefault(name, []).append(cost)
            print(f"round {number + 1}: {name} {cost.cpu:.2f} CPU s, {len(ids):,} kept", flush=True)
    return costs


def table(costs: dict[str, list[Cost]]) -> str:
    middle = {
        name: Cost(
            *(statistics.median(getattr(c, f) for c in runs) for f in ("cpu", "wall", "peak"))
        )
        for name, runs in costs.items()
    }
    base = middle.get("siftset", next(iter(middle.values()))).cpu
    lines = [f"{'tool':<34}{'CPU s':>8}{'wall s':>8}{'peak MiB':>10}{'x siftset':>11}"]
    lines += [
        f"{name:<34}{c.cpu:>8.2f}{c.wall:>8.2f}{c.peak:>10.0f}{c.cpu / base:>11.1f}"
        for name, c in sorted(middle.items(), key=lambda item: item[1].cpu)
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--corpora", type=Path, default=HERE.parents[1] / "shared" / "corpora")
    given = parser.parse_args()
    BENCH.mkdir(exist_ok=True)
    source = BENCH / f"corpus-{given.rows}"
    if not source.is_dir():
        write(corpus(given.rows, given.corpora), source)
    subprocess.run(
        [*SIFTSET, "doctor", "--compile", "--json"], check=True, stdout=subprocess.DEVNULL
    )
    tools = [("siftset", "nltk")]
    tools += [(peer, scorer) for peer in PEERS for scorer in ("nltk", "vaderSentiment")]
    wanted = given.only.split(",") if given.only else None
    tools = [pair for pair in tools if wanted is None or pair[0] in wanted]
    print(table(run(tools, source, given.rounds)))


if __name__ == "__main__":
    main()
