"""How often `siftset proof` is right: random rows against random rows, and planted errors.

    python benchmarks/proof.py CORPORA [--trials 200] [--power 25] [--rows 1000] [--minilm FOLDER]

CORPORA is a folder of Parquet files with text and label (or a rating, whose sign is the label).
A trial draws its own held-out rows and its own curated rows. At random against random every `yes`
and every `hurt` is wrong; with planted errors the curated rows are those without one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from siftset.pipeline.proof.groups import group_rows
from siftset.pipeline.proof.learners import Probe
from siftset.pipeline.proof.protocol import Protocol
from siftset.pipeline.proof.questions import ProofRows
from siftset.pipeline.proof.vectors import embed_minilm, embed_static
from siftset.pipeline.proof.verdict import judge_evidence
from siftset.schemas.progress import LineProgress

CORPORA = ("sentence_polarity", "pros_cons", "tweets")
MOST = 10_000
"""Rows of a corpus that are used."""


@cache
def read_corpus(path: Path, minilm: Path | None) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Return rows with text and label, their vectors, and their duplicate groups."""
    frame = pl.read_parquet(path)
    if "label" not in frame.columns:
        label = pl.when(pl.col("rating") > 0).then(pl.lit("pos")).otherwise(pl.lit("neg"))
        frame = frame.with_columns(label=label)
    frame = frame.select("text", "label").drop_nulls().sample(fraction=1, shuffle=True, seed=1)
    frame = frame.head(MOST).with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.String))
    if minilm is None:
        vectors = embed_static(frame["text"])
    else:
        vectors = embed_minilm(frame["text"], minilm / path.stem, LineProgress(print))
    return frame, vectors, group_rows(frame["text"], None, 0.8)


def judge_trial(
    path: Path, minilm: Path | None, size: int, wrong: float, seed: int
) -> tuple[str, float]:
    """Return the verdict of one trial, and the difference that its blocks show, in points."""
    frame, vectors, group = read_corpus(path, minilm)
    draw = np.random.default_rng([seed, 4])
    truth = (frame["label"].rank("dense") - 1).cast(pl.Int64).to_numpy()
    rows = ProofRows(frame, np.zeros(len(truth), bool), np.ones(len(truth), bool), group, seed, 0)
    flipped = (draw.random(len(truth)) < wrong) & ~rows.held
    right = np.flatnonzero(~flipped & ~rows.held)
    curated = np.zeros(len(truth), bool)
    curated[draw.choice(right, min(size, len(right)), replace=False)] = True
    curated |= rows.held & (draw.random(len(truth)) < 0.5)  # asked as its own kind
    rows = ProofRows(frame, curated, rows.sampled, group, seed, 0)
    labels = np.where(flipped, 1 - truth, truth)
    probe = Probe("probe", {}, vectors, (labels,), 2, rows.asked)
    evidence = Protocol(rows, probe).measure_evidence()
    return judge_evidence(evidence), 100 * evidence.blocks[0].value


def main() -> None:
    """Run all trials and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--power", type=int, default=25)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--minilm", type=Path, help="keep vectors of MiniLM here, and use them")
    asked = parser.parse_args()
    print("| corpus | wrong labels | trials | yes | no difference | cannot say | not shown | hurt |"
          " difference |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |")  # fmt: skip
    for wrong, trials in ((0.0, asked.trials), (0.2, asked.power), (0.08, asked.power)):
        for at, name in enumerate(CORPORA):
            path, share = asked.corpora / f"{name}.parquet", trials
            if not wrong:  # the trials of random rows are shared out
                share = len(range(at, trials, len(CORPORA)))
            found = [
                judge_trial(path, asked.minilm, asked.rows, wrong, seed) for seed in range(share)
            ]
            counts = Counter(verdict for verdict, _ in found)
            shown = [counts[one] for one in ("yes", "no difference", "cannot say", "not shown",
                                             "hurt")]  # fmt: skip
            mean = np.mean([difference for _, difference in found])
            cells = " | ".join(map(str, shown))
            print(f"| {name} | {wrong:.0%} | {share} | {cells} | {mean:+.1f} |", flush=True)


if __name__ == "__main__":
    main()
