"""Measure what planning saves and what it costs.

python benchmarks/planner.py [skip] [nothing] [--rounds 9]

skip     a slow Python signal beside one that 3 % of the rows pass, written in the worst order:
         planned (`order: auto`) against `order: pinned`, both ours. Wanted: at least 10 times.
nothing  three signals of which none settles a row: planned against pinned, both ours; against the
         plan that expressions get without measuring, which shows what measuring costs; and against
         a bare polars select of the same expressions, which records nothing per row.
         Wanted: planned at most 3 % above pinned.

`skip` and `nothing` are medians of interleaved rounds in CPU seconds of one process, over frames of
65,536 rows, a new decider each round, so that planning is paid every time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from corpus import corpus  # noqa: E402
from peers.job import PRODUCTS  # noqa: E402

from siftset.signals.decider import Decider  # noqa: E402
from siftset.signals.decorator import signal  # noqa: E402
from siftset.signals.formula.formula import parse  # noqa: E402
from siftset.signals.registry import build  # noqa: E402
from siftset.signals.signal import Signal  # noqa: E402

BATCH = 65_536
NEVER = 10**12
SPECS = {
    "rare": {"keyword": {"words": ["crocs"]}},
    "nike": {"keyword": {"words": ["nike"]}},
    "product": {"keyword": {"words": PRODUCTS}},
    "noise": {"regex": {"pattern": "[0-9]{40}"}},
    "absent": {"keyword": {"words": ["zyzzyva"]}},
    "short": {"length": {"max": 400, "unit": "chars"}},
}


@signal
def slow(text: str) -> bool:
    """Whether the words of the text vary; a loop in Python."""
    words = text.lower().split()
    letters = sum(word.count(letter) for word in words for letter in "aeiou")
    return len(set(words)) * 3 > len(words) and letters > 0


def signals() -> dict[str, Signal]:
    return {**build(SPECS, folder=Path.cwd()), "slow": slow}


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def decide(text: str, order: str, frames: list[pl.DataFrame], minimum: int = 4096) -> list[int]:
    decider = Decider(parse(text), signals(), order=order)
    decider.minimum_rows = minimum
    return [int(decider.decide(frame).keep.sum()) for frame in frames]


def interleaved(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    costs: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for number in range(rounds):
        names = list(works) if number % 2 else list(works)[::-1]
        for name in names:
            costs[name].append(cpu(works[name]))
    return costs


def show(costs: dict[str, list[float]], base: str, rows: int) -> None:
    middle = {name: statistics.median(found) for name, found in costs.items()}
    for name, value in middle.items():
        ratios = [a / b for a, b in zip(costs[name], costs[base], strict=True)]
        print(
            f"  {name:<24}{value:8.3f} CPU s {value / rows * 1e9:8.1f} ns/row"
            f"{statistics.median(ratios):9.3f} x {base} (median of paired rounds)"
        )


def skip(frames: list[pl.DataFrame], rounds: int) -> None:
    text = "slow & product & rare"
    planned, pinned = (decide(text, order, frames) for order in ("auto", "pinned"))
    assert planned == pinned
    rows = sum(frame.height for frame in frames)
    passed = sum(decide("rare", "auto", frames)) / rows
    print(f"skip: {text}; {passed:.1%} of {rows:,} rows pass 'rare', {sum(planned):,} kept")
    works = {
        "planned": lambda: decide(text, "auto", frames),
        "pinned, worst order": lambda: decide(text, "pinned", frames),
    }
    show(interleaved(works, rounds), "planned", rows)


def nothing(frames: list[pl.DataFrame], rounds: int) -> None:
    """Ask every signal about every row: once because of ^, once because all rows pass."""
    nike, product, short = pl.col("nike"), pl.col("product"), pl.col("short") <= 400
    cases = {
        "nike ^ product ^ short": nike ^ product ^ short,
        "~absent & (short >= 0) & ~noise": None,
    }
    rows = sum(frame.height for frame in frames)
    known = signals()
    for text, bare in cases.items():
        planned, pinned = (decide(text, order, frames) for order in ("auto", "pinned"))
        assert planned == pinned
        works: dict[str, Callable[[], object]] = {
            "planned": lambda text=text: decide(text, "auto", frames),
            "pinned": lambda text=text: decide(text, "pinned", frames),
            "fused, never measured": lambda text=text: decide(text, "auto", frames, NEVER),
        }
        if bare is not None:
            asked = [known[name].expression() for name in ("nike", "product", "short")]

            def plain(asked: list[pl.Expr] = asked, bare: pl.Expr = bare) -> list[int]:
                made = (frame.select(asked).select(keep=bare)["keep"].sum() for frame in frames)
                return [int(kept) for kept in made]

            assert plain() == planned
            works["bare polars, no record"] = plain
        print(f"nothing: {text}; {rows:,} rows, {sum(planned):,} kept")
        show(interleaved(works, rounds), "pinned", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["skip", "nothing"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rows", type=int, default=400_000)
    given = parser.parse_args()
    made = corpus(given.rows, HERE.parents[1] / "shared" / "corpora")
    frames = list(made.iter_slices(BATCH))
    if "skip" in given.what:
        skip(frames, given.rounds)
    if "nothing" in given.what:
        nothing(frames, given.rounds)


if __name__ == "__main__":
    main()
