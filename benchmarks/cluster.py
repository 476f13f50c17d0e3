"""The engine ray against the local one on the same cores: the same rows, and what they cost.

    python benchmarks/cluster.py --rows 2000000 --files 32 [--kill] [--json figures.json]
    python benchmarks/cluster.py --rows 1000000 --files 16 --near 0.8

Three raylets on loopback: a head that takes no shard, and two nodes of one core each; the local
engine has two threads. Wall time of the whole command, process start and connecting included.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from watched import watched

ROOT = Path(__file__).parents[1]
SIFTSET = str(Path(sys.executable).parent / "siftset")
RECIPE = """
name: many
output: {output}
seed: 7
source: {{files: {{paths: ["in/*.parquet"], text: text, label: label}}}}
signals:
  nike: {{keyword: {{words: [nike]}}}}
  positive: {{sentiment: {{min: 0.05}}}}
  praise: {{keyword: {{list: praise}}}}
keep: nike & (positive | praise)
order: pinned
integrity: {{rows: {{text: {{not_null: true, max_chars: 2000}}}}}}
analysis: sample
"""
NEAR = """
name: many
output: {output}
seed: 7
source: {{files: {{paths: ["in/*.parquet"], text: text}}}}
signals: {{some: {{length: {{min: 3}}}}}}
keep: some
order: pinned
dedupe: {{near: {near}}}
ray: {{exchange_above: 100000}}
"""


@cache
def of_raylets():
    spec = importlib.util.spec_from_file_location("_raylets", ROOT / "tests" / "raylets.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def make_input(folder: Path, rows: int, files: int, sentences: int) -> None:
    """Write rows of so many synthetic sentences as Parquet files of equal size."""
    whole = folder / "all.parquet"
    wanted = f"source.synthesize.rows={rows * sentences}"
    command = [SIFTSET, "synthesize", "nike", "--set", wanted]
    subprocess.run([*command, "--out", str(whole), "-q"], check=True, cwd=folder)
    (folder / "in").mkdir()
    frame = pl.read_parquet(whole)
    if sentences > 1:
        row = pl.int_range(pl.len()) // sentences
        joined = pl.col("text").drop_nulls().str.join(" ")
        frame = frame.group_by(row, maintain_order=True).agg(joined, pl.col("label").first())
        frame = frame.select("text", "label")
    print(f"{frame.height:,} rows of {frame['text'].str.len_bytes().mean():,.0f} bytes")
    each = -(-frame.height // files)
    for number in range(files):
        part = frame.slice(number * each, each)
        part.write_parquet(folder / "in" / f"{number:04d}.parquet")
    whole.unlink()


def make_edited(folder: Path, rows: int, files: int, corpora: Path) -> None:
    """Write texts of five runs of eight words of the corpora, a fifth of them edits of others."""
    draw, words = np.random.default_rng(7), corpus_words(corpora)
    starts = draw.integers(len(words) - 8, size=(rows, 5))
    (folder / "in").mkdir()
    each, size = -(-rows // files), 0
    for number in range(files):
        texts: list[list[str]] = []
        for row in range(number * each, min(rows, (number + 1) * each)):
            edits = draw.integers(1, 3) if row and draw.random() < 0.2 else 0
            of = draw.integers(row) if edits else row
            text = [word for start in starts[of] for word in words[start : start + 8]]
            for place in draw.integers(40, size=edits):
                text[place] = words[draw.integers(len(words))]
            texts.append(text)
        part = pl.DataFrame({"text": [" ".join(text) for text in texts]})
        size += int(part["text"].str.len_bytes().sum())
        part.write_parquet(folder / "in" / f"{number:04d}.parquet")
    print(f"{rows:,} rows of {size / rows:,.0f} bytes")


def corpus_words(corpora: Path) -> list[str]:
    files = [pl.read_parquet(path) for path in sorted(corpora.glob("*.parquet"))]
    texts = [one["text"].drop_nulls() for one in files if "text" in one.columns]
    if not texts:
        raise SystemExit(f"--corpora {corpora}: no .parquet files with a column text")
    return pl.concat(texts).str.join(" ").item().split()


def run(
    folder: Path, name: str, engine: str, environment: dict[str, str], near: float | None
) -> dict[str, object]:
    recipe = folder / f"{name}.yaml"
    recipe.write_text((NEAR if near else RECIPE).format(output=name, near=near))
    began, spent = time.monotonic(), cpu_of_children()
    command = [SIFTSET, "curate", str(recipe), "--engine", engine, "--json"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with watched(lambda: [process.pid, *of_raylets()._below(process.pid)]) as costs:
        out, told = process.communicate()
    if process.returncode:
        raise SystemExit(told)
    found = json.loads(out)
    spent = round(cpu_of_children() - spent, 2)
    said = [line for line in told.splitlines() if "again" in line or "aside" in line]
    return {
        "wall": round(time.monotonic() - began, 2),
        "cpu": spent,
        "said": said,
        "here": str(costs),
        **found,
    }


def cpu_of_children() -> float:
    """Return the CPU seconds of the commands so far: of a cluster, only the driver's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ids(folder: Path, name: str) -> list[str]:
    return pl.read_delta(str(folder / name / "set"))["row_id"].sort().to_list()


def disturb(cluster, output: Path) -> threading.Thread:
    """Kill a worker after the second shard and the last node after the sixth."""

    def wait(count: int) -> None:
        while len(list(output.glob(".shards/*/[0-9]*/result.json"))) < count:
            time.sleep(0.02)

    def work() -> None:
        wait(2)
        while not (workers := cluster.processes(1, "ray::do_shard")):
            time.sleep(0.01)
        os.kill(workers[0], signal.SIGKILL)
        wait(6)
        cluster.kill(2)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def each_process(cluster) -> list[int]:
    return [pid for number in range(len(cluster.nodes)) for pid in cluster.processes(number)]


def on_ray(folder: Path, name: str, near: float | None, *, kill: bool) -> dict[str, object]:
    with of_raylets().raylets(0) as cluster:
        cluster.start(0)
        cluster.start(1)
        cluster.start(1)
        thread = disturb(cluster, folder / name) if kill else None
        with watched(lambda: each_process(cluster)) as costs:
            found = run(folder, name, "ray", cluster.environment, near)
        found["there"] = str(costs)
        if thread is not None:
            thread.join()
        return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--files", type=int, default=32)
    options.add_argument("--sentences", type=int, default=1, help="of a row")
    options.add_argument("--kill", action="store_true", help="kill a worker and a node midway")
    options.add_argument("--near", type=float, help="look for near duplicates among edited texts")
    options.add_argument("--corpora", type=Path, default=ROOT.parent / "shared" / "corpora")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    plain = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | {"SIFTSET_WORKERS": "2"}
    with tempfile.TemporaryDirectory(prefix="siftset-bench-") as name:
        folder = Path(name)
        if chosen.near:
            make_edited(folder, chosen.rows, chosen.files, chosen.corpora)
        else:
            make_input(folder, chosen.rows, chosen.files, chosen.sentences)
        found = {"local": run(folder, "local", "local", plain, chosen.near)}
        found["ray"] = on_ray(folder, "ray", chosen.near, kill=False)
        if chosen.kill:
            found["killed"] = on_ray(folder, "killed", chosen.near, kill=True)
        expected = ids(folder, "local")
        for engine, one in found.items():
            equal = one["rows"] == found["local"]["rows"] and ids(folder, engine) == expected
            spent = sum(node["cpu_seconds"] for node in one["nodes"].values())
            print(
                f"{engine:7} {one['wall']:8.1f} s wall  {one['seconds']:8.1f} s run  "
                f"{one['cpu']:6.1f} CPU s here  {spent:6.1f} CPU s on nodes  "
                f"same rows: {equal}  {len(one['said'])} set-backs\n"
                f"        {one['rows']}, here {one['here']}; nodes {one.get('there', 'none')}"
            )
        if chosen.json:
            chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
