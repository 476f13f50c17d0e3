from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from siftset.schemas.recipe import environment
from siftset.schemas.recipe.train import Train
from siftset.schemas.results.comparison import (
    Change,
    Comparison,
    Forgetting,
    Interval,
    ModelInfo,
    Questions,
)
from siftset.schemas.results.lineage import Lineage
from siftset.schemas.results.summary import Finding, TrainResult
from siftset.trainer.training.model_card import CardFacts, library_versions, render_card, write_card

LINEAGE = Lineage(
    recipe="nike-positive",
    recipe_hash="ab12",
    set_path="set",
    version=7,
    run_id="run-1",
    formula="nike & (positive | praise)",
    formula_hash="cd34",
    rows={"train": 9000, "validation": 1000},
)
RESULT = TrainResult(
    model=Path("m"),
    task="mlm",
    metrics={"before": {"loss": 3.0}, "after": {"loss": 1.0, "perplexity": None}},
    report=Path("compare.json"),
    seconds=60,
    steps=100,
    tokens_per_second=12_345,
    hardware={"device": "cpu", "name": "A processor", "threads": 2},
)
COMPARISON = Comparison(
    task="mlm",
    before=ModelInfo(name="minilm"),
    after=ModelInfo(name="m"),
    before_kind="base model",
    questions=Questions(hash="f" * 64, seed=7, rows=1000),
    metrics={"before": {"loss": 3.0}, "after": {"loss": 1.0}},
    changes=(
        Change(
            name="loss",
            before=3.0,
            after=1.0,
            difference=-2.0,
            interval=Interval(low=-2.1, high=-1.9),
            n=1000,
            verdict="better",
        ),
    ),
)
FACTS = CardFacts(Train(task="mlm"), 7, LINEAGE, RESULT, COMPARISON)


def test_the_front_matter_is_the_hubs():
    data = ModelCard(render_card(FACTS)).data
    assert data.pipeline_tag == "fill-mask"
    assert data.license == "apache-2.0"
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == [("loss", 1.0)]


@pytest.mark.parametrize(
    "told",
    [
        "version 7, run `run-1`",
        "nike & (positive \\| praise)",
        "`cd34`",
        "hash `ab12`",
        "train 9,000, validation 1,000",
        "| loss | 3 | 1 | -2 | -2.1 to -1.9 (95%) | better |",
        "12,345 tokens/s",
        "name A processor",
        "| Seed | 7 |",
        "polars ",
        "Do not read its answers as facts",
    ],
)
def test_the_card_tells(told):
    assert told in render_card(FACTS)


def test_an_untrained_head_and_findings_are_told_first():
    result = replace(
        RESULT,
        untrained_head=("cls.predictions.bias",),
        findings=(Finding("over-fitting", "warning", "stop earlier"), Finding("x", "note", "no")),
    )
    text = render_card(replace(FACTS, result=result))
    assert "newly initialised** (1 weights" in text
    assert "- warning: stop earlier" in text
    assert "- note" not in text
    assert text.index("newly initialised") < text.index("## What changed")


def test_a_probe_stands_for_a_head_that_was_not_there():
    result = replace(RESULT, untrained_head=("classifier.weight",))
    comparison = COMPARISON.model_copy(update={"before_kind": "linear probe"})
    text = render_card(replace(FACTS, result=result, comparison=comparison))
    assert "So the figures before are of a linear probe" in text
    assert "is noise" not in text


def test_forgetting_beyond_the_gate_is_told():
    failed = Forgetting(verdict="fail", increase=0.25, limit=0.1)
    comparison = COMPARISON.model_copy(update={"forgetting": failed})
    assert "perplexity rose by 25.0%" in render_card(replace(FACTS, comparison=comparison))


def test_text_of_the_user_stays_in_its_place():
    lineage = replace(LINEAGE, recipe="<script>|x|\n---\n", formula="a | `b`")
    text = render_card(replace(FACTS, lineage=lineage))
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body
    assert "a \\| 'b'" in text
    ModelCard(text)


def test_a_local_base_is_not_called_a_hub_name(tmp_path):
    config = Train(task="classification", model=str(tmp_path))
    data = ModelCard(render_card(replace(FACTS, config=config))).data
    assert data.base_model is None
    assert data.pipeline_tag == "text-classification"


def test_it_is_written_whole(tmp_path):
    assert write_card(tmp_path, replace(FACTS, comparison=None)).name == "README.md"
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert "was not compared" in (tmp_path / "README.md").read_text()


def test_versions_are_those_installed():
    import torch

    # a wheel says which build it is (+cpu) in its name or only in the library
    assert library_versions()["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_a_version_is_called_by_its_names_too():
    assert LINEAGE.named_version == str(LINEAGE.version)
    named = replace(LINEAGE, tags=("gold", "q3")).named_version
    assert named == f"{LINEAGE.version} (gold, q3)"


def test_a_card_shows_no_value_of_the_environment_and_no_password(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "_FILLED", {"hush-the-name": "${WHO}"})
    lineage = replace(LINEAGE, recipe="hush-the-name", formula="s3://k:hush-key@bucket/x")
    write_card(tmp_path, replace(FACTS, lineage=lineage))
    (card,) = tmp_path.iterdir()
    text = card.read_text("utf-8")
    assert "hush" not in text
    assert "${WHO}" in text
