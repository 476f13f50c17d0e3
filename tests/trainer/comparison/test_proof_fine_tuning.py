"""A proof that fine-tunes the recipe's model on each lot of rows."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.proof.budget import Budget, BudgetSpentError
from siftset.schemas.progress import Silent
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.lineage import Lineage, TrainingData
from siftset.trainer.train import fit_and_score

LINEAGE = Lineage("r", "", "", 0, "run", "", "")
RECIPE = """
name: tuned
output: out
seed: 3
source: {{files: {{paths: [rows.jsonl], label: label, id: id}}}}
signals: {{good: {{keyword: {{words: [good, great, bad]}}}}}}
keep: good
split: {{train: 0.8, validation: 0.2}}
train:
  task: {task}
  model: {model}
  max_steps: 2
  batch_size: 4
  max_length: 24
  line_by_line: true
  head_start: random
compare: {{max_rows: 20, resamples: 50, arms: {arms}}}
"""


@pytest.fixture
def few_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """End the minutes after the first blocks: five pairs of models."""
    trained = 0

    def train_ten(self, rows, train):
        nonlocal trained
        trained += 1
        if trained > 10:
            raise BudgetSpentError
        train()

    monkeypatch.setattr(Budget, "time_training", train_ten)


@pytest.mark.slow
@pytest.mark.usefixtures("few_trainings")
def test_a_proof_is_shown_with_the_model_of_its_rows_and_no_other(
    tiny_bert, rows_of, tmp_path, monkeypatch, told
):
    monkeypatch.chdir(tmp_path)
    rows = pl.DataFrame(rows_of(500)).with_row_index("id")
    rows.drop(["row_id"], strict=False).write_ndjson("rows.jsonl")
    recipe = RECIPE.format(model=tiny_bert, task="mlm", arms="true")
    Path("r.yaml").write_text(recipe)
    told("curate", "r.yaml")
    model = Path(str(told("train", "r.yaml")["model"]))
    found = told("proof", "r.yaml")
    assert (found["trained"], found["blocks"], found["unit"]) == (0, 5, "percent")
    assert found["model"] == "bert, fine-tuned (full)"
    assert found["lines"][0]["curated"] != found["lines"][0]["other"]
    assert not list(Path("out/proof/work").glob("*model*"))
    card = (model / "README.md").read_text()
    assert card.count("## Did the curation help?") == 1
    assert found["sentence"] in card
    assert "Did the curation help?" in (model / "compare.html").read_text()

    # A model of another version does not carry a proof of this one's rows.
    more = recipe.replace("great, ", "").replace("arms: true", "arms: false")
    Path("r.yaml").write_text(more)
    told("curate", "r.yaml")
    other = Path(str(told("train", "r.yaml")["model"]))
    assert "Did the curation help?" not in (other / "compare.html").read_text()
    assert json.loads(Path("out/proof/proof.json").read_text())["set_version"] == 0


@pytest.mark.parametrize("task", ["classification", "causal"])
def test_a_model_that_is_thrown_away_scores_every_question(
    task, tiny_bert, tiny_gpt2, rows_of, tmp_path
):
    rows = pl.DataFrame(rows_of(40)).with_columns(
        row_id=pl.int_range(pl.len()).cast(pl.String), label=pl.col("label").cast(pl.String)
    )
    if task == "causal":  # one pair lacks its answer: it cannot be asked
        answer = pl.when(pl.col("row_id") != "39").then(pl.lit("a good film"))
        rows = rows.with_columns(prompt="text", response=answer)
    rows.head(20).write_parquet(tmp_path / "train.parquet")
    config = Train(
        task=task, model=str(tiny_gpt2 if task == "causal" else tiny_bert), max_steps=2,
        batch_size=4, max_length=24, eval_strategy="no", head_start="random",
    )  # fmt: skip
    data = TrainingData({"train": (tmp_path / "train.parquet",)}, LINEAGE)
    asked = rows.tail(20)
    scores = fit_and_score(config, data, asked, out=tmp_path / "m", progress=Silent())
    assert len(scores) == 20
    if task == "classification":
        assert set(scores) <= {0.0, 1.0}
    else:
        assert scores[-1] == 0
        assert (scores[:-1] < 0).all()
    assert [path.name for path in tmp_path.iterdir()] == ["train.parquet"]
