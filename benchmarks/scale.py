"""What a row costs as there are more of them: CPU seconds and memory of whole runs.

    python benchmarks/scale.py --sizes 100000,1000000,5000000,20000000 [--short]

Every run is a process of its own, with everything on that is on by default: dedupe, split,
analysis, report, records of rejected rows with their texts. "a row more" is what the rows between
one size and the size before cost each: what a run costs besides its rows is not in it. Wanted:
within 20 % of each other, and at most 700 MB. `--short` takes rows of five words in place of the
corpus.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from against_peers import BENCH, measure  # noqa: E402
from corpus import corpus  # noqa: E402
from peers.job import describe_job  # noqa: E402

PART = 500_000
MOST_MIB = 700
WITHIN = 1.2
WORDS = "nike shoes boots very cheap great bad ugly soft of a and to in it is".split()


def short_rows(rows: int) -> pl.DataFrame:
    """Return rows of five words, of which one in three holds a brand."""
    rng = np.random.default_rng(7)
    words = np.array(WORDS)[rng.integers(len(WORDS), size=(rows, 5))]
    texts = pl.DataFrame(words).select(pl.concat_str(pl.all(), separator=" ")).to_series()
    return pl.DataFrame({"id": np.arange(rows), "text": texts}, schema_overrides={"id": pl.Int64})


def source(rows: int, corpora: Path, *, short: bool) -> Path:
    """Lay `rows` rows out in files of 500,000 whose texts differ from file to file."""
    folder = BENCH / f"scale-{'short-' if short else ''}{rows}"
    if folder.is_dir():
        return folder
    most = min(PART, rows)
    base = short_rows(most) if short else corpus(most, corpora)
    draft = folder.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for part, start in enumerate(range(0, rows, PART)):
        varied = pl.when(pl.col("text").str.len_bytes() > 9).then(pl.col("text") + f" {part}")
        frame = base.head(min(PART, rows - start)).with_columns(
            id=pl.col("id") + start, text=varied.otherwise("text")
        )
        frame.write_parquet(draft / f"part-{part:03}.parquet")
    draft.rename(folder)
    return folder


def recipe(folder: Path, out: Path) -> Path:
    """Write the peers' job as a recipe with everything on that is on by default."""
    path = BENCH / "scale.json"
    path.write_text(json.dumps(describe_job("scale", folder, out)))
    return path


def scale(sizes: list[int], corpora: Path, *, short: bool, keep: bool) -> bool:
    """Print a line for every size; return whether cost and memory are flat."""
    script = Path(sys.executable).parent / "siftset"
    out = BENCH / "scale-out"
    rates: list[float] = []
    before, spent, highest = 0, 0.0, 0.0
    print(
        f"{'rows':>11} {'CPU s':>8} {'wall s':>8} {'a row':>8} {'a row more':>11} {'peak MiB':>9}"
    )
    # the first of them is a warm-up, which leaves kernels compiled
    for rows in [1_000, 1_000, *sizes]:
        folder = source(rows, corpora, short=short)
        shutil.rmtree(out, ignore_errors=True)
        cost = measure([str(script), "curate", str(recipe(folder, out)), "--json"])
        if cost is None:
            sys.exit(f"the run of {rows:,} rows was ended by a signal")
        more = (cost.cpu - spent) / max(1, rows - before) * 1e6
        highest = max(highest, cost.peak)
        told = f"{more:8.2f} us" if rows > before > 0 else ""
        each = f"{cost.cpu / rows * 1e6:.2f}"
        print(f"{rows:>11,} {cost.cpu:8.1f} {cost.wall:8.1f} {each:>8} {told:>11} {cost.peak:9.0f}",
              flush=True)  # fmt: skip
        if rows > before > 0:
            rates.append(more)
        before, spent = rows, cost.cpu
        if not keep:
            shutil.rmtree(folder)
    shutil.rmtree(out, ignore_errors=True)
    # the first size still holds the samples that the report draws, whatever the rows
    steady = rates[1:] or rates
    spread = max(steady) / min(steady)
    print(f"a row more costs at most {spread:.2f} times as much at one size as at another; "
          f"peak {highest:.0f} MiB")  # fmt: skip
    return spread <= WITHIN and highest <= MOST_MIB


def main() -> int:
    """Run as a command; 1 where cost or memory grow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="100000,1000000,5000000")
    parser.add_argument("--corpora", type=Path, default=HERE.parents[1] / "shared" / "corpora")
    parser.add_argument("--short", action="store_true", help="rows of five words")
    parser.add_argument("--keep", action="store_true", help="leave the rows for another time")
    given = parser.parse_args()
    BENCH.mkdir(exist_ok=True)
    sizes = [int(size) for size in given.sizes.split(",")]
    return 0 if scale(sizes, given.corpora, short=given.short, keep=given.keep) else 1


if __name__ == "__main__":
    raise SystemExit(main())
