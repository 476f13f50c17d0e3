"""What it costs to have a set approved: a plan against a refresh, applying it, and its page.

    python benchmarks/approval.py --rows 1000000 --new 10000

A set of so many rows is published. Then a threshold changes and new rows arrive, and the same
change is carried out twice from equal copies of the output: by `refresh`, and by `plan --refresh`.
Rounds alternate; CPU seconds are of the whole process, each in one of its own. Before the plan is
applied the input is moved away, so that reading it would fail. The page is drawn anew by `diff`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.children import spawn

WORDS = "nike shoes are very comfortable cheap great bad ugly soft the of a and to in it is".split()
ROWS_A_FILE = 100_000


def write_rows(path: Path, start: int, rows: int) -> None:
    """Write texts with labels; the number of a row is part of its text."""
    import polars as pl

    chance = random.Random(start)
    texts = [f"{' '.join(chance.choices(WORDS, k=14))} {start + n}" for n in range(rows)]
    labels = [chance.choice(("praise", "complaint", "question")) for _ in texts]
    pl.DataFrame({"text": texts, "label": labels}).write_parquet(path)


def write_recipe(folder: Path, least: float) -> Path:
    """Write the recipe with a threshold."""
    recipe = {
        "name": "approval",
        "output": "out",
        "source": {"files": {"paths": ["in/*.parquet"], "label": "label"}},
        "signals": {
            "brand": {"keyword": {"words": ["nike", "shoes", "great"]}},
            "positive": {"sentiment": {"min": least}},
        },
        "keep": "brand & positive",
        "integrity": {"rows": {"text": {"not_null": True}}},
        "refresh": {"removed": "delete"},
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe))
    return path


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Do `work` in a child; return its wall seconds and its CPU seconds. Raises where it fails."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)

    def run() -> int:
        work()
        return 0

    code = os.waitstatus_to_exitcode(os.waitpid(spawn(run), 0)[1])
    if code:
        raise RuntimeError(f"a child ended with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, cpu


def refresh_copy(recipe: Path) -> None:
    """Publish at once."""
    from siftset import refresh

    refresh(recipe)


def plan_copy(recipe: Path) -> None:
    """Lay a plan."""
    from siftset import plan

    plan(recipe, refresh=True)


def apply_copy(recipe: Path) -> None:
    """Apply the plan that waits."""
    from siftset import apply

    apply(recipe, by="benchmark")


def draw_page(recipe: Path) -> None:
    """Compare the two versions anew, and write the page."""
    from siftset import diff
    from siftset.pipeline.reports.difference import difference_page

    (recipe.parent / "diff.html").write_text(difference_page(diff(recipe, 0, 1)), encoding="utf-8")


def copy_world(folder: Path, name: str) -> Path:
    """Copy output and recipe beside each other, so that both begin alike; the input is shared."""
    target = folder / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    shutil.copytree(folder / "out", target / "out")
    (target / "in").symlink_to(folder / "in")
    shutil.copy(folder / "recipe.json", target / "recipe.json")
    return target / "recipe.json"


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "in").mkdir()
        # in children all of it: a process that has used polars cannot be forked any more
        for at, start in enumerate(range(0, given.rows, ROWS_A_FILE)):
            rows = min(ROWS_A_FILE, given.rows - start)
            measure(lambda a=at, s=start, n=rows: write_rows(folder / f"in/{a:04d}.parquet", s, n))
        say(f"first   {measure(lambda: refresh_copy(write_recipe(folder, 0.05)))}")
        measure(lambda: write_rows(folder / "in/new.parquet", given.rows, given.new))
        write_recipe(folder, 0.3)
        ways = {"refresh": refresh_copy, "plan": plan_copy}
        cost: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(given.rounds):
            for name in list(ways)[:: 1 if number % 2 else -1]:
                recipe = copy_world(folder, name)
                cost[name].append(measure(lambda n=name, r=recipe: ways[n](r)))
                say(f"{name:<8}wall {cost[name][-1][0]:.1f} s, CPU {cost[name][-1][1]:.1f} s")
        best = {name: min(cpu for _, cpu in found) for name, found in cost.items()}
        say(f"plan / refresh, CPU: {best['plan'] / best['refresh']:.3f}")
        (folder / "in").rename(folder / "moved away")
        recipe = folder / "plan/recipe.json"
        wall, cpu = measure(lambda: apply_copy(recipe))
        say(f"apply   wall {wall:.2f} s, CPU {cpu:.2f} s, the input moved away")
        wall, cpu = measure(lambda: draw_page(recipe))
        size = (folder / "plan/diff.html").stat().st_size
        say(f"page    wall {wall:.2f} s, CPU {cpu:.2f} s, {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
