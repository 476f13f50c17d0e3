"""What a training run says at its end, and what `siftset report` says of a whole output folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner

from siftset.pipeline.cli import app
from siftset.pipeline.commands.report import describe_output
from siftset.pipeline.model_registry.train_summary import train_summary
from siftset.pipeline.storage.lock import LOCK_NAME
from siftset.schemas.results.comparison import (
    Change,
    Comparison,
    Forgetting,
    MaskChange,
    MlmComparison,
    ModelInfo,
    PromptChange,
    Questions,
    Token,
)
from siftset.schemas.results.summary import Finding, TrainResult
from siftset.schemas.results.trials import FoldFigure, SearchFound, SearchTrial, Trials

BEFORE, AFTER = (
    ("worn", "old", "cheap", "red", "wet", "late"),
    ("good", "light", "soft", "new", "a", "b"),
)


def tokens(words: tuple[str, ...]) -> tuple[Token, ...]:
    shares = (0.4, 0.2, 0.1, 0.05, 0.04, 0.03)
    return tuple(
        Token(token=word, probability=share, sentence=f"Shoes are {word}")
        for word, share in zip(words, shares, strict=True)
    )


def changed(name: str, before: float, after: float) -> Change:
    return Change(name=name, before=before, after=after, difference=after - before, n=1)


def comparison() -> Comparison:
    mask = MaskChange(
        mask=0, before=tokens(BEFORE), after=tokens(AFTER), entropy_before=1.0, entropy_after=1.0
    )
    return Comparison(
        task="mlm",
        before=ModelInfo(name="base"),
        after=ModelInfo(name="tuned"),
        before_kind="base model",
        questions=Questions(hash="h", seed=0),
        metrics={"before": {"perplexity": 42_408.3}, "after": {"perplexity": 12.5}},
        mlm=MlmComparison(
            top_k=5,
            prompts=(PromptChange(prompt="Shoes are [MASK]", masks=(mask,)),),
            mass=(changed("positive_mass", 0.1, 0.35), changed("negative_mass", 0.2, 0.05)),
        ),
    )


@pytest.fixture
def trained(tmp_path: Path) -> TrainResult:
    folder = tmp_path / "out/models/v0-mlm-1"
    folder.mkdir(parents=True)
    found = comparison()
    (folder / "compare.json").write_text(found.model_dump_json())
    (folder / "training.json").write_text("{}")
    findings = (
        Finding("untrained head", "warning", "UNTRAINED HEAD: ..."),
        Finding("few rows", "warning", "159 training rows are few"),
        Finding("cut", "note", "2 texts were cut"),
    )
    figures = {str(side): dict(values) for side, values in found.metrics.items()}
    return TrainResult(
        folder, "mlm", figures, folder / "compare.html", 12.34, 20, findings=findings
    )


def test_the_end_of_training_shows_what_changed(trained: TrainResult):
    told = train_summary(trained)
    assert told.startswith("Trained mlm in 12.3 s, 20 steps\n")
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "perplexity 42,408 12.5" in lines
    assert "positive words 10.00% 35.00%" in lines
    assert "negative words 20.00% 5.00%" in lines
    at = lines.index("Shoes are [MASK]")
    assert lines[at + 1] == "before worn 40.0% old 20.0% cheap 10.0% red 5.0% wet 4.0%"
    assert lines[at + 2] == "after good 40.0% light 20.0% soft 10.0% new 5.0% a 4.0%"
    assert "warning: 159 training rows are few" in lines
    assert "UNTRAINED HEAD" not in told
    assert "texts were cut" not in told
    assert lines[-1] == f"report {trained.model}/compare.html"


@pytest.mark.parametrize(
    ("limit", "verdict", "judged"),
    [(None, "not judged", ""), (0.2, "pass", ", at most +20% wanted: pass")],
)
def test_forgetting_is_told_with_what_its_gate_says(
    limit: float | None, verdict: Literal["pass", "not judged"], judged: str, trained: TrainResult
):
    found = Forgetting(
        general=changed("perplexity", 40, 44), increase=0.1, limit=limit, verdict=verdict
    )
    told = comparison().model_copy(update={"forgetting": found})
    (trained.model / "compare.json").write_text(told.model_dump_json())
    lines = [" ".join(line.split()) for line in train_summary(trained).splitlines()]
    assert f"on general text 40 44 perplexity +10.0%{judged}" in lines


def test_folds_and_searched_settings_are_told(trained: TrainResult):
    path = trained.model / "compare.json"
    trials = Trials(
        search=SearchFound(
            metric="loss",
            trials=(
                SearchTrial(settings={"learning_rate": 1e-5, "epochs": 2}, value=0.9),
                SearchTrial(settings={"learning_rate": 1e-4, "epochs": 2}, value=0.7),
            ),
            chosen={"learning_rate": 1e-4, "epochs": 2},
        ),
        folds=(FoldFigure(name="loss", mean=0.8, deviation=0.1, values=(0.7, 0.8, 0.9)),),
    )
    path.write_text(comparison().model_copy(update={"trials": trials}).model_dump_json())
    lines = [" ".join(line.split()) for line in train_summary(trained).splitlines()]
    at = lines.index("cross-validation mean deviation 3 folds")
    assert lines[at + 1] == "loss 0.8 0.1 0.7 0.8 0.9"
    at = lines.index("search loss settings tried on validation")
    assert lines[at + 1 : at + 3] == [
        "0.9 learning_rate 1e-05, epochs 2",
        "0.7 learning_rate 0.0001, epochs 2 chosen",
    ]


def test_an_untrained_head_is_said_once_and_loudly(trained: TrainResult):
    told = train_summary(replace(trained, untrained_head=("cls.bias",)))
    assert told.count("newly initialised") == 1


def test_training_done_before_says_so(trained: TrainResult):
    again = replace(trained, new=False)
    assert train_summary(again).startswith(
        "Nothing new: this mlm model was trained and compared before"
    )
    assert again.to_json()["new"] is False


def test_a_summary_without_a_comparison_still_has_its_figures(trained: TrainResult):
    (trained.model / "compare.json").unlink()
    told = train_summary(trained)
    assert "perplexity" in told
    assert "[MASK]" not in told


RECIPE = """name: t
output: out
source: {files: {paths: [in.csv]}}
signals: {long: {length: {min: 6}}}
keep: long
split: {train: 0.5, validation: 0.5}
"""


def test_a_report_names_every_place_and_the_figures(tmp_path: Path, trained: TrainResult):
    texts = ["short", *(f"long enough {number}" for number in range(40))]
    (tmp_path / "in.csv").write_text("\n".join(["text", *texts]))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    (tmp_path / "out" / LOCK_NAME).touch()
    assert CliRunner().invoke(app, ["curate", str(recipe), "-q"]).exit_code == 0
    found = describe_output(recipe)
    assert found.figures["kept by its run"].startswith("40 of 41")
    assert found.figures["equal texts in two splits"] == "0"
    assert found.figures["mass on positive words"] == "10.00% -> 35.00%"
    assert found.places["model"] == trained.model
    assert found.places["set"] == tmp_path / "out/set"
    assert found.report.is_file()
    shown = CliRunner().invoke(app, ["report", str(recipe)])
    assert (shown.exit_code, str(found.report) in shown.stdout) == (0, True)


@pytest.mark.parametrize(
    ("kind", "said"), [("linear probe", "a linear probe on"), ("base model", "answers are noise")]
)
def test_what_stands_before_a_new_head_is_said(trained: TrainResult, kind: str, said: str):
    path = trained.model / "compare.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "before_kind": kind}))
    assert said in train_summary(replace(trained, untrained_head=("cls.bias",)))
