"""Measure the review: its page on many rows, its file, and what the doubt queue is worth.

python benchmarks/review.py speed [--rows 1000000]
python benchmarks/review.py static [--rows 20000]
python benchmarks/review.py doubt [--corpora FOLDER] [--seeds 5] [--most 5000]

`speed` serves rows over HTTP and asks as the page does, in this process; medians of nine. `doubt`
plants wrong labels in rows of a corpus, lets a person who knows the truth read the first 500 rows
of the queue and correct what is wrong, and fits a TF-IDF probe on the rows before and after; it is
asked of rows that nobody touched.
"""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]
from siftset.pipeline.commands.curate import curate  # noqa: E402
from siftset.pipeline.review.open import open_review  # noqa: E402
from siftset.pipeline.review.server import KEY, open_server  # noqa: E402
from siftset.pipeline.review.session import ReviewSession  # noqa: E402
from siftset.pipeline.review.static_file import write_static  # noqa: E402

CORPORA = HERE.parents[1] / "shared" / "corpora"
NAMES = ["sentence_polarity", "pros_cons", "movie_snippets", "tweets"]
REPEATS = 9
PLANTED = 0.05
READ = 500
"""Rows of the queue that a person reads."""
TESTED = 0.2
RECIPE = {
    "name": "bench",
    "output": "out",
    "seed": 7,
    "source": {"files": {"paths": ["rows.parquet"], "id": "id"}},
    "signals": {"some": {"length": {"min": 20}},
                "film": {"keyword": {"words": ["film", "movie", "story"]}},
                "mood": {"sentiment": {}}},
    "keep": "some & (film | (mood >= 0.3) | (mood <= -0.3))",
    "dedupe": {"exact": False},
    "review": {},
}  # fmt: skip


def publish(folder: Path, rows: pl.DataFrame, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(folder / "rows.parquet")
    path = folder / "recipe.json"
    path.write_text(json.dumps({**RECIPE, **changes}), encoding="utf-8")
    curate(path)
    return path


def make_rows(count: int, corpora: Path) -> pl.DataFrame:
    """Return snippets of films, as many as asked, each made one of a kind by a number."""
    source = pl.read_parquet(corpora / "sentence_polarity.parquet", columns=["text", "label"])
    turns = -(-count // source.height)
    return (
        pl.concat([source] * turns)
        .head(count)
        .with_row_index("id")
        .with_columns(
            pl.concat_str("text", pl.lit(" "), pl.col("id").cast(pl.String)).alias("text"),
            origin=pl.concat_str(pl.lit("shop "), (pl.col("id") % 7).cast(pl.String)),
        )
    )


class Page:
    """Asks a server as the page does, over one connection."""

    def __init__(self, session: ReviewSession) -> None:
        self.server = open_server(session, 0)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.link = http.client.HTTPConnection("127.0.0.1", self.server.server_port)

    def ask(self, path: str, body: object = None) -> dict:
        method, sent = ("GET", None) if body is None else ("POST", json.dumps(body))
        self.link.request(method, f"/api/{path}", sent, {KEY: self.server.key})
        answer = self.link.getresponse()
        found = answer.read()
        if answer.status != 200:
            raise SystemExit(found.decode())
        return json.loads(found)

    def time(self, name: str, *paths: str, body: object = None) -> None:
        spent = []
        for turn in range(REPEATS):
            start = time.perf_counter()
            for path in paths:
                self.ask(path.replace("TURN", str(turn)), body and body(turn))
            spent.append(1000 * (time.perf_counter() - start))
        print(f"{name:<44}{statistics.median(spent):>8.0f} ms{max(spent):>8.0f} ms at most")


def asked(**filter_: object) -> str:
    return f"filter={quote(json.dumps(filter_))}"


def measure_speed(count: int, corpora: Path, work: Path) -> None:
    recipe = publish(work, make_rows(count, corpora))
    print(f"{count:,} rows")
    start, spent_before = time.perf_counter(), time.process_time()

    def tell(name: str) -> None:
        nonlocal start, spent_before
        wall, spent = time.perf_counter() - start, time.process_time() - spent_before
        print(f"{name:<44}{wall:>8.1f} s {spent:>7.1f} CPU s", flush=True)
        start, spent_before = time.perf_counter(), time.process_time()

    session = open_review(recipe, by="bench")
    tell("read the rows and what became of them")
    for name, make in session.preparation._steps:
        make()
        tell(f"  look for {name}")
    now = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    print(f"{'memory of the server with everything made':<44}{now / 2**30:>8.2f} GiB")
    page = Page(session)
    words = ("wonderful", "bore", "camera", "plot", "actor", "funny", "drama", "scene", "heart")
    page.time("a page of rows", "rows?offset=300&limit=60")
    shop = asked(facets={"origin": ["shop 3"]})
    page.time("a facet, with the counts of all facets", f"rows?{shop}", f"facets?{shop}")
    spent = []
    for word in words:  # each a new one: the server remembers the last
        start = time.perf_counter()
        page.ask(f"rows?{asked(q=word)}")
        page.ask(f"facets?{asked(q=word)}")
        spent.append(1000 * (time.perf_counter() - start))
    print(f"{'a search, with the counts of all facets':<44}{statistics.median(spent):>8.0f} ms"
          f"{max(spent):>8.0f} ms at most")  # fmt: skip
    page.time("one row with all that is said of it", "row?row=4TURN")
    page.time("the rows most like one", "alike?row=4TURN")
    page.time("decide about one row (on the disk)", "decide",
              body=lambda turn: {"row": 100 + turn, "decision": "drop"})  # fmt: skip
    many = {"facets": {"origin": ["shop 5"]}, "q": "camera"}
    total = page.ask(f"rows?{asked(**many)}")["total"]
    page.time(f"decide about {total:,} rows in one step", "decide",
              body=lambda turn: {"filter": many, "rows": total, "decision": "drop"})  # fmt: skip
    page.time("undo that", "undo", body=lambda turn: {"turn": turn})


def measure_static(count: int, corpora: Path, work: Path) -> None:
    session = open_review(publish(work, make_rows(count, corpora)), with_map=True)
    start = time.perf_counter()
    session.preparation.make()
    made = time.perf_counter() - start
    start = time.perf_counter()
    done = write_static(session, work / "review.html")
    seconds = time.perf_counter() - start
    print(f"{done.rows:,} rows with map: {done.size / 2**20:.2f} MiB, prepared in {made:.0f} s, "
          f"written in {seconds:.1f} s")  # fmt: skip


def measure_doubt(corpora: Path, names: list[str], seeds: int, most: int, work: Path) -> None:
    from scipy.stats import t

    print(f"{'corpus':<20}{'rows':>7}{'planted':>9}{'found':>8}{'share':>8}"
          f"{'clean':>9}{'planted':>9}{'corrected':>11}{'gain, 95 %':>22}")  # fmt: skip
    for name in names:
        rows = read_labelled(corpora / f"{name}.parquet")
        found = [
            plant_and_review(rows, seed, most, work / f"{name}{seed}") for seed in range(seeds)
        ]
        counts, accuracy = np.array([one[:3] for one in found]), np.array([o[3:] for o in found])
        gains = accuracy[:, 2] - accuracy[:, 1]
        half = t.ppf(0.975, seeds - 1) * gains.std(ddof=1) / np.sqrt(seeds)
        size, planted, met = counts.mean(axis=0)
        clean, before, after = accuracy.mean(axis=0)
        print(f"{name:<20}{size:>7,.0f}{planted:>9,.0f}{met:>8,.0f}{met / planted:>8.0%}"
              f"{clean:>9.3f}{before:>9.3f}{after:>11.3f}"
              f"{gains.mean():>10.4f} ({gains.mean() - half:+.4f}"
              f" to {gains.mean() + half:+.4f})", flush=True)  # fmt: skip


def read_labelled(path: Path) -> pl.DataFrame:
    rows = pl.read_parquet(path)
    if "label" not in rows.columns:
        rating = pl.col("rating")
        rows = rows.filter(rating.abs() > 0.5).with_columns(
            label=pl.when(rating > 0).then(pl.lit("pos")).otherwise(pl.lit("neg"))
        )
    return rows.select("text", "label").unique("text", keep="none", maintain_order=True)


def plant_and_review(
    rows: pl.DataFrame, seed: int, most: int, work: Path
) -> tuple[float, float, float, float, float, float]:
    """Return rows, planted and found errors, and accuracies of rows clean, planted, corrected."""
    rows = rows.sample(fraction=1, shuffle=True, seed=seed).head(most)
    size = int(len(rows) * TESTED)
    test, train = rows.head(size), rows.tail(len(rows) - size).with_row_index("id")
    values = sorted(train["label"].unique())
    wrong = np.zeros(len(train), bool)
    chosen = np.random.default_rng(seed).permutation(len(train))[: int(PLANTED * len(train))]
    wrong[chosen] = True
    other = train["label"].replace_strict(dict(zip(values, reversed(values), strict=True)))
    planted = train.with_columns(
        pl.when(pl.Series(wrong)).then(other).otherwise("label").alias("label")
    )
    keep = {"signals": {"some": {"length": {"min": 1}}}, "keep": "some"}
    session = open_review(publish(work, planted, **keep))
    session.preparation._assess_labels()
    read = session.preparation.queues[-1].rows[:READ]
    read = read[wrong[read]]
    corrected = planted.with_columns(
        pl.when(pl.Series(np.isin(np.arange(len(train)), read)))
        .then(train["label"])
        .otherwise("label")
        .alias("label")
    )
    scores = [probe(one, test) for one in (train, planted, corrected)]
    return (len(train), wrong.sum(), read.size, *scores)


def probe(train: pl.DataFrame, test: pl.DataFrame) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=3, max_iter=300))
    model.fit(train["text"].to_list(), train["label"].to_list())
    return float(model.score(test["text"].to_list(), test["label"].to_list()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "static", "doubt"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--names", nargs="+", default=NAMES, help="corpora of `doubt`")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most", type=int, default=5_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if given.what == "speed":
            measure_speed(given.rows or 1_000_000, given.corpora, work)
        elif given.what == "static":
            measure_static(given.rows or 20_000, given.corpora, work)
        else:
            measure_doubt(given.corpora, given.names, given.seeds, given.most, work)


if __name__ == "__main__":
    main()
