"""Run the peers' job with siftset and with the tools people use today, in one interleaved run.

python benchmarks/against_peers.py [--sizes 100000,300000,1000000] [--corpora few,most] [--rounds 5]
    [--only siftset,lean,daft_job,duckdb_job]

`siftset` is the run that people start: duplicates are removed, every row's decision is recorded
with its text, and the report is drawn up. `lean` leaves all that out, as the peers do, but for the
decision of every row. In the corpus `few` few rows reach the sentiment, in `most` most do.

Each tool runs in a process of its own (start included). Peers get an environment of their own in
.bench/, made on first use. Reported: the median CPU seconds of the process and its children, wall
seconds, the peak memory of the whole process tree, and the ratio to the default run. Every tool
must keep exactly the same ids, and `siftset` those of the first row of each text, else the run
fails. Kernels are compiled before, as the peers are installed before.
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
from peers.job import describe_job  # noqa: E402

BENCH = HERE.parent / ".bench"
PEERS = ("polars_plain", "daft_job", "duckdb_job", "hf_datasets", "datatrove_job")
OURS = ("siftset", "lean")
LEAN = {"dedupe": {"exact": False}, "record": "decisions", "analysis": "off"}
SIFTSET = (str(Path(sys.executable).parent / "siftset"),)
TRIES = 4
PACKAGES = "daft datatrove[io] datasets duckdb numpy polars pyarrow nltk vaderSentiment".split()


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


def recipe(source: Path, out: Path, *, lean: bool) -> Path:
    """Write the same job as a recipe, with all that is on by default or without."""
    path = BENCH / "job.json"
    document = describe_job("peers-job", source, out)
    path.write_text(json.dumps({**document, **(LEAN if lean else {})}))
    return path


def first_of_each_text(source: Path, ids: set[int]) -> set[int]:
    """Return the ids that stay where only the first row of each text does."""
    rows = pl.read_parquet(source / "*.parquet").filter(pl.col("id").is_in(list(ids)))
    text = pl.col("text").str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars(" ")
    return set(rows.with_columns(text).unique("text", keep="first", maintain_order=True)["id"])


def kept_ids(out: Path) -> set[int]:
    if (out / "set").is_dir():
        rows = pl.scan_delta(str(out / "set")).select("id").collect()
    else:
        files = sorted(out.rglob("*.parquet"))
        rows = pl.concat([pl.read_parquet(f).select(pl.col("id").cast(pl.Int64)) for f in files])
    return set(rows["id"].to_list())


def command(tool: str, source: Path, out: Path, scorer: str) -> list[str]:
    if tool in OURS:
        return [*SIFTSET, "curate", str(recipe(source, out, lean=tool == "lean")), "--json"]
    return [str(environment()), str(HERE / "peers" / f"{tool}.py"), str(source), str(out), scorer]


def run(tools: list[tuple[str, str]], source: Path, rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {}
    kept: dict[str, set[int]] = {}
    for number in range(rounds):
        for tool, scorer in tools:
            out = BENCH / "out"
            for old in (out, Path(f"{out}-logs")):
                shutil.rmtree(old, ignore_errors=True)
            cost = measure_again(command(tool, source, out, scorer), out)
            ids = kept_ids(out)
            if tool == "siftset":
                kept["first"] = ids
            elif scorer == "nltk" and ids != kept.setdefault("all", ids):
                sys.exit(f"{tool} kept {len(ids):,} rows, others {len(kept['all']):,}")
            name = tool if tool in OURS else f"{tool} ({scorer})"
            costs.setdefault(name, []).append(cost)
            print(f"round {number + 1}: {name} {cost.cpu:.2f} CPU s, {len(ids):,} kept", flush=True)
    if len(kept) == 2 and kept["first"] != first_of_each_text(source, kept["all"]):
        sys.exit("siftset kept other rows than the first of each text")
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
    parser.add_argument("--sizes", default="100000,300000,1000000")
    parser.add_argument("--corpora", default="few,most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--texts", type=Path, default=HERE.parents[1] / "shared" / "corpora")
    given = parser.parse_args()
    BENCH.mkdir(exist_ok=True)
    subprocess.run(
        [*SIFTSET, "doctor", "--compile", "--json"], check=True, stdout=subprocess.DEVNULL
    )
    tools = [(tool, "nltk") for tool in OURS]
    tools += [(peer, scorer) for peer in PEERS for scorer in ("nltk", "vaderSentiment")]
    wanted = given.only.split(",") if given.only else None
    tools = [pair for pair in tools if wanted is None or pair[0] in wanted]
    for name in given.corpora.split(","):
        for rows in map(int, given.sizes.split(",")):
            source = BENCH / f"corpus-{name}-{rows}"
            if not source.is_dir():
                write(corpus(rows, given.texts, most=name == "most"), source)
            print(f"corpus {name}, {rows:,} rows", flush=True)
            print(table(run(tools, source, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
