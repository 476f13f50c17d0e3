"""A comparison after training and one asked for later say the same of the same rows."""

from __future__ import annotations

import json

import polars as pl
import pytest
from sklearn.metrics import f1_score, log_loss

from siftset.schemas.recipe.train import Compare, Train
from siftset.schemas.results.comparison import Comparison
from siftset.trainer.comparison import ComparisonRequest, compare_folders
from siftset.trainer.train import train

EVERY = ("majority", "tfidf", "probe")


@pytest.fixture
def unbalanced(make_data, rows_of):
    """60 training rows, three quarters of them good, and 24 to be asked."""
    rows = rows_of(80)
    kept = [i for i, label in enumerate(rows["label"]) if label == "pos" or i % 4 == 1]
    some = {name: [values[i] for i in kept] for name, values in rows.items()}
    return make_data({"train": some, "validation": rows_of(24, start=200)})


@pytest.mark.parametrize("weights", [None, "balanced"])
def test_train_and_compare_agree(tiny_bert, unbalanced, tmp_path, progress, weights):
    config = Train(
        task="classification",
        model=str(tiny_bert),
        method="frozen",
        epochs=1,
        max_train_samples=20,
        class_weights=weights,
        seed=5,
    )
    compare = Compare(resamples=50, positive=None, negative=None, baselines=EVERY, slices=())
    out = tmp_path / "models" / "m1"
    train(config, compare, unbalanced, out=out, seed=1, progress=progress)
    then = Comparison.model_validate_json((out / "compare.json").read_bytes())

    # Today's recipe has other settings: those of the model itself count.
    recipe = config.model_copy(update={"max_train_samples": None, "class_weights": None})
    asked = ComparisonRequest(compare, recipe, tmp_path, 5)
    now = compare_folders(str(tiny_bert), str(out), unbalanced, asked)
    assert now.changes == then.changes
    models = {one.name: one.metrics for one in then.classification.models[:-1]}
    assert {one.name: one.metrics for one in now.classification.models[:-1]} == models
    assert then.changes[0].name == "macro_f1"
    told = json.loads((out / "compare.json").read_text())["provenance"]
    assert told["max_train_samples"] == 20
    assert bool(told["class_weights"]) == (weights == "balanced")

    # Anyone can compute the page again from what each model said of each row.
    said = pl.read_parquet(out / "predictions.parquet")
    measured = {one.name: one.metrics for one in then.classification.models}
    assert set(said["side"].unique()) == {"baseline", "before", "after"}
    for model, rows in said.group_by("model"):
        figures = measured[model[0]]
        truth, guess = rows["label"].to_list(), rows["predicted"].to_list()
        assert f1_score(truth, guess, average="macro") == pytest.approx(figures["macro_f1"].value)
        assert rows["loss"].mean() == pytest.approx(figures["loss"].value)
        scores = rows["scores"].struct.unnest().select("neg", "pos").to_numpy()
        assert log_loss(truth, scores, labels=["neg", "pos"]) == pytest.approx(rows["loss"].mean())
        assert rows["row_id"].n_unique() == rows.height == 24
