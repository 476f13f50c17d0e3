"""Errors planted in the labels of four corpora, and how many of them doubt puts first.

python benchmarks/label_doubt.py [--corpora FOLDER] [--rows 12000] [--seeds 3] [--rates 0.05 0.2]
    [--only medquad]

A share of labels is changed to another class at random, and models judge each row that they did not
see (`siftset.signals.label_doubt`). A line says how many of the planted errors lie in the first 5 %
of rows by doubt, how much of the first 500 rows was planted, and how many labels look wrong by
confident learning; mean and range over seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]
from siftset.signals.label_doubt.fold_models import fit_fold_models, group_of  # noqa: E402
from siftset.signals.label_doubt.judged_labels import JudgedLabels  # noqa: E402

NAMES = {
    "sentence_polarity": "film review sentences, 2 classes",
    "tweets": "tweets, 3 classes",
    "pros_cons": "pros and cons of products, 2 classes",
    "medquad": "answers about diseases, 150 classes",
}
ASKED = r"^(what|how|who|is|are|do|does|where|when)\b.*?\b(of|with|for|is \(are\)|diagnose|inherited|causes?|prevent|about|have|treat|by|to|affects?)\s+"  # noqa: E501
"""What a question about a disease begins with; the rest names it."""
FIRST = 500


def read_corpus(corpora: Path, name: str, most: int) -> pl.DataFrame:
    """Return text and label of a sample of a corpus."""
    frame = pl.read_parquet(corpora / f"{name}.parquet")
    if name == "tweets":
        rating = pl.col("rating")
        frame = frame.with_columns(
            label=pl.when(rating < -0.5).then(pl.lit("negative"))
            .when(rating > 0.5).then(pl.lit("positive")).otherwise(pl.lit("neutral"))
        )  # fmt: skip
    if name == "medquad":
        frame = name_diseases(frame, 150)
    rows = frame.select("text", "label").drop_nulls()
    return rows.sample(min(most, rows.height), seed=0, shuffle=True)


def name_diseases(frame: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the first 600 characters of answers, and as label the disease that was asked about."""
    asked = pl.col("question").str.to_lowercase().str.strip_chars(" ?").str.replace(ASKED, "")
    told = frame.select(text=pl.col("answer").str.slice(0, 600), label=asked).drop_nulls()
    counts = told["label"].value_counts().sort(["count", "label"], descending=True)
    return told.filter(pl.col("label").is_in(counts["label"].head(most).to_list()))


def judge_planted(rows: pl.DataFrame, rate: float, seed: int) -> tuple[float, float, float]:
    """Return the shares found in the first 5 %, planted of the first 500, and looking wrong."""
    rng = np.random.default_rng(seed)
    planted = rng.random(rows.height) < rate
    names = rows["label"].unique().sort().to_numpy()
    true = np.searchsorted(names, rows["label"].to_numpy())
    given = np.where(planted, (true + rng.integers(1, len(names), len(true))) % len(names), true)
    labelled = rows.with_columns(
        label=pl.Series(names[given]), group=group_of(pl.col("text"), ()), row_id=pl.lit("")
    )
    models = fit_fold_models(lambda: iter([labelled]))
    with tempfile.TemporaryFile() as file:
        judged = JudgedLabels(models, file)
        judged.ask([labelled])
        doubt = pl.concat(judged.judge([labelled]))["label_doubt"].to_numpy()
    order = np.argsort(-doubt, kind="stable")
    twentieth = order[: round(0.05 * len(order))]
    found = planted[twentieth].sum() / planted.sum()
    return found, planted[order[:FIRST]].mean(), judged.quality.wrong / len(order)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, default=HERE.parents[1] / "shared" / "corpora")
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.05, 0.2])
    parser.add_argument("--only", nargs="+", choices=list(NAMES), default=list(NAMES))
    options = parser.parse_args()
    print("| corpus | rows | planted | in the first 5 % | of the first 500 | look wrong | CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in options.only:
        title = NAMES[name]
        rows = read_corpus(options.corpora, name, options.rows)
        for rate in options.rates:
            start = time.process_time()
            found = [judge_planted(rows, rate, seed) for seed in range(options.seeds)]
            cells = [
                f"{np.mean(one):.0%} ({min(one):.0%} to {max(one):.0%})"
                for one in zip(*found, strict=True)
            ]
            spent = (time.process_time() - start) / options.seeds
            given = f"| {title} | {rows.height:,} | {rate:.0%} | "
            print(f"{given}{' | '.join(cells)} | {spent:.0f} |", flush=True)
