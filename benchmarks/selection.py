"""What a selection by example texts teaches, against as many random rows and against all rows.

python benchmarks/selection.py [--corpora FOLDER] [--seeds 15] [--sizes 500,1000,2000]
python benchmarks/selection.py --only films --leave-out news
python benchmarks/selection.py taken
python benchmarks/selection.py memory [--rows 1000000]

Sentiment of one kind of text, learned from a pool of other kinds: 50 texts of the kind, without
labels, choose the rows. A logistic regression on MiniLM's vectors of the chosen rows answers
questions of the kind. Each seed draws examples, questions, pool and random rows anew; the figures
are points of accuracy over random rows, the mean of five draws, with the 95 % t interval over the
seeds. `taken` prints of what kinds and mood the chosen rows are; `memory` selects from so
many rows by `siftset curate` and prints the peak of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
from static_vectors import ASKED, embed_by_minilm, read_task  # noqa: E402

from siftset.pipeline.commands.curate import curate  # noqa: E402
from siftset.pipeline.stages.select_rows import CANDIDATES, MINILM_SAMPLE  # noqa: E402
from siftset.pipeline.stages.selection_pool import SAMPLE  # noqa: E402
from siftset.signals.selection.choice import (  # noqa: E402
    Method,
    RowBlock,
    find_directions,
    take_best_rows,
)
from siftset.signals.selection.turns import round_vectors, share_equally  # noqa: E402
from siftset.signals.static_vectors.model import load_static  # noqa: E402

EXAMPLES, QUESTIONS = 50, 2_000
CHANCES = 5
"""Draws of random rows whose mean is the ground of a gain."""
KINDS = {
    "products": "amazon_snippets",
    "films": "sentence_polarity",
    "pros and cons": "pros_cons",
    "tweets": "tweets",
    "news": "nyt_snippets",
}
"""Corpora with a mood."""
MOST = {"products": 4_000}
"""Rows of a kind that take part, 2,500 of the others."""
SETTINGS = (("products", 0.1), ("pros and cons", 0.0), ("films", 0.0))
"""What is asked about, and the share of the pool that is of that kind."""
Places = NDArray[np.int64]


class Rows(NamedTuple):
    """Rows of one kind or of several."""

    static: NDArray[np.float32]
    minilm: NDArray[np.float32]
    labels: NDArray[np.bool_]

    def take(self, places: Places) -> Rows:
        return Rows(self.static[places], self.minilm[places], self.labels[places])


def read_kind(corpora: Path, name: str) -> Rows:
    """Return the rows of a kind that are of one mood or the other, with both kinds of vectors."""
    most = MOST.get(name, 2_500)
    if KINDS[name] in ASKED:
        texts, labels = read_task(corpora, KINDS[name], most)
        good, bad = (np.isin(labels, some) for some in (("pos", "pro"), ("neg", "con")))
        if name == "tweets":
            good, bad = labels == 2, labels == 0
    else:
        frame = pl.read_parquet(corpora / f"{KINDS[name]}.parquet")
        frame = frame.filter(pl.col("rating").abs() > 0.5).drop_nulls("text")
        frame = frame.unique("text", maintain_order=True)
        frame = frame.sample(min(most, frame.height), seed=0, shuffle=True)
        texts, good = frame["text"], (frame["rating"] > 0).to_numpy()
        bad = ~good
    rows = Rows(load_static().embed(texts), embed_by_minilm(texts), good)
    return rows.take(np.flatnonzero(good | bad))


def join(several: list[Rows]) -> Rows:
    return Rows(*(np.concatenate(columns) for columns in zip(*several, strict=True)))


def select(
    vectors: NDArray[np.float32],
    examples: NDArray[np.float32],
    method: Method,
    rows: int,
    *,
    among: Places | None = None,
    labels: NDArray[np.bool_] | None = None,
    sample: int = SAMPLE,
) -> Places:
    """Return the places of the rows that the product takes, `per` label where they are given."""
    places = np.arange(len(vectors)) if among is None else among
    classes = np.full(len(vectors), -1, np.int32)
    classes[places] = 0 if labels is None else labels[places]
    shares = share_equally(rows, np.bincount(classes[places]).tolist())
    block = RowBlock(round_vectors(vectors[places]), places, places)
    directions = find_directions(method, examples, lambda: vectors[:sample])
    return np.flatnonzero(take_best_rows(classes, lambda _: [block], directions, shares))


def select_twice(pool: Rows, examples: Rows, method: Method, rows: int) -> Places:
    """Return what `model: minilm` takes of what the static vectors propose."""
    many = select(pool.static, examples.static, method, CANDIDATES * rows)
    return select(pool.minilm, examples.minilm, method, rows, among=many, sample=MINILM_SAMPLE)


def ways() -> dict[str, Callable[[Rows, Rows, int], Places]]:
    """Return how rows are chosen, by what the table calls it."""
    found: dict[str, Callable[[Rows, Rows, int], Places]] = {}
    methods: tuple[Method, ...] = ("domain", "round_robin")
    for method in methods:
        found[f"{method}, static"] = lambda p, e, n, m=method: select(p.static, e.static, m, n)
        found[f"{method}, minilm"] = lambda p, e, n, m=method: select_twice(p, e, m, n)
        found[f"{method}, static, per label"] = lambda p, e, n, m=method: select(
            p.static, e.static, m, n, labels=p.labels
        )
        found[f"{method}, MiniLM on every row"] = lambda p, e, n, m=method: select(
            p.minilm, e.minilm, m, n
        )
    return found


def probe(rows: Rows, questions: Rows) -> float:
    """Return the accuracy of a model of some rows, in points."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, max_iter=200, tol=1e-3).fit(rows.minilm, rows.labels)
    return 100 * float((model.predict(questions.minilm) == questions.labels).mean())


def play(kinds: dict[str, Rows], target: str, share: float, sizes: list[int], seed: int):
    """Return the gain of every way and size over random rows, for one draw."""
    draw = np.random.default_rng(seed)
    mine = kinds[target].take(draw.permutation(len(kinds[target].labels)))
    others = join([rows for name, rows in kinds.items() if name != target])
    inside = round(share / (1 - share) * len(others.labels))
    ends = np.cumsum([EXAMPLES, inside, QUESTIONS])
    examples, within, questions = (
        mine.take(np.arange(start, min(end, len(mine.labels))))
        for start, end in zip([0, *ends], ends, strict=False)
    )
    pool = join([within, others])
    pool = pool.take(draw.permutation(len(pool.labels)))
    everything = probe(pool, questions)
    gains = {}
    for size in sizes:
        drawn = [draw.permutation(len(pool.labels))[:size] for _ in range(CHANCES)]
        chance = float(np.mean([probe(pool.take(places), questions) for places in drawn]))
        gains["all rows", size] = everything - chance
        for name, way in ways().items():
            gains[name, size] = probe(pool.take(way(pool, examples, size)), questions) - chance
    return gains, len(pool.labels), len(questions.labels)


def compare(corpora: Path, seeds: int, sizes: list[int], only: str, leave_out: str) -> None:
    """Print the table."""
    from scipy import stats

    kinds = {}
    for name in [kind for kind in KINDS if kind != leave_out]:
        begin = time.process_time()
        kinds[name] = read_kind(corpora, name)
        print(f"{name}: {len(kinds[name].labels):,} rows, {time.process_time() - begin:.0f} CPU s",
              flush=True)  # fmt: skip
    for target, share in [one for one in SETTINGS if only in ("", one[0])]:
        draws = [play(kinds, target, share, sizes, seed) for seed in range(seeds)]
        _, pool, asked = draws[0]
        print(f"\n{target}, {share:.0%} in the pool: {pool:,} rows, {asked:,} questions")
        for name in ["all rows", *ways()]:
            cells = []
            for size in sizes:
                gains = np.array([found[name, size] for found, _, _ in draws])
                half = stats.t.ppf(0.975, seeds - 1) * gains.std(ddof=1) / np.sqrt(seeds)
                cells.append(f"{gains.mean():+.1f} ± {half:.1f}")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def show_taken(corpora: Path, rows: int = 1_000) -> None:
    """Print of what kinds and mood the rows are that are most like one draw of examples."""
    kinds = {name: read_kind(corpora, name) for name in KINDS}
    for target, _ in SETTINGS:
        others = {name: found for name, found in kinds.items() if name != target}
        names = np.concatenate([np.repeat(name, len(r.labels)) for name, r in others.items()])
        order = np.random.default_rng(0).permutation(len(names))
        pool, names = join([*others.values()]).take(order), names[order]
        examples = kinds[target].static[:EXAMPLES]
        methods: tuple[Method, ...] = ("domain", "round_robin")
        for method in methods:
            taken = select(pool.static, examples, method, rows)
            parts = (f"{name} {(names[taken] == name).mean():.0%}" for name in others)
            good, of = pool.labels[taken].mean(), pool.labels.mean()
            told = f"{', '.join(parts)}; of good mood {good:.0%}, of all {of:.0%}"
            print(f"{target}, {method}: {told}", flush=True)


def measure_memory(rows: int) -> None:
    """Select from so many rows and print time and memory."""
    draw = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(5_000)])
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for start in range(0, rows, 100_000):
            drawn = words[draw.integers(0, len(words), (min(100_000, rows - start), 12))]
            texts = [" ".join(one) for one in drawn]
            pl.DataFrame({"text": texts}).write_parquet(folder / f"{start:09d}.parquet")
        examples = [json.dumps({"text": " ".join(one)}) for one in words[:600].reshape(50, 12)]
        (folder / "examples.jsonl").write_text("\n".join(examples))
        recipe = {
            "name": "many", "output": "out", "source": {"files": {"paths": ["*.parquet"]}},
            "signals": {"long": {"length": {"min": 5}}}, "keep": "long", "analysis": "off",
            "record": "decisions",
        }  # fmt: skip
        near = {"rows": 2_000, "near": "examples.jsonl"}
        for chosen in (None, near, {**near, "method": "round_robin"}):
            (folder / "recipe.json").write_text(json.dumps({**recipe, "select": chosen}))
            begin = time.process_time()
            result = curate(folder / "recipe.json", overrides=["output=" + work + "/out"])
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            method = "no selection" if chosen is None else chosen.get("method", "domain")
            print(
                f"{method:14}{result.rows.kept:10,} of {result.rows.read:,} kept, "
                f"{time.process_time() - begin:7.1f} CPU s, peak so far {peak:,} MiB", flush=True,
            )  # fmt: skip


def main() -> None:
    """Read the command line."""
    ask = argparse.ArgumentParser()
    ask.add_argument("what", nargs="?", choices=("quality", "taken", "memory"), default="quality")
    ask.add_argument("--corpora", type=Path, default=HERE.parent.parent / "shared" / "corpora")
    ask.add_argument("--seeds", type=int, default=15)
    ask.add_argument("--sizes", default="500,1000,2000")
    ask.add_argument("--only", choices=KINDS, default="", help="the one kind that is asked about")
    ask.add_argument("--leave-out", choices=KINDS, default="", help="a kind that the pool lacks")
    ask.add_argument("--rows", type=int, default=1_000_000)
    given = ask.parse_args()
    if given.what == "memory":
        measure_memory(given.rows)
    elif given.what == "taken":
        show_taken(given.corpora)
    else:
        sizes = [int(size) for size in given.sizes.split(",")]
        compare(given.corpora, given.seeds, sizes, given.only, given.leave_out)


if __name__ == "__main__":
    main()
