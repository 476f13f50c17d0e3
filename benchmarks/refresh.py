"""Ten daily refreshes against one full run: each should cost what is new, and end in the same set.

    python benchmarks/refresh.py --rows 100000 --days 10

Each day a file of so many rows arrives, a tenth of them repeats of earlier ones. CPU seconds are of
the whole process. The full run reads all days at once, into another folder.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.refresh import refresh

RECIPE = """
name: daily
output: {output}
source: {{files: {{paths: ["{folder}/*.parquet"]}}}}
signals:
  brand: {{keyword: {{words: [nike]}}}}
  positive: {{sentiment: {{min: 0.05}}}}
keep: brand & positive
integrity: {{rows: {{text: {{not_null: true}}}}}}
"""
WORDS = "nike shoes are very comfortable cheap great bad ugly soft the of a and to in it is".split()


def day(number: int, rows: int, folder: Path) -> None:
    """Write the file of one day."""
    chance = random.Random(number)
    texts = [" ".join(chance.choices(WORDS, k=12)) + f" {number} {n}" for n in range(rows)]
    if number:
        earlier = pl.read_parquet(folder / f"{number - 1:03d}.parquet")["text"]
        texts[: rows // 10] = earlier.head(rows // 10).to_list()
    chance.shuffle(texts)
    pl.DataFrame({"text": texts}).write_parquet(folder / f"{number:03d}.parquet")


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and CPU seconds of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def rows_of(output: Path) -> pl.DataFrame:
    """Return what must be equal in both sets."""
    rows = pl.read_delta(str(output / "set")).select("row_id", "text", "split", "source")
    return rows.sort("row_id")


def measure(folder: Path, rows: int, days: int) -> bool:
    """Print the table; return whether both sets are identical."""
    source = folder / "in"
    source.mkdir()
    recipe, whole = folder / "daily.yaml", folder / "whole.yaml"
    recipe.write_text(RECIPE.format(output=folder / "out", folder=source))
    whole.write_text(RECIPE.format(output=folder / "whole", folder=source))
    spent = []
    for number in range(days):
        day(number, rows, source)
        wall, cpu = timed(lambda: refresh(recipe))
        spent.append((wall, cpu))
    nothing = timed(lambda: refresh(recipe))
    full = timed(lambda: curate(whole))
    lines = [f"{'day':<14}{'wall s':>8}{'CPU s':>8}{'of a full run':>16}"]
    named = [(f"{n + 1}", *one) for n, one in enumerate(spent)]
    for name, wall, cpu in (*named, ("nothing new", *nothing), ("full run", *full)):
        lines.append(f"{name:<14}{wall:>8.2f}{cpu:>8.2f}{cpu / full[1]:>15.0%}")
    same = rows_of(folder / "out").equals(rows_of(folder / "whole"))
    lines.append(f"the final sets are {'identical' if same else 'DIFFERENT'}")
    sys.stdout.write("\n".join(lines) + "\n")
    return same


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if measure(Path(folder), given.rows, given.days) else 1


if __name__ == "__main__":
    raise SystemExit(main())
