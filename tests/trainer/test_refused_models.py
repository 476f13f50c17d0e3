"""What a run itself finds wrong keeps its model from use, whichever command trained it."""

from __future__ import annotations

import json
import os
import time

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.train import train_recipe
from siftset.pipeline.model_registry.registry import current_model, latest_model
from siftset.pipeline.refresh import refresh
from siftset.schemas.errors import GateFailed, OutputError


@pytest.fixture
def recipe(tiny_bert, rows_of, tmp_path):
    """A curated set of 80 rows, and a training that can forget."""
    pl.DataFrame(dict(rows_of(80))).write_parquet(tmp_path / "in.parquet")
    general = [f"the {noun} was not {word} ." for noun in ("hat", "bag") for word in "abcdefgh"]
    (tmp_path / "general.txt").write_text("\n".join(general))
    path = tmp_path / "recipe.json"
    path.write_text(
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
    curate(path)
    return path


FORGETS = ["train.learning_rate=0.5"]
DIVERGES = [
    "train.learning_rate=1",
    "train.max_steps=30",
    "train.warmup_steps=30",
    "train.max_grad_norm=0",
    "train.line_by_line=true",
    "compare.max_general_ppl_increase=null",
]
REFUSED = [
    (FORGETS, "forgetting: perplexity on general text rose"),
    (DIVERGES, "diverging: the training loss rose from"),
]


@pytest.mark.parametrize(("settings", "why"), REFUSED)
def test_train_and_refresh_refuse_the_same_first_model(recipe, settings, why):
    with pytest.raises(GateFailed, match=why) as error:
        train_recipe(recipe, overrides=settings)
    assert error.value.exit_code == 3
    models = recipe.parent / "out" / "models"
    (made,) = models.glob("v*-*")
    with pytest.raises(OutputError, match="may be used"):
        latest_model(models)
    always = ["refresh.retrain_after=1", "refresh.promote=always"]
    (models / "pending.json").write_text('{"version": 0, "why": "it was cut off"}')
    told = refresh(recipe, overrides=[*settings, *always]).model
    assert (told["model"], told["promoted"], told["current"]) == (str(made), False, None)
    assert told["because"].startswith(why)
    assert current_model(models) is None
    assert not (models / "latest").exists()


def test_a_model_that_forgets_takes_no_place(recipe):
    good = train_recipe(recipe)
    models = recipe.parent / "out" / "models"
    assert (models / "latest").is_symlink()
    assert (models / "latest").resolve() == good.model.resolve()
    week, young = models / ".v0-mlm-a.work", models / ".v0-mlm-b.trials"
    for folder, days in ((week, 7.1), (young, 6.9)):
        (folder / "checkpoint-1").mkdir(parents=True)
        moment = time.time() - days * 86_400
        for path in (folder / "checkpoint-1", folder):
            os.utime(path, (moment, moment))
    (models / ".v0-mlm-c.new").mkdir()  # a draft that was killed
    for _ in range(2):  # trained, then found again
        with pytest.raises(GateFailed):
            train_recipe(recipe, overrides=FORGETS)
        assert latest_model(models) == good.model.resolve()
    hidden = {path.name for path in models.glob(".*")}
    assert hidden == {".lock", young.name}  # what nobody came back for is gone, and drafts
    assert len(list(models.glob("v*-*"))) == 2
    (models / "latest").unlink()  # as of an output that an earlier siftset wrote
    assert latest_model(models) == good.model
