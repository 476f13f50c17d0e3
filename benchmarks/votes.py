"""Labels by the votes of six general voters, before and after the cut, on three corpora.

python benchmarks/votes.py [--corpora FOLDER] [--rows 12000]

The voters were written once for all three, without a look at the labels. A line says how many of
the texts get a label and how many of those are right; the same of the half of each class that the
texts nearby agree with most; and, by `measure_worth`, how many clean labels teach a small model as
much as either. A third of the texts are kept for its questions and a third for clean labels.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]
from siftset.pipeline.run.label_votes import bind_voters  # noqa: E402
from siftset.schemas.recipe.model import Recipe  # noqa: E402
from siftset.signals.label_votes.cut_statistic import (  # noqa: E402
    Reference,
    keep_best,
    measure_cut,
)
from siftset.signals.label_votes.worth import LabelledVectors, measure_worth  # noqa: E402
from siftset.signals.selection.turns import round_vectors  # noqa: E402
from siftset.signals.static_vectors.model import load_static  # noqa: E402

NAMES = {
    "pros_cons": "pros and cons of products",
    "sentence_polarity": "film review sentences",
    "tweets": "tweets, positive or negative",
}
FINE = (
    "good|great|best|love|loves|easy|fun|perfect|excellent|wonderful|beautiful|happy|thanks?|nice"
)
POOR = (
    "bad|worst|hate|poor|lacks?|dull|boring|sad|sorry|expensive|slow|difficult|miss|unfortunately"
)
RECIPE = {
    "name": "votes",
    "output": "out",
    "keep": "fine",
    "signals": {
        "mood": {"sentiment": {}},
        "praise": {"keyword": {"list": "praise"}},
        "criticism": {"keyword": {"list": "criticism"}},
        "fine": {"regex": {"pattern": rf"(?i)\b({FINE})\b"}},
        "poor": {"regex": {"pattern": rf"(?i)\b({POOR})\b"}},
        "denies": {"regex": {"pattern": r"(?i)\b(not|no|never|none|too|nothing)\b|n't\b"}},
    },
    "label": {
        "votes": {
            "pos": ["mood >= 0.4", "praise", "fine & ~denies"],
            "neg": ["mood <= -0.2", "criticism", "poor | denies"],
        },
        "known": "known",
    },
}


def read_corpus(corpora: Path, name: str, most: int) -> pl.DataFrame:
    """Return text and known label, pos or neg, of a sample of distinct texts."""
    frame = pl.read_parquet(corpora / f"{name}.parquet")
    label = pl.col("label").replace({"pro": "pos", "con": "neg"}) if "label" in frame.columns else (
        pl.when(pl.col("rating") > 0.5).then(pl.lit("pos"))
        .when(pl.col("rating") < -0.5).then(pl.lit("neg"))
    )  # fmt: skip
    rows = frame.select("text", known=label).drop_nulls().unique("text", maintain_order=True)
    return rows.sample(min(most, rows.height), seed=0, shuffle=True)


def measure(corpora: Path, name: str, most: int) -> list[str]:
    """Return the cells of a corpus."""
    start = time.process_time()
    voters = bind_voters(Recipe.model_validate(RECIPE), HERE)
    assert voters is not None
    rows, counted = voters.add_labels(read_corpus(corpora, name, most))
    codes = {label: code for code, label in enumerate(voters.classes)}
    known = rows["known"].replace_strict(codes).to_numpy()
    given = rows["label"].replace_strict(codes, default=-1).to_numpy()
    vectors = load_static().embed(rows["text"])
    third = np.arange(len(known)) % 3
    voted = np.flatnonzero((given >= 0) & (third == 0))
    grid, labels = round_vectors(vectors[voted]), given[voted]
    shares = np.bincount(labels, minlength=len(codes)) / len(labels)
    reference = Reference(grid, labels, voted, shares)
    stays = voted[keep_best(measure_cut(grid, labels, voted, reference), labels, voted, 0.5)]
    clean, questions = (LabelledVectors(vectors[third == n], known[third == n]) for n in (1, 2))
    cells = [f"{len(known):,}", f"{1 - (counted.silent + counted.tied) / counted.rows:.0%}"]
    for some in (voted, stays):
        found = measure_worth(LabelledVectors(vectors[some], given[some]), clean, questions)
        assert found is not None
        worth = f"over {found.known:,}" if found.worth is None else f"{found.worth:,}"
        cells += [
            f"{(given[some] == known[some]).mean():.1%}",
            f"{found.right / found.questions:.1%}",
            worth,
        ]
    best = found.curve[-1]
    cells.append(f"{best.right / best.asked:.1%} of {best.labels:,}")
    return [*cells, f"{time.process_time() - start:.0f}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, default=HERE.parents[1] / "shared" / "corpora")
    parser.add_argument("--rows", type=int, default=12_000)
    options = parser.parse_args()
    head = ("corpus", "rows", "labelled", "right", "probe", "worth", "right after", "probe after",
            "worth after", "probe on clean", "CPU s")  # fmt: skip
    print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|")
    for name, title in NAMES.items():
        print(
            f"| {title} | " + " | ".join(measure(options.corpora, name, options.rows)) + " |",
            flush=True,
        )
