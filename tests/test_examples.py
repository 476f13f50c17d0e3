"""The examples: their recipes are those of the pages, and do on small data what the pages say."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from siftset.pipeline.commands.check import check_recipe
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.train import train_recipe
from siftset.schemas.results.summary import CurateResult, TrainResult

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "examples"
STEPS = {
    "nike": ("R0", 19),
    "tweet-sentiment": ("R1", 16),
    "medical-answers": ("R2", 19),
    "film-reviews": ("R3", 11),
    "film-reviews-adapters": ("R4", 8),
}
"""The steps of each original, numbered; R4 has no step 6."""
BLOCK = r"^```{language}\n# {name}\n(.*?)^```$"
SMALL = ("train.max_steps=3", "train.max_length=32", "train.batch_size=4",
         "train.max_eval_samples=20", "compare.max_rows=20", "compare.resamples=50",
         "compare.baselines=[majority]")  # fmt: skip
FEW = ("compare.answers=2", "compare.generated=2", "compare.max_new_tokens=4")
SMALL_MODEL = "train.model=models/small-medical"


def block(page: str, language: str, name: str) -> str:
    text = (PAGES / f"{page}.md").read_text("utf-8")
    found = re.search(BLOCK.format(language=language, name=re.escape(name)), text, re.S | re.M)
    assert found is not None, f"{page}.md has no {language} block {name}"
    return found[1]


def run_script(page: str, name: str, *arguments: str) -> None:
    """Run a script of a page in this process, which has imported what most of them need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["-c", *arguments])
        exec(compile(block(page, "python", name), name, "exec"), {"__name__": "__main__"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sample_corpora: Path) -> Path:
    """Folder of what the pages make from the corpora."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("SIFTSET_CORPORA", raising=False)
        (folder / "corpora").symlink_to(sample_corpora)
        run_script("tweet-sentiment", "make_tweets.py")
        run_script("medical-answers", "make_medical.py")
        run_script("film-reviews-adapters", "make_films.py")
    return folder


@pytest.fixture
def data(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds what the pages make from the corpora."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIFTSET_CORPORA", raising=False)
    shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path


def set_of(result: CurateResult) -> pl.DataFrame:
    return pl.read_delta(str(result.output / "set"))


def compared(result: TrainResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((result.model / "compare.json").read_text("utf-8"))
    return found


def small_gpt2(page: str, *arguments: str) -> None:
    pytest.importorskip("transformers")
    run_script(page, "make_gpt2.py", *arguments)


def needs_model() -> None:
    from siftset.trainer.models.embedded import is_fetched

    if not is_fetched():
        pytest.skip("the embedded model is not in the cache: siftset doctor --fetch")


@pytest.mark.parametrize("name", STEPS)
def test_the_page_shows_the_recipe_that_ships(name: str):
    shipped = resources.files("siftset.data").joinpath("recipes", f"{name}.yaml").read_text("utf-8")
    assert block(name, "yaml", f"{name}.yaml") == shipped


@pytest.mark.parametrize("name", STEPS)
def test_the_page_names_every_step_of_the_original(name: str):
    text = (PAGES / f"{name}.md").read_text("utf-8")
    block, last = STEPS[name]
    wanted = {f"{block}.{i}" for i in range(1, last + 1)} - {"R4.6"}
    assert set(re.findall(r"^\| (R\d\.\d+)", text, re.M)) == wanted


@pytest.mark.parametrize("name", [name for name in STEPS if name != "medical-answers"])
def test_recipes_pass_the_check(name: str, data: Path):
    pytest.importorskip("torch")
    found = check_recipe(name)
    assert found.job.sources.records >= 200
    assert found.model is not None


def test_tweets_keep_three_labels_and_no_text_in_two_splits(data: Path):
    result = curate("tweet-sentiment")
    assert result.rows.read == 240 == result.rows.kept + result.rows.duplicate
    rows = set_of(result)
    assert set(rows["label"]) == {"negative", "neutral", "positive"}
    assert set(rows["split"]) == {"train", "validation", "test"}
    assert rows.group_by("text").agg(pl.col("split").n_unique())["split"].max() == 1


def test_a_label_that_is_none_of_the_three_is_set_aside(data: Path):
    tweets = pl.read_ndjson("tweets.jsonl")
    odd = pl.when(pl.col("id") == "7").then(pl.lit("furious")).otherwise("label_text")
    tweets.with_columns(label_text=odd).write_ndjson("tweets.jsonl")
    assert curate("tweet-sentiment").rows.quarantined == 1


def test_medical_questions_lose_a_prefix_and_nothing_else(data: Path):
    given = pl.read_ndjson("medical.jsonl").head(40)
    odd = given.head(1).with_columns(id=pl.lit(-1, pl.Int64), input=pl.lit("Q: Quinine Q: what ?"))
    pl.concat([given, odd]).write_ndjson("medical.jsonl")
    rows = set_of(curate("medical-answers"))
    assert "Quinine Q: what ?" in rows["text"].to_list()
    assert not rows["text"].str.starts_with("Q: ").any()
    assert given["output"].str.contains("  ").all()
    assert not rows["answer"].str.contains("  ").any()
    assert rows["text"].n_unique() == rows.height == 41


def test_film_reviews_from_csv_are_those_from_parquet(data: Path):
    binary, text = set_of(curate("film-reviews")), set_of(curate("film-reviews-adapters"))
    columns = ["text", "label"]
    assert binary.height == 200
    assert binary.select(columns).sort("text").equals(text.select(columns).sort("text"))
    assert set(text["split"]) == {"train", "validation", "test"}


@pytest.mark.slow
def test_a_decoder_and_an_encoder_learn_three_moods(data: Path):
    needs_model()
    curate("tweet-sentiment")
    small_gpt2("tweet-sentiment", "tweets.jsonl", "text", "128", "models/small-gpt2")
    for model in ("minilm", "models/small-gpt2"):
        result = train_recipe("tweet-sentiment", overrides=[*SMALL, f"train.model={model}"])
        classes = compared(result)["classification"]
        assert sorted(classes["labels"]) == ["negative", "neutral", "positive"]
        assert 0 <= result.metrics["after"]["accuracy"] <= 1  # type: ignore[operator]


@pytest.mark.slow
def test_a_causal_model_answers_before_and_after(data: Path):
    small_gpt2("medical-answers", "medical.jsonl", "output", "2048", "models/small-medical")
    assert check_recipe("medical-answers", overrides=[SMALL_MODEL]).model is not None
    curate("medical-answers")
    settings = [*SMALL, *FEW, SMALL_MODEL, "train.learning_rate=3e-3", "train.eval_steps=3"]
    result = train_recipe("medical-answers", overrides=settings)
    before, after = result.metrics["before"], result.metrics["after"]
    assert after["perplexity"] < before["perplexity"]  # type: ignore[operator]
    assert {"exact_match", "token_f1", "bleu", "rouge_l"} <= set(after)
    assert len(compared(result)["causal"]["answers"]) >= 2


METHODS = {
    "film-reviews": ("frozen", "{last_layers: 2}"),
    "film-reviews-adapters": ("full", "frozen", "{lora: {rank: 8}}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_film_reviews_are_learned_by_every_method(name: str, data: Path):
    needs_model()
    curate(name)
    for method in METHODS[name]:
        result = train_recipe(name, overrides=[*SMALL, f"train.method={method}"])
        after = result.metrics["after"]
        assert {"accuracy", "precision", "recall", "specificity", "f1", "roc_auc"} <= set(after)
        classes = compared(result)["classification"]
        assert sorted(classes["labels"]) == ["negative", "positive"]
        assert (result.model / "README.md").is_file()
