from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from siftset.pipeline.decisions.log import append_events
from siftset.pipeline.decisions.record import Decision
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.run.job import load_job
from siftset.signals.label_doubt.fold_models import MOST_COLUMNS, MOST_WEIGHTS, count_columns

GOOD = ("great", "lovely", "excellent", "wonderful", "superb", "delightful")
BAD = ("awful", "terrible", "horrid", "dreadful", "poor", "broken")
THINGS = ("shoe", "film", "hat", "phone", "meal", "book", "coat", "lamp")


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """A recipe over 400 reviews, 20 of which have the other label."""
    rng = random.Random(0)
    rows = []
    for n in range(400):
        label = rng.choice(("pos", "neg"))
        words = GOOD if label == "pos" else BAD
        text = f"A {rng.choice(words)} {rng.choice(THINGS)}, {rng.choice(words)} number {n}."
        shown = label if n % 20 else {"pos": "neg", "neg": "pos"}[label]
        rows.append({"id": str(n), "text": text, "label": shown})
    rows.append({"id": "400", "text": "No label here", "label": None})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recipe = tmp_path / "reviews.yaml"
    recipe.write_text(
        "name: reviews\noutput: out\nkeep: long\n"
        "source: {files: {paths: [rows.jsonl], id: id, label: label}}\n"
        "signals: {long: {length: {min: 1}}}\n",
        encoding="utf-8",
    )
    return recipe


def test_planted_errors_are_found_and_dropped_by_the_signal(reviews: Path, run, told) -> None:
    found = told("doubt", reviews)
    assert found["rows"] == 400
    rows = pl.read_parquet(found["file"])
    assert rows.height == 400
    planted = rows["text"].str.extract(r"number (\d+)").cast(pl.Int64) % 20 == 0
    assert (rows["looks_wrong"] == planted).mean() > 0.98
    assert set(rows.filter(planted)["label_doubt"] > 0.5) == {True}
    assert {(pair["label"], pair["other"]) for pair in found["pairs"]} == {
        ("pos", "neg"),
        ("neg", "pos"),
    }
    doubtful = f"{{label_doubt: {{models: {Path(found['models']).name}, min: 0.5}}}}"
    given = ("--set", f"signals.doubtful={doubtful}", "--set", "keep=long & ~doubtful")
    kept = told("curate", reviews, *given)
    assert kept["rows"]["kept"] == 400 - int((rows["label_doubt"] >= 0.5).sum())
    # the row without a label is unknown, and not kept
    assert kept["unknown_rows"] == 1


def test_the_same_rows_in_other_files_give_the_same_scores(reviews: Path, told) -> None:
    whole = pl.read_parquet(told("doubt", reviews)["file"])
    lines = (reviews.parent / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    for name, part in (("a", lines[:150]), ("b", lines[150:])):
        (reviews.parent / f"{name}.jsonl").write_text("\n".join(part), encoding="utf-8")
    paths = ", ".join(str(reviews.parent / name) for name in ("a.jsonl", "b.jsonl"))
    given = ("--set", f"source.files.paths=[{paths}]", "--out", reviews.parent / "parts")
    parts = pl.read_parquet(told("doubt", reviews, *given)["file"])
    assert_frame_equal(parts.drop("row_id"), whole.drop("row_id"), abs_tol=1e-6)


def test_check_warns_where_a_limit_drops_more_than_the_models_support(reviews, run, told) -> None:
    models = Path(told("doubt", reviews)["models"]).name
    for least, warned in ((0.02, True), (0.5, False)):
        doubtful = f"{{label_doubt: {{models: {models}, min: {least}}}}}"
        given = ("--set", f"signals.doubtful={doubtful}", "--set", "keep=long & ~doubtful")
        said = " ".join(told("check", reviews, *given)["warnings"])
        assert ("give reason to doubt" in said) == warned


def test_what_cannot_work_is_one_line(reviews: Path, run) -> None:
    missing = "{label_doubt: {models: nowhere.safetensors, min: 0.5}}"
    done = run("curate", reviews, "--set", f"signals.long={missing}")
    assert done.exit_code == 2
    assert "siftset doubt RECIPE" in done.stderr
    (reviews.parent / "nowhere.safetensors").write_bytes(b"not one")
    done = run("curate", reviews, "--set", f"signals.long={missing}")
    assert done.exit_code == 2
    assert "holds no models of labels" in done.stderr
    (reviews.parent / "rows.jsonl").write_text('{"id": "1", "text": "a"}', encoding="utf-8")
    done = run("doubt", reviews)
    assert done.exit_code == 2
    rows = [json.dumps({"id": str(n), "text": f"text {n}", "label": "pos"}) for n in range(100)]
    (reviews.parent / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    done = run("doubt", reviews)
    assert done.exit_code == 2
    assert "100 labelled rows of 1 class, expected at least 25 rows and 2 classes" in done.stderr


def test_rows_of_a_group_are_never_asked_of_a_model_that_saw_one(reviews: Path, run, told) -> None:
    found = told("doubt", reviews, "--set", "split.group=id")
    name = Path(found["models"]).name
    for group, code in (("", 2), (", group: id", 0)):
        doubtful = f"{{label_doubt: {{models: {name}, min: 0.5{group}}}}}"
        given = ("--set", f"signals.doubtful={doubtful}", "--set", "keep=long & ~doubtful")
        assert run("check", reviews, *given).exit_code == code
    # of several columns the values together, as split.group has them
    found = told("doubt", reviews, "--set", "split.group=[id, label]")
    for group, code in (("id", 2), ("[id, label]", 0)):
        doubtful = f"{{label_doubt: {{models: {name}, min: 0.5, group: {group}}}}}"
        given = ("--set", f"signals.doubtful={doubtful}", "--set", "keep=long & ~doubtful")
        assert run("curate", reviews, "--dry-run", *given).exit_code == code
    done = run("doubt", reviews, "--set", "split.group=[id, author]")
    assert done.exit_code == 2
    assert "'author' is none: make it one in prepare.columns" in done.stderr


def test_the_report_says_what_was_found_of_this_very_input(reviews: Path, run, told) -> None:
    def doubts_of(place: str) -> dict | None:
        return json.loads(Path(place).with_name("metrics.json").read_text()).get("label_doubts")

    first = told("curate", reviews)
    assert doubts_of(first["report"]) is None
    found = told("doubt", reviews)
    # the current version was made of these rows: its page is told
    said = doubts_of(first["report"])
    assert (said["rows"], said["wrong"]) == (400, found["wrong"])
    assert {(pair["label"], pair["other"]) for pair in said["pairs"]} == {
        ("pos", "neg"),
        ("neg", "pos"),
    }
    page = Path(first["report"]).read_text()
    assert f"{found['wrong']} of 400 labels look wrong" in page
    assert found["file"] in page
    shown = said["pairs"][0]["examples"][0]
    assert shown["row_id"] in page
    rows = pl.read_parquet(found["file"]).filter(row_id=shown["row_id"])
    assert rows["looks_wrong"].item()
    assert f"{rows['label_doubt'].item():.2f}" == shown["reason"]
    assert "labels that look wrong" in run("report", reviews).stdout
    # a run of the same rows says so too, whatever it keeps; one of other rows does not
    again = told("curate", reviews, "--set", "signals.long.length.min=5")
    assert doubts_of(again["report"]) == said
    with (reviews.parent / "rows.jsonl").open("a") as file:
        file.write('\n{"id": "900", "text": "A great new one", "label": "pos"}\n')
    assert doubts_of(told("curate", reviews)["report"]) is None
    # by the signal, what its models learned from is told
    models = Path(found["models"]).name
    doubtful = f"{{label_doubt: {{models: {models}, min: 0.9}}}}"
    given = ("--set", f"signals.doubtful={doubtful}", "--set", "keep=long & ~doubtful")
    said = doubts_of(told("curate", reviews, *given)["report"])
    assert said["of"] == f"the rows of {models}"
    assert said["wrong"] == found["wrong"]


def test_a_label_that_people_changed_is_the_changed_one(reviews: Path, run, told) -> None:
    def doubts_of(place: str) -> dict | None:
        return json.loads(Path(place).with_name("metrics.json").read_text()).get("label_doubts")

    found = told("doubt", reviews)
    row = pl.read_parquet(found["file"]).filter("looks_wrong").row(0, named=True)
    assert doubts_of(told("curate", reviews)["report"]) is not None
    job = load_job(reviews)
    record = job.sources.frame().filter(row_id=row["row_id"])
    made = Decision(
        row_id=row["row_id"], seen=hash_records(record, job.columns)[0], decision="relabel",
        label=row["likelier"], by="ann",
    )  # fmt: skip
    append_events(reviews.parent / "review/ann.jsonl", [made])
    given = ("--set", "review={}")
    # what was found is of labels that are no longer these
    assert doubts_of(told("curate", reviews, *given)["report"]) is None
    again = told("doubt", reviews, *given)
    rows = pl.read_parquet(again["file"]).filter(row_id=row["row_id"])
    assert rows["label"].item() == row["likelier"]
    assert not rows["looks_wrong"].item()


def test_votes_can_be_doubted(reviews: Path, told) -> None:
    votes = {
        "pos": ["keyword(words=['great','lovely','superb'])"],
        "neg": ["keyword(words=['awful','poor'])"],
    }
    given = ("--set", "source.files.label=null", "--set", "prepare.columns={gold: label}")
    found = told("doubt", reviews, *given, "--set", f"label.votes={json.dumps(votes)}")
    assert 100 < found["rows"] < 300


def test_labels_missing_on_most_rows_are_no_labels(reviews: Path, told) -> None:
    lines = (reviews.parent / "rows.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    bare = [{**row, "label": row["label"] if n % 8 == 0 else None} for n, row in enumerate(rows)]
    (reviews.parent / "rows.jsonl").write_text("\n".join(map(json.dumps, bare)))
    found = told("doubt", reviews)
    assert found["rows"] == 50
    assert pl.read_parquet(found["file"]).height == 50


@pytest.mark.parametrize("classes", [pytest.param(110), pytest.param(1000, marks=pytest.mark.full)])
def test_many_classes_share_columns_of_words(classes: int, reviews: Path, told) -> None:
    assert count_columns(2) == MOST_COLUMNS
    assert count_columns(1000) * 1000 <= MOST_WEIGHTS
    rows = [
        json.dumps(
            {"id": str(n), "text": f"word{n % classes} tail {n}", "label": f"c{n % classes}"}
        )
        for n in range(4 * classes)
    ]
    (reviews.parent / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    assert told("doubt", reviews)["rows"] == 4 * classes
