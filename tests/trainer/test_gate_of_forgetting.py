"""A model that forgot too much general text is kept, but not used."""

from __future__ import annotations

import json

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.train import train_recipe
from siftset.pipeline.model_registry.registry import latest_model
from siftset.schemas.errors import GateFailed


def test_a_model_that_forgets_is_not_the_latest(tiny_bert, rows_of, tmp_path):
    pl.DataFrame(dict(rows_of(80))).write_parquet(tmp_path / "in.parquet")
    general = [f"the {noun} was not {word} ." for noun in ("hat", "bag") for word in "abcdefgh"]
    (tmp_path / "general.txt").write_text("\n".join(general))
    recipe = tmp_path / "recipe.json"
    recipe.write_text(
        json.dumps(
            {
                "name": "gate",
                "output": "out",
                "source": {"files": {"paths": ["in.parquet"]}},
                "signals": {"some": {"length": {"min": 1}}},
                "keep": "some",
                "train": {
                    "task": "mlm",
                    "model": str(tiny_bert),
                    "max_steps": 2,
                    "eval_strategy": "no",
                    "learning_rate": 1e-6,
                },
                "compare": {
                    "general": "general.txt",
                    "max_general_ppl_increase": 0.05,
                    "resamples": 20,
                    "positive": None,
                    "negative": None,
                },
            }
        )
    )
    curate(recipe)
    good = train_recipe(recipe)
    models = tmp_path / "out" / "models"
    assert (models / "latest").is_symlink()
    assert (models / "latest").resolve() == good.model.resolve()
    with pytest.raises(GateFailed, match="forgetting: perplexity on general text rose") as error:
        train_recipe(recipe, overrides=["train.learning_rate=0.5"])
    assert error.value.exit_code == 3
    assert latest_model(models) == good.model.resolve()
    kept = [path.name for path in models.glob("v*-*")]
    assert len(kept) == 2
    with pytest.raises(GateFailed):
        train_recipe(recipe, overrides=["train.learning_rate=0.5"])
