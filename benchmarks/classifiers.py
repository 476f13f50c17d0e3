"""A trained classifier, a linear probe, TF-IDF and the commonest class side by side, twice.

    python benchmarks/classifiers.py [--corpora FOLDER] [--rows 600] [--method full]
                                     [--only NAME ...]

First as siftset trains and prints them, then computed again from the published rows and the saved
model by scikit-learn and plain transformers alone: nothing of siftset is used in `recompute`. Ends
with 1 where a figure differs by more than 0.002. The corpora are Parquet files with text and label,
or for tweets a rating, which is cut into three moods.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

Array = NDArray[np.float64]
Figures = dict[str, dict[str, float]]

CORPORA = ("movie_reviews", "tweets", "sentence_polarity")
METRICS = ("macro_f1", "accuracy", "loss")
TOLERANCE = 0.002
SEED, LENGTH = 7, 64

RECIPE = """
name: {name}
output: out
seed: {seed}
source: {{files: {{paths: [rows.jsonl], label: label, id: id}}}}
signals: {{words: {{length: {{unit: words, min: 3}}}}}}
keep: words
dedupe: {{exact: true}}
split: {{train: 0.7, validation: 0.1, test: 0.2}}
train:
  task: classification
  model: minilm
  method: {method}
  epochs: {epochs}
  learning_rate: {rate}
  max_length: {length}
compare: {{baselines: [majority, tfidf, probe], slices: []}}
"""


METHODS = {"frozen": (8, "1e-3"), "full": (2, "1e-4")}
"""Epochs and learning rate."""


def write_corpus(corpora: Path, name: str, rows: int, method: str, folder: Path) -> None:
    """Write a seeded sample of a corpus as JSON Lines, and a recipe beside it."""
    frame = pl.read_parquet(corpora / f"{name}.parquet")
    if "label" not in frame.columns:
        rating = pl.col("rating")
        mood = pl.when(rating > 1).then(pl.lit("positive"))
        mood = mood.when(rating < -1).then(pl.lit("negative")).otherwise(pl.lit("neutral"))
        frame = frame.with_columns(label=mood)
    frame = frame.select("id", "text", "label").sample(min(rows, frame.height), seed=SEED)
    frame.write_ndjson(folder / "rows.jsonl")
    epochs, rate = METHODS[method]
    names = {"name": name.replace("_", "-"), "method": method, "epochs": epochs, "rate": rate}
    recipe = RECIPE.format(**names, seed=SEED, length=LENGTH)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")


def train_and_compare(folder: Path) -> tuple[Path, Path, Figures]:
    """Run siftset; return the model's folder, the base model's, and the figures it prints."""
    from siftset.pipeline.commands.curate import curate
    from siftset.pipeline.commands.train import train_recipe
    from siftset.pipeline.model_registry.options import TrainOptions
    from siftset.trainer.models.embedded import embedded_folder

    overrides = [f"output={folder / 'out'}"]
    curate(folder / "recipe.yaml", overrides=overrides)
    result = train_recipe(
        folder / "recipe.yaml", overrides=overrides, options=TrainOptions(fetch=True)
    )
    found = json.loads((result.model / "compare.json").read_text())["classification"]["models"]
    figures = {
        "model" if one is found[-1] else one["name"]: {
            name: one["metrics"][name]["value"] for name in METRICS
        }
        for one in found
    }
    for line in json.loads((result.model / "compare.json").read_text())["findings"]:
        print(f"  {line['level']}: {line['message']}")
    return result.model, embedded_folder(), figures


def recompute(model: Path, base: Path, version: Path) -> Figures:
    """Compute the same figures with scikit-learn and plain transformers."""
    import torch
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    train, held = (
        pl.read_parquet(version / f"{split}-*.parquet").sort("row_id")
        for split in ("train", "test")
    )
    classifier = AutoModelForSequenceClassification.from_pretrained(model).eval()
    labels = [classifier.config.id2label[i] for i in range(classifier.config.num_labels)]
    seen, truth = ([labels.index(label) for label in frame["label"]] for frame in (train, held))

    def ask(folder: Path, network: torch.nn.Module, texts: Sequence[str], read: Callable) -> Array:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        parts = []
        with torch.inference_mode():
            for text in texts:
                batch = tokenizer(text, truncation=True, max_length=LENGTH, return_tensors="pt")
                parts.append(read(network(**batch), batch["attention_mask"]))
        return torch.cat(parts).double().numpy()

    def mean_state(output: object, mask: torch.Tensor) -> torch.Tensor:
        weights = mask.unsqueeze(-1)
        return (output.last_hidden_state * weights).sum(1) / weights.sum(1)

    shares = np.bincount(seen, minlength=len(labels)) / len(seen)
    words = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=100_000),
        LogisticRegression(max_iter=1000),
    ).fit(train["text"], seen)
    encoder = AutoModel.from_pretrained(base).eval()
    states, asked = (
        ask(base, encoder, frame["text"].to_list(), mean_state) for frame in (train, held)
    )
    centre, spread = states.mean(0), states.std(0) + 1e-6
    states, asked = (states - centre) / spread, (asked - centre) / spread
    folds = StratifiedKFold(3, shuffle=True, random_state=SEED)
    penalties = (0.001, 0.01, 0.1, 1.0)
    scores = [
        cross_val_score(
            LogisticRegression(C=penalty, max_iter=1000),
            states[:2000],
            seen[:2000],
            cv=folds,
            scoring="neg_log_loss",
        ).mean()
        for penalty in penalties
    ]
    probe = LogisticRegression(C=penalties[int(np.argmax(scores))], max_iter=1000).fit(states, seen)
    said = {
        "majority class": np.tile(shares, (held.height, 1)),
        "TF-IDF + logistic regression": words.predict_proba(held["text"]),
        "linear probe": probe.predict_proba(asked),
        "model": ask(
            model,
            classifier,
            held["text"].to_list(),
            lambda output, _: output.logits.double().softmax(-1),
        ),
    }
    return {name: measure(truth, scores, len(labels)) for name, scores in said.items()}


def measure(truth: Sequence[int], scores: Array, classes: int) -> dict[str, float]:
    """Return macro F1, accuracy and loss of probabilities (rows, classes)."""
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    guess = scores.argmax(1)
    return {
        "macro_f1": float(f1_score(truth, guess, average="macro", zero_division=0)),
        "accuracy": float(accuracy_score(truth, guess)),
        "loss": float(log_loss(truth, scores, labels=range(classes))),
    }


def show(name: str, printed: Figures, computed: Figures) -> float:
    """Print both tables beside each other; return the largest difference."""
    print(f"\n{name:<30}" + "".join(f"{metric:>12}{'again':>10}" for metric in METRICS))
    worst = 0.0
    for one, figures in printed.items():
        cells = ""
        for metric in METRICS:
            again = computed[one][metric]
            worst = max(worst, abs(again - figures[metric]))
            cells += f"{figures[metric]:>12.4f}{again:>10.4f}"
        print(f"{one:<30}{cells}")
    print(f"largest difference {worst:.2g}", flush=True)
    return worst


def main() -> int:
    """Compare every corpus; return 1 where a figure differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "corpora"
    parser.add_argument("--corpora", type=Path, default=default)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--method", choices=METHODS, default="frozen")
    parser.add_argument("--only", nargs="*", default=CORPORA, choices=CORPORA)
    parser.add_argument("--keep", type=Path, help="Where the sets and models stay.")
    given = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as work:
        for name in given.only:
            folder = (given.keep or Path(work)) / name
            folder.mkdir(parents=True)
            write_corpus(given.corpora, name, given.rows, given.method, folder)
            model, base, printed = train_and_compare(folder)
            version = max((folder / "out" / "versions").iterdir())
            worst = max(worst, show(name, printed, recompute(model, base, version)))
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
