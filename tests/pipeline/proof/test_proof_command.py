"""`siftset proof`: from the source to the verdict, its page and its scores."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import siftset
from siftset.pipeline.proof.budget import Budget, BudgetSpentError
from tests.pipeline.proof.conftest import RECIPE


def test_dropping_errors_is_shown_to_help_and_is_not_measured_twice(plant, told):
    plant()
    told("curate", "r.yaml")
    found = told("proof", "r.yaml")
    assert found["verdict"] == "yes"
    assert found["sentence"].startswith("Yes: the curated rows teach more than as many random")
    assert found["interval"][0] > 0
    assert found["interval"][0] < found["difference"] < found["interval"][1]
    assert (found["blocks"], found["block_rows"] >= 60) == (5, True)
    assert found["questions"] == found["groups"] > 200
    assert found["examples_saved"]["equals"] > found["examples_saved"]["rows"]
    assert any("static vectors" in note for note in found["notes"]), "named, never silent"
    assert any("only" in note and "held-out rows" in note for note in found["notes"])
    assert {line["questions"] for line in found["lines"]} == {"everything read", "its own kind"}
    assert {line["opponent"] for line in found["lines"]} == {"random", "length-matched"}
    page = Path(found["report"]).read_text()
    assert found["sentence"].replace("'", "&#x27;") in page
    assert "duplicate group" in page
    report = next(Path("out/runs").glob("*/report.html")).read_text()
    assert "Did the curation help?" in report
    assert found["sentence"] in report

    again = told("proof", "r.yaml")
    assert again["trained"] == 0, "scores are kept"
    same = ("verdict", "difference", "interval", "lines", "curve", "key")
    assert [again[name] for name in same] == [found[name] for name in same]
    assert told("compare", "r.yaml", "--arms")["key"] == found["key"]
    shown = siftset.proof("r.yaml")
    assert (shown.verdict, shown.key) == ("yes", found["key"])


def test_rows_dropped_by_chance_show_no_difference(plant, told):
    plant(
        wrong=0.1, recipe=RECIPE.replace("number: {column: fine, min: 1}", "sample: {share: 0.5}")
    )
    told("curate", "r.yaml")
    assert told("proof", "r.yaml")["verdict"] in ("no difference", "cannot say")


def test_other_labels_are_another_proof(plant, told):
    frame = plant()
    told("curate", "r.yaml")
    key = told("proof", "r.yaml")["key"]
    frame.with_columns(
        label=pl.when(pl.col("id") == 0).then(pl.lit("pos")).otherwise("label")
    ).write_parquet("rows.parquet")
    flipped = frame["label"][0] != "pos"
    told("curate", "r.yaml")
    assert (told("proof", "r.yaml")["key"] != key) is flipped


def test_duplicates_are_held_out_together_and_drawn_as_one(plant, told):
    frame = plant(rows=600)
    copies = frame.with_columns(id=pl.col("id") + 1000, text=pl.col("text") + "!")
    pl.concat([frame, copies]).write_parquet("rows.parquet")
    told("curate", "r.yaml")
    found = told("proof", "r.yaml")
    assert found["questions"] == 2 * found["groups"]


def test_a_golden_file_is_a_second_set_of_questions(plant, told):
    frame = plant(recipe=f"{RECIPE}compare: {{golden: golden.jsonl}}\n")
    frame.head(60).select("text", "label").write_ndjson("golden.jsonl")
    told("curate", "r.yaml")
    sets = told("proof", "r.yaml")["question_sets"]
    assert [one["name"] for one in sets] == ["everything read", "golden", "its own kind"]
    assert sets[1]["rows"] == 60


def test_a_proof_that_runs_out_of_minutes_says_so_and_goes_on(plant, told, monkeypatch):
    plant()
    told("curate", "r.yaml")
    with monkeypatch.context() as patched:
        trained = 0

        def train_seven(self, rows, train):
            nonlocal trained
            trained += 1
            if trained > 7:
                raise BudgetSpentError
            train()

        patched.setattr(Budget, "time_training", train_seven)
        found = told("proof", "r.yaml")
    assert (found["verdict"], found["trained"], found["complete"]) == ("cannot say", 7, False)
    assert "Run it again to go on" in found["sentence"]
    whole = told("proof", "r.yaml")
    assert (whole["verdict"], whole["complete"]) == ("yes", True)
    plain = json.loads(Path("out/proof/proof.json").read_text())
    assert plain["verdict"] == "yes"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop("label"), "no column 'label'"),
        (lambda f: f.drop("text"), "no column 'text'"),
        (lambda f: f.with_columns(label=pl.lit("pos")), "all rows have the same label"),
        (lambda f: f.head(150), "expected at least 50"),
        (lambda f: f.filter(pl.col("fine") == 1), "nothing was rejected"),
        (
            lambda f: f.with_columns(label=pl.when(pl.col("id") < 100).then("label")),
            "rows have no label",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line(plant, run, change, said):
    frame = change(plant())
    if "text" not in frame.columns:  # which a set cannot be made without
        run("curate", "r.yaml")
    recipe = RECIPE if "label" in frame.columns else RECIPE.replace("label: label, ", "")
    Path("r.yaml").write_text(recipe)
    frame.write_parquet("rows.parquet")
    run("curate", "r.yaml")
    done = run("proof", "r.yaml")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_thousand_classes_cannot_be_told_apart(plant, told):
    frame = plant()
    frame.with_columns(label=pl.col("id") % 997).write_parquet("rows.parquet")
    told("curate", "r.yaml")
    found = told("proof", "r.yaml")
    assert (found["verdict"], found["difference"]) == ("cannot say", None)
    assert "997 classes need blocks of at least 1,994 rows" in found["sentence"]


def test_minutes_must_be_a_number_above_zero(plant, run):
    plant()
    run("curate", "r.yaml")
    done = run("proof", "r.yaml", "--minutes", "0")
    assert done.exit_code == 2
    assert "expected more than 0" in done.stderr
