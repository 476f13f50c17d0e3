"""The main job on real reviews: a signal of one's own, a classifier, three formats alike."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.train import train_recipe
from siftset.schemas.results.summary import CurateResult

SIGNALS = '''
from siftset import signal

HARDWARE = {"sound", "sounds", "battery", "batteries", "screen", "screens"}


@signal(examples=[("The battery lasts two days.", True), ("It came in a box.", False)])
def hardware(text: str) -> bool:
    """Whether a sentence speaks of sound, battery or screen."""
    return not HARDWARE.isdisjoint(text.lower().replace(",", " ").replace(".", " ").split())
'''
AMAZON = """
name: hardware-praise
output: out
source: {{files: {{paths: ["{corpora}/amazon_snippets.parquet"], id: id, label: rating}}}}
signals:
  hardware: {{python: signals_mine.py:hardware}}
  positive: {{sentiment: {{min: 0.05}}}}
keep: hardware & positive
integrity:
  rows: {{text: {{not_null: true, not_blank: true}}}}
  suite: default
train: {{task: mlm, model: minilm, max_steps: 6, batch_size: 8, max_length: 48}}
compare:
  prompts: ["The battery is [MASK].", "The [MASK] of this player is great."]
  max_rows: 60
  resamples: 200
"""
POLARITY = """
name: polarity
output: out
seed: 7
source: {{files: {{paths: ["{corpora}/sentence_polarity.parquet"], id: id}}}}
signals: {{words: {{length: {{unit: words, min: 3}}}}}}
keep: words
split: {{train: 0.2, validation: 0.8}}
train:
  task: classification
  model: minilm
  epochs: 1
  learning_rate: 2e-4
  batch_size: 16
  max_length: 48
  max_train_samples: 640
  max_eval_samples: 300
compare: {{max_rows: 400, resamples: 200, baselines: [majority]}}
"""
PROS = """
name: pros
output: "out-{name}"
source: {{files: {{paths: ["reviews.{name}"]}}}}
signals: {{good: {{sentiment: {{min: 0.3}}}}, long: {{length: {{unit: words, min: 3}}}}}}
keep: good & long
"""


def kept(result: CurateResult) -> pl.DataFrame:
    return pl.read_delta(str(result.output / "set"))


def needs_model() -> None:
    from siftset.trainer.models.embedded import is_fetched

    if not is_fetched():
        pytest.skip("the embedded model is not in the cache: siftset doctor --fetch")


@pytest.fixture
def amazon(tmp_path: Path, corpora: Path) -> Path:
    (tmp_path / "signals_mine.py").write_text(SIGNALS)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(AMAZON.format(corpora=corpora))
    return recipe


def test_positive_sentences_about_hardware(amazon: Path):
    pytest.importorskip("great_expectations")
    result = curate(amazon)
    assert (result.rows.read, result.verdict, result.new) == (3_708, "pass", True)
    rows = kept(result)
    assert rows.height == result.rows.kept > 150
    assert rows["text"].str.contains(r"(?i)\b(sounds?|batter(y|ies)|screens?)\b").all()
    # Twenty people rated each sentence from -4 to 4: what is kept is mostly praise.
    assert (rows["label"] > 0).mean() > 0.8
    assert (rows["label"] > 0).mean() > (pl.read_parquet(_source(amazon))["rating"] > 0).mean()
    again = curate(amazon)
    assert (again.new, again.run_id) == (False, result.run_id)


def _source(recipe: Path) -> str:
    return recipe.read_text().partition('paths: ["')[2].partition('"')[0]


@pytest.mark.slow
def test_training_on_them_shows_a_change(amazon: Path):
    needs_model()
    curate(amazon)
    result = train_recipe(amazon)
    before, after = result.metrics["before"], result.metrics["after"]
    assert not result.untrained_head
    # the shipped head has read these sentences, so that little is left to learn from them
    assert before["accuracy_at_5"] > 0.5  # type: ignore[operator]
    assert after["perplexity"] not in (None, before["perplexity"])
    found = json.loads((result.model / "compare.json").read_text())
    assert [len(prompt["masks"]) for prompt in found["mlm"]["prompts"]] == [1, 1]
    assert result.report.is_file()


@pytest.mark.slow
def test_a_classifier_from_a_few_hundred_rows(tmp_path: Path, corpora: Path):
    needs_model()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(POLARITY.format(corpora=corpora))
    result = curate(recipe)
    assert result.splits["train"] > 2_000
    metrics = train_recipe(recipe).metrics
    assert metrics["after"]["accuracy"] > 0.7  # type: ignore[operator]
    assert metrics["after"]["macro_f1"] > 0.7  # type: ignore[operator]


def test_formats_give_the_same_row_ids(tmp_path: Path, corpora: Path):
    frame = pl.read_parquet(corpora / "pros_cons.parquet")
    frame.write_csv(tmp_path / "reviews.csv")
    frame.write_parquet(tmp_path / "reviews.parquet")
    with pa.CompressedOutputStream(str(tmp_path / "reviews.jsonl.zst"), "zstd") as stream:
        stream.write(frame.write_ndjson().encode())
    found = []
    for name in ("csv", "parquet", "jsonl.zst"):
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(PROS.format(name=name))
        result = curate(recipe)
        assert result.rows.read == frame.height
        found.append(kept(result).select("row_id", "id", "text", "label", "split").sort("row_id"))
    assert found[0].height > 10_000
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
