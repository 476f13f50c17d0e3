"""Several labels a row, from the source to the report, however they are written."""

from __future__ import annotations

import json

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.train import train_recipe
from siftset.trainer.tasks.labels import list_labels


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_from_a_source_to_the_report(form, tiny_bert, rows_of, tmp_path):
    texts = rows_of(60)["text"]
    labels = [["a"] if i % 2 else ["a", "b"] if i % 5 else [] for i in range(60)]
    frame = pl.DataFrame({"text": texts, "label": labels}, schema_overrides={"label": pl.List(str)})
    if form == "parquet":
        frame.write_parquet(tmp_path / "in.parquet")
    elif form == "jsonl":
        frame.write_ndjson(tmp_path / "in.jsonl")
    else:
        frame.with_columns(pl.col("label").list.join("|")).write_csv(tmp_path / "in.csv")
    recipe = tmp_path / "recipe.json"
    train = {
        "task": "classification",
        "model": str(tiny_bert),
        "multi_label": True,
        "label_separator": "|",
        "max_steps": 1,
    }
    recipe.write_text(
        json.dumps(
            {
                "name": "several",
                "output": "out",
                "source": {"files": {"paths": [f"in.{form}"], "label": "label"}},
                "signals": {"some": {"length": {"min": 1}}},
                "keep": "some",
                "train": train,
                "compare": {"resamples": 20},
            }
        )
    )
    assert curate(recipe).rows.kept == 60
    result = train_recipe(recipe)
    assert result.metrics["before"].keys() == result.metrics["after"].keys() >= {"macro_f1"}
    compared = json.loads((result.model / "compare.json").read_text())
    assert compared["before_kind"] == "linear probe"
    names = [one["name"] for one in compared["classification"]["models"][:-1]]
    assert names == ["commonest set of labels", "TF-IDF + logistic regression", "linear probe"]
    found = json.loads((result.model / "config.json").read_text())
    assert list(found["id2label"].values()) == ["a", "b"]
    assert found["problem_type"] == "multi_label_classification"
    assert ">b<" in result.report.read_text()


@pytest.mark.parametrize(
    ("written", "separator", "expected"),
    [
        (['["a","b"]', "[]", None], None, [["a", "b"], [], None]),
        (["[1, true]"], None, [["1", "true"]]),
        (["a | b", "", None], "|", [["a", "b"], [], None]),
        ([["a"], []], "|", [["a"], []]),
    ],
)
def test_forms_of_several_labels(written, separator, expected):
    assert list_labels(pl.Series(written), separator).to_list() == expected
