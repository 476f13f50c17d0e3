"""The engine ray: the same rows and the same report, whatever dies on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("ray")

SIFTSET = str(Path(sys.executable).parent / "siftset")
FILES, ROWS = 12, 400
RECIPE = """
name: many
output: {output}
seed: 5
source: {{files: {{paths: ["in/*.jsonl"], text: text, id: id}}}}
signals:
  positive: {{sentiment: {{min: 0.05}}}}
  listed: {{keyword: {{list: words.txt}}}}
  mine: {{python: "signals.py:mine"}}
label: {{votes: {{good: [positive, mine], made: listed}}, known: mark}}
keep: (positive | listed) & mine
order: pinned
integrity: {{rows: {{text: {{not_null: true, max_chars: 200}}}}}}
dedupe: {{exact: true, near: 0.9}}
max_fault_rate: {budget}
ray: {{timeout: {timeout}, retries: 1, memory: 900000000, exchange_above: 1000}}
"""
SIGNALS = """
import time
from pathlib import Path
import numpy as np
from siftset import signal

HERE = Path(__file__).parent

@signal(examples=[("ok", True), ("", False), (None, None)])
def mine(text: str) -> bool:
    if "first" in text:
        time.sleep({pause})
    if "HANG" in text:
        time.sleep(600)
    if "EAT" in text:
        np.ones(200_000_000)
        time.sleep(5)
    return len(text) > 2
"""
WORDS = "sturdy\nlight\n"
VERBS = ("love", "hate", "wear", "bought", "returned")
THINGS = ("sturdy shoes", "light boots", "bad socks", "great laces", "a belt")
LONG = (
    "I love these great shoes that carried me through the park and over the hill on every morning "
    "of a long and rainy summer and that is all I can say of"
)


def text_of(number: int) -> str | None:
    if number % 17 == 0:
        return None
    if number % 13 == 5:
        return f"{LONG} number {number % 700}"
    return f"I {VERBS[number % 5]} {THINGS[number * 7 % 5 - 1]} number {number % 1500}"


def write_input(folder: Path, special: dict[int, str] | None = None) -> None:
    (folder / "in").mkdir()
    for file in range(FILES):
        with (folder / "in" / f"{file:02d}.jsonl").open("w") as out:
            for row in range(ROWS):
                number = file * ROWS + row % (ROWS - 1)  # the last record repeats the first
                text = f"the first of {file} is great" if number % ROWS == 0 else text_of(number)
                text = (special or {}).get(number, text)
                out.write(json.dumps({"id": number, "text": text, "mark": "good"}) + "\n")


def write_recipe(folder: Path, output: str, *, timeout: float = 60, budget: float = 0) -> Path:
    """Each output has a recipe of its own; what decides the rows is the same."""
    (folder / "words.txt").write_text(WORDS)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "__init__.py").write_text("raise ImportError('a stranger')")
    path = folder / f"{output}.yaml"
    path.write_text(RECIPE.format(output=output, timeout=timeout, budget=budget))
    return path


def write_signals(folder: Path, pause: float = 0) -> None:
    (folder / "signals.py").write_text(SIGNALS.replace("{pause}", str(pause)))


def command(recipe: Path, engine: str, name: str = "curate") -> list[str]:
    return [SIFTSET, name, str(recipe), "--engine", engine, "--json"]


def curate(
    recipe: Path, engine: str, environment: dict[str, str] | None = None, name: str = "curate"
):
    done = subprocess.run(
        command(recipe, engine, name), cwd=recipe.parent, env=environment or os.environ | {},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


def rows_of(output: Path) -> list[tuple[object, ...]]:
    frame = pl.read_delta(str(output / "set"))
    return frame.drop("run_id").sort("row_id").rows()


def put_aside(output: Path, what: str) -> list[tuple[object, ...]]:
    (folder,) = (output / "runs").glob(f"*/{what}")
    files = sorted(folder.glob("*.parquet"))
    frames = [pl.read_parquet(path) for path in files]
    frame = pl.concat(frames)
    return frame.drop("run_id", strict=False).rows()


TIMES = {
    "run_id", "started", "seconds", "microseconds_per_row", "planning",
    "cached", "ran", "cpu_seconds", "arguments",
}  # fmt: skip


def report_of(output: Path) -> object:
    (path,) = (output / "runs").glob("*/metrics.json")

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items() if name not in TIMES}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    return plain(json.loads(path.read_text()))


def same(one: Path, other: Path) -> None:
    """Assert that two outputs hold the same rows, in every place, and the same figures."""
    assert rows_of(one) == rows_of(other)
    for what in ("rejected", "quarantine", "duplicates"):
        assert put_aside(one, what) == put_aside(other, what), what
    assert report_of(one) == report_of(other)
    assert not (other / ".shards").exists()


def helper():
    path = Path(__file__).parents[2] / "raylets.py"
    spec = importlib.util.spec_from_file_location("_raylets", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cluster():
    with helper().raylets(3) as found:
        yield found


def test_ray_equals_local(tmp_path):
    """One run on a cluster that siftset starts itself, on two cores of this machine."""
    write_input(tmp_path)
    write_signals(tmp_path)
    assert curate(write_recipe(tmp_path, "local"), "local")[0].returncode == 0
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    done, found = curate(write_recipe(tmp_path, "ray"), "ray", environment)
    assert done.returncode == 0, done.stderr
    same(tmp_path / "local", tmp_path / "ray")
    assert {row[-1] for row in put_aside(tmp_path / "ray", "duplicates")} == {"id", "exact", "near"}
    assert found["rows"]["kept"] + found["rows"]["duplicate"] > 1000  # ray.exchange_above
    (node,) = found["nodes"].values()
    assert node["rows"] == FILES * ROWS
    assert node["shards"] == FILES


@pytest.mark.slow
def test_refreshes_on_ray_equal_local_ones(tmp_path):
    """A file comes and a file goes; a cluster is started only where there is something to read."""
    write_input(tmp_path)
    write_signals(tmp_path)
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    recipes = {engine: write_recipe(tmp_path, engine) for engine in ("local", "ray")}
    (tmp_path / "in/11.jsonl").rename(tmp_path / "kept-back.jsonl")
    for read, change in [(11, None), (1, ("kept-back.jsonl", "in/11.jsonl")), (0, None)]:
        if change is not None:
            (tmp_path / change[0]).rename(tmp_path / change[1])
            (tmp_path / "in/03.jsonl").unlink()
        for engine, recipe in recipes.items():
            done, found = curate(recipe, engine, environment, "refresh")
            assert done.returncode == 0, done.stderr
            assert found["new"] is (read > 0)
        assert sum(node["shards"] for node in found["nodes"].values()) == read
        assert rows_of(tmp_path / "local") == rows_of(tmp_path / "ray")
    assert not (tmp_path / "ray/.shards").exists()


def started(recipe: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(recipe, "ray"), cwd=recipe.parent, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_shards(output: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if len(list(output.glob(".shards/*/[0-9]*/result.json"))) >= count:
            return
        time.sleep(0.05)
    raise TimeoutError(f"{count} shards")


@pytest.mark.slow
def test_workers_and_a_node_die(tmp_path, cluster):
    write_input(tmp_path)
    write_signals(tmp_path, pause=1)
    assert curate(write_recipe(tmp_path, "local"), "local")[0].returncode == 0
    run = started(write_recipe(tmp_path, "ray"), cluster.environment)
    wait_for_shards(tmp_path / "ray", 2)
    workers = [pid for node in (0, 1, 2) for pid in cluster.processes(node, "ray::do_shard")]
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    wait_for_shards(tmp_path / "ray", 4)
    cluster.kill(2)
    out, said = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert "trying again" in said
    same(tmp_path / "local", tmp_path / "ray")
    assert json.loads(out)["rows"]["read"] == FILES * ROWS


@pytest.mark.slow
def test_the_head_dies_and_the_next_run_goes_on(tmp_path, cluster):
    write_input(tmp_path)
    write_signals(tmp_path, pause=1)
    assert curate(write_recipe(tmp_path, "local"), "local")[0].returncode == 0
    recipe = write_recipe(tmp_path, "ray")
    run = started(recipe, cluster.environment)
    wait_for_shards(tmp_path / "ray", 4)
    cluster.kill(0)
    assert run.wait(timeout=200) != 0
    run.communicate()
    left = len(list((tmp_path / "ray").glob(".shards/*/[0-9]*/result.json")))
    assert left >= 4
    with helper().raylets(2) as again:
        done, found = curate(recipe, "ray", again.environment)
    assert done.returncode == 0, done.stderr
    kept = re.search(r"(\d+) of 12 shards were done earlier and are kept", done.stderr)
    assert kept
    assert int(kept[1]) >= left  # other nodes finish what they are at
    assert sum(node["shards"] for node in found["nodes"].values()) == FILES - int(kept[1])
    same(tmp_path / "local", tmp_path / "ray")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("HANG", r"took longer than ray.timeout 6 seconds"),
        ("EAT", r"ray.memory allows 900,000,000"),
    ],
)
def test_a_shard_that_no_node_gets_done_is_set_aside(word, why, tmp_path, cluster):
    write_input(tmp_path, {5 * ROWS + 7: f"{word} great"})
    write_signals(tmp_path)
    strict, _ = curate(write_recipe(tmp_path, "strict", timeout=6), "ray", cluster.environment)
    assert strict.returncode == 4
    assert f"{ROWS} of 4,800 rows cannot be decided" in strict.stderr
    assert not (tmp_path / "strict" / "set" / "_delta_log").exists()
    recipe = write_recipe(tmp_path, "lenient", timeout=6, budget=0.1)
    done, found = curate(recipe, "ray", cluster.environment)
    assert done.returncode == 0, done.stderr
    assert why in done.stderr
    assert "its rows are set aside" in done.stderr
    assert found["verdict"] == "warn"
    rows = found["rows"]
    assert rows["read"] == sum(count for name, count in rows.items() if name != "read")
    aside = [row for row in put_aside(tmp_path / "lenient", "quarantine") if why in str(row[-1])]
    assert len(aside) == ROWS
    assert any(why in note for note in found["notes"])
    tried = [line for line in done.stderr.splitlines() if "trying again" in line]
    ended = [line for line in done.stderr.splitlines() if "its rows are set aside" in line]
    assert len(tried) == len(ended) == 1
    assert tried[0].partition(" on node ")[2][:8] != ended[0].partition(" on node ")[2][:8]
