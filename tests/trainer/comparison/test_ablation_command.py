"""Did the curation help: the recipe's other arms, from the source to the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli import app

RECIPE = """
name: arms
output: out
seed: 3
source: {{files: {{paths: [rows.jsonl], label: label, id: id}}}}
signals: {{good: {{keyword: {{words: [good, great, bad]}}}}}}
keep: good
split: {{train: 0.8, validation: 0.2}}
train:
  task: {task}
  model: {model}
  max_steps: 3
  batch_size: 4
  max_length: 24
  line_by_line: true
  eval_strategy: "no"
  head_start: random
compare: {{max_rows: 20, resamples: 50, arms: true}}
"""


@pytest.mark.parametrize("task", ["mlm", "classification"])
def test_arms_are_trained_on_other_rows_and_none_is_held_out(
    task, tiny_bert, rows_of, tmp_path, monkeypatch, told
):
    monkeypatch.chdir(tmp_path)
    rows = pl.DataFrame(rows_of(200)).with_row_index("id")
    rows.drop(["row_id"], strict=False).write_ndjson("rows.jsonl")
    Path("r.yaml").write_text(RECIPE.format(model=tiny_bert, task=task))
    told("curate", "r.yaml")
    model = Path(str(told("train", "r.yaml")["model"]))
    table = json.loads((model / "compare.json").read_text())["arms"]
    assert [arm["name"] for arm in table["arms"]] == [
        "curated",
        "random sample",
        "everything read",
    ]
    curated, sample, everything = (arm["rows"] for arm in table["arms"])
    assert curated == sample < everything
    assert pl.read_parquet("out/versions/0/train-*.parquet").height == curated
    difference = table["arms"][1]["difference"]
    assert difference["interval"] or difference["value"] == 0
    assert "3 steps" in table["budget"]
    for page in ("README.md", "compare.html"):
        assert "Ablation: did the curation help?" in (model / page).read_text()
    if task == "mlm":
        losses = {arm["metrics"]["loss"]["value"] for arm in table["arms"]}
        assert len(losses) == 3, "every arm learned something else"
        return
    again = told("compare", "r.yaml", "--arms")
    assert again["arms"] == table["arms"], "trained arms are asked again, not trained again"
    assert (model / "README.md").read_text().count("## Ablation: did the curation help?") == 1

    # Today's recipe has another budget: the model's own settings count, and its arms are the same.
    trained = {
        path.name: path.stat().st_mtime_ns for path in Path("out/arms", model.name).iterdir()
    }
    recipe = Path("r.yaml").read_text()
    Path("r.yaml").write_text(recipe.replace("batch_size: 4", "batch_size: 2"))
    assert told("compare", "r.yaml", "--arms")["arms"] == table["arms"]
    arms = list(Path("out/arms", model.name).iterdir())
    assert {path.name: path.stat().st_mtime_ns for path in arms} == trained
    lines = CliRunner().invoke(app, ["compare", "r.yaml", "--arms"]).stdout
    assert "Trained on, 3 steps, batches of 4, the same base model and seed; asked" in lines
    assert "random sample" in lines

    # Other rows in the source are other arms; those of before go.
    more = pl.concat(
        [
            pl.read_ndjson("rows.jsonl"),
            pl.DataFrame(rows_of(20, start=400))
            .with_columns(id=pl.int_range(900, 920))
            .select(pl.read_ndjson("rows.jsonl").columns),
        ]
    )
    more.write_ndjson("rows.jsonl")
    wider = told("compare", "r.yaml", "--arms")
    assert wider["arms"][2]["rows"] > everything
    now = {path.name for path in Path("out/arms", model.name).iterdir()}
    assert len(now) == 2
    assert not now & set(trained)

    pl.read_ndjson("rows.jsonl").head(20).write_ndjson("rows.jsonl")
    done = CliRunner().invoke(app, ["compare", "r.yaml", "--arms"])
    assert done.exit_code == 2
    assert "training rows are not in the source any more" in done.stderr


def test_arms_of_a_base_that_changed_are_no_comparison(
    tiny_bert, rows_of, tmp_path, monkeypatch, told
):
    monkeypatch.chdir(tmp_path)
    base = tmp_path / "base"
    shutil.copytree(tiny_bert, base)
    pl.DataFrame(rows_of(80)).with_row_index("id").write_ndjson("rows.jsonl")
    recipe = RECIPE.format(model=base, task="classification").replace("arms: true", "arms: false")
    Path("r.yaml").write_text(recipe)
    told("curate", "r.yaml")
    told("train", "r.yaml")
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    done = CliRunner().invoke(app, ["compare", "r.yaml", "--arms"])
    assert done.exit_code == 2
    assert "is not the one that" in " ".join(done.stderr.split())
