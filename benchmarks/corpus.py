"""Make the corpus of the peers' job: real snippets, template sentences and traps, in Parquet files.

python benchmarks/corpus.py OUT --rows 300000 --corpora ../shared/corpora [--most]

With --most the brand and the product of the job stand in 85 % of the rows, so that most reach the
sentiment, which costs most. Without the corpora folder the snippets are template sentences too, and
the output says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from peers.job import PRODUCTS

BRANDS = (
    "Nike,nike,NIKE,Nikes,Monike,Ni\u212ae,Adidas,Puma,Asics,Hoka,Reebok,Brooks,Vans,Fila,Mizuno,"
    "Salomon,Altra,Merrell,Crocs,Jordan"
).split(",")
VERDICTS = (
    "are great and I love them!,were a terrible disappointment.,arrived on Tuesday.,are GOOD but "
    "the sole is not.,are not bad at all :),broke after a week,feel very comfortable,are just ok,"
    "never fit me well!!,look amazing and last for years"
).split(",")
FRAMES = ["The {b} {p} {v}", "My {b} {p} {v}", "{p} by {b} {v}", "I think these {b} {p} {v}"]
SNIPPETS = ("amazon_snippets", "movie_snippets", "tweets", "nyt_snippets", "product_reviews")


def templates(rows: int, rng: np.random.Generator) -> list[str]:
    pick = lambda values: [values[i] for i in rng.integers(len(values), size=rows)]  # noqa: E731
    parts = zip(pick(FRAMES), pick(BRANDS), pick(PRODUCTS), pick(VERDICTS), strict=True)
    return [frame.format(b=b, p=p, v=v) for frame, b, p, v in parts]


def snippets(corpora: Path, rng: np.random.Generator) -> list[str]:
    files = [corpora / f"{name}.parquet" for name in SNIPPETS]
    if not all(file.exists() for file in files):
        print("corpora absent: snippets are template sentences")
        return templates(20_000, rng)
    return [t for f in files for t in pl.read_parquet(f, columns=["text"])["text"] if t]


def corpus(rows: int, corpora: Path, seed: int = 7, *, most: bool = False) -> pl.DataFrame:
    """Return `rows` rows of (id, text): 60 % snippets, 30 % templates, the rest traps.

    With `most` a snippet and a sentence about a product of Nike take the place of 85 % of them.
    """
    rng = np.random.default_rng(seed)
    pool = snippets(corpora, rng)
    kind = rng.random(rows)
    made = templates(rows, rng)
    first, second = rng.integers(len(pool), size=(2, rows))
    texts: list[str | None] = []
    for i in range(rows):
        if kind[i] < 0.60:
            texts.append(f"{pool[first[i]]} {pool[second[i]]}")  # joined: hardly any repeats
        elif kind[i] < 0.90:
            texts.append(made[i])
        elif kind[i] < 0.95:
            texts.append(None)
        elif kind[i] < 0.965:
            texts.append("   " if i % 2 else "")
        elif kind[i] < 0.99:
            texts.append(f"{made[i]} {pool[first[i]]} {made[i - 1]}")
        else:
            many = [pool[j] for j in rng.integers(len(pool), size=int(rng.integers(15, 45)))]
            texts.append(" ".join([*many, made[i]]))
    if most:
        wanted = rng.random(rows) < 0.85
        brands = rng.choice(BRANDS[:3], rows)
        products, verdicts = rng.choice(PRODUCTS, rows), rng.choice(VERDICTS, rows)
        for i in wanted.nonzero()[0].tolist():
            texts[i] = f"{pool[first[i]]} My {brands[i]} {products[i]} {verdicts[i]}"
    return pl.DataFrame({"id": np.arange(rows), "text": texts}, schema_overrides={"id": pl.Int64})


def write(frame: pl.DataFrame, out: Path, files: int = 8) -> None:
    out.mkdir(parents=True, exist_ok=True)
    size = -(-frame.height // files)
    for number, part in enumerate(frame.iter_slices(size)):
        part.write_parquet(out / f"part-{number:02}.parquet")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--most", action="store_true")
    given = parser.parse_args()
    frame = corpus(given.rows, given.corpora, most=given.most)
    write(frame, given.out)
    print(f"{frame.height:,} rows, {frame['text'].str.len_bytes().sum() / 1e6:.0f} MB of text")
