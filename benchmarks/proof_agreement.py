"""Whether a probe and a fine-tuned model decide alike: twelve curations, the blocks of a proof.

    python benchmarks/proof_agreement.py CORPORA [--rows 2400] [--only tweets] [--curations 1 3]

CORPORA is the folder of benchmarks/proof.py. Of each of three corpora four curations are judged:
those that drop planted errors (20 % and 40 %), one that keeps the longer half, one that keeps half
at random. Both learners are trained on the same five blocks and asked the same questions; printed
is what decides a verdict, without halves and the second strength.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from proof import CORPORA, read_corpus

from siftset.pipeline.proof.blocks import FEW_BLOCKS, cut_blocks
from siftset.pipeline.proof.finetune import make_fine_tuning
from siftset.pipeline.proof.learners import Learner, Probe, encode_labels
from siftset.pipeline.proof.questions import ProofRows
from siftset.pipeline.proof.statistics import Gain, estimate_blocks
from siftset.pipeline.proof.vectors import embed_minilm
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.lineage import Lineage, TrainingData

CURATIONS = ("20 % errors dropped", "40 % errors dropped", "longer half", "random half")
TRAIN = Train(task="classification", model="minilm", epochs=4, batch_size=16, max_length=64)


def curate_rows(name: str, frame: pl.DataFrame, group: np.ndarray, seed: int) -> ProofRows:
    """Return the rows of a curation, with planted errors in what may be trained on."""
    draw = np.random.default_rng([seed, 6])
    rows = ProofRows(
        frame, np.ones(frame.height, bool), np.ones(frame.height, bool), group, seed, 0
    )
    wrong = {"20 % errors dropped": 0.2, "40 % errors dropped": 0.4}.get(name, 0.0)
    flipped = (draw.random(frame.height) < wrong) & ~rows.held
    kept = ~flipped
    if name == "longer half":
        lengths = frame["text"].str.len_chars().to_numpy()
        kept = lengths > np.median(lengths)
    elif name == "random half":
        kept = draw.random(frame.height) < 0.5
    first, second = frame["label"].unique().sort()
    other = pl.when(pl.col("label") == first).then(pl.lit(second)).otherwise(pl.lit(first))
    marked = frame.with_columns(pl.Series("flipped", flipped))
    named = marked.with_columns(label=pl.when("flipped").then(other).otherwise("label"))
    return ProofRows(named.drop("flipped"), kept, rows.sampled, group, seed, 0)


def compare_blocks(rows: ProofRows, learner: Learner) -> Gain:
    """Return the difference over blocks on questions of everything."""
    pairs = cut_blocks(rows.chosen, rows.pool, FEW_BLOCKS, rows.seed)
    asked = rows.question_sets[0]
    sides = [np.stack([learner.score_questions(pair[at], 0) for pair in pairs]) for at in (0, 1)]
    return estimate_blocks((sides[0] - sides[1])[:, asked.places], asked.groups)


def write_gain(gain: Gain) -> str:
    """Return a difference in points, bold where its interval leaves out 0."""
    said = f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    return f"**{said}**" if gain.low > 0 or gain.high < 0 else said


def main() -> None:
    """Judge all curations and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--rows", type=int, default=2400)
    parser.add_argument("--only", nargs="+", choices=CORPORA, default=CORPORA, metavar="CORPUS")
    numbers = range(1, len(CURATIONS) + 1)
    parser.add_argument("--curations", nargs="+", type=int, choices=numbers, default=numbers)
    asked = parser.parse_args()
    print("| corpus | curation | probe | fine-tuned |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.only:
            whole, _, groups = read_corpus(asked.corpora / f"{name}.parquet", None)
            frame = whole.head(asked.rows)
            group = groups[: asked.rows]  # a row is named after the first of its group
            vectors = embed_minilm(frame["text"], Path(folder) / name, Silent())
            for curation in (CURATIONS[number - 1] for number in asked.curations):
                rows = curate_rows(curation, frame, group, 11)
                targets, classes = encode_labels(rows)
                probe = Probe("probe", {}, vectors, targets, classes, rows.asked)
                data = TrainingData({}, Lineage("", "", "", 0, "", "", ""))
                models = Path(folder) / "models"
                tuned = make_fine_tuning(TRAIN, rows, data, models, Path(folder) / "work")
                told = [write_gain(compare_blocks(rows, one)) for one in (probe, tuned)]
                print(f"| {name} | {curation} | {told[0]} | {told[1]} |", flush=True)


if __name__ == "__main__":
    main()
