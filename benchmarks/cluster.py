"""The engine ray against the local one on the same cores: the same rows, and what they cost.

    python benchmarks/cluster.py --rows 2000000 --files 32 [--kill] [--json figures.json]

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
from pathlib import Path

import polars as pl

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
analysis: {analysis}
"""


def raylets():
    spec = importlib.util.spec_from_file_location("_raylets", ROOT / "tests" / "raylets.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.raylets


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


def run(folder: Path, name: str, engine: str, environment: dict[str, str]) -> dict[str, object]:
    recipe = folder / f"{name}.yaml"
    recipe.write_text(RECIPE.format(output=name, analysis="sample"))
    began, spent = time.monotonic(), cpu_of_children()
    done = subprocess.run(
        [SIFTSET, "curate", str(recipe), "--engine", engine, "--json"], env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout)
    spent = round(cpu_of_children() - spent, 2)
    said = [line for line in done.stderr.splitlines() if "again" in line or "aside" in line]
    return {"wall": round(time.monotonic() - began, 2), "cpu": spent, "said": said, **found}


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


def on_ray(folder: Path, name: str, *, kill: bool) -> dict[str, object]:
    with raylets()(0) as cluster:
        cluster.start(0)
        cluster.start(1)
        cluster.start(1)
        thread = disturb(cluster, folder / name) if kill else None
        found = run(folder, name, "ray", cluster.environment)
        if thread is not None:
            thread.join()
        return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--files", type=int, default=32)
    options.add_argument("--sentences", type=int, default=1, help="of a row")
    options.add_argument("--kill", action="store_true", help="kill a worker and a node midway")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    plain = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | {"SIFTSET_WORKERS": "2"}
    with tempfile.TemporaryDirectory(prefix="siftset-bench-") as name:
        folder = Path(name)
        make_input(folder, chosen.rows, chosen.files, chosen.sentences)
        found = {"local": run(folder, "local", "local", plain)}
        found["ray"] = on_ray(folder, "ray", kill=False)
        if chosen.kill:
            found["killed"] = on_ray(folder, "killed", kill=True)
        expected = ids(folder, "local")
        for engine, one in found.items():
            equal = one["rows"] == found["local"]["rows"] and ids(folder, engine) == expected
            spent = sum(node["cpu_seconds"] for node in one["nodes"].values())
            print(
                f"{engine:7} {one['wall']:8.1f} s wall  {one['seconds']:8.1f} s run  "
                f"{one['cpu']:6.1f} CPU s here  {spent:6.1f} CPU s on nodes  "
                f"same rows: {equal}  {len(one['said'])} set-backs"
            )
        if chosen.json:
            chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
