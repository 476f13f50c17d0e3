"""Suites in a whole run: on what comes in and on what goes out; block, quarantine or warn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("great_expectations")

from siftset.pipeline.commands.check import check_recipe
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import GateFailed, SuiteError
from siftset.schemas.results.metrics import Check, RunMetrics
from siftset.schemas.results.summary import CurateResult

RECIPE = """
name: shoes
output: out
source: {files: {paths: [a.csv], text: text, label: label}}
signals: {shoes: {keyword: {words: [shoes]}}}
keep: shoes
integrity: {rows: {text: {not_null: true}}, %s}
"""
ROWS = "text,label\n" + "".join(
    f"{text},{label}\n"
    for text, label in [
        ("I love these shoes", "pro"), ("good shoes", "pro"), ("bad shoes", "con"),
        ("see http://a.b shoes", "pro"), ("http://a.b", "pro"), ("odd shoes", "maybe"), ("", "pro"),
    ]
)  # fmt: skip
URL = {"column": "text", "regex": "http"}
NO_URL = "expect_column_values_to_not_match_regex"


def expect(kind: str, severity: str = "critical", action: str = "", **kwargs) -> dict:
    meta = {"action": action} if action else {}
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(ROWS, encoding="utf-8")
    write(tmp_path, "input_suite")
    return tmp_path


def write(folder: Path, key: str, *expectations: dict) -> Path:
    listed = expectations or (expect("expect_column_to_exist", column="text"),)
    suite = {"name": "mine", "expectations": listed}
    (folder / "mine.json").write_text(json.dumps(suite), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE % f"{key}: mine.json", encoding="utf-8")
    return folder / "recipe.yaml"


def quarantined(result: CurateResult) -> dict[str, list[str]]:
    frame = pl.read_parquet(result.report.parent / "quarantine" / "*.parquet")
    return {row["text"]: row["_reasons"] for row in frame.iter_rows(named=True)}


def checks(result: CurateResult) -> list[Check]:
    path = result.report.parent / "metrics.json"
    return [c for c in RunMetrics.model_validate_json(path.read_bytes()).checks if c.name == NO_URL]


def test_a_suite_sets_aside_what_comes_in(folder: Path) -> None:
    recipe = write(folder, "input_suite", expect(NO_URL, "warning", "quarantine", **URL))
    result = curate(recipe)
    result.rows.check()
    assert (result.rows.kept, result.rows.rejected, result.rows.quarantined) == (4, 0, 3)
    reason = ["text: column_values_to_not_match_regex"]
    assert quarantined(result) == {
        None: ["text: null"], "see http://a.b shoes": reason, "http://a.b": reason,
    }  # fmt: skip
    (check,) = checks(result)
    assert (check.stage, check.failed, check.rows, check.passed) == ("input", 2, 6, False)
    assert result.verdict == "warn"


def test_a_suite_sets_aside_what_would_go_out(folder: Path) -> None:
    recipe = write(folder, "suite", expect(NO_URL, "critical", "quarantine", **URL))
    result = curate(recipe)
    result.rows.check()
    assert (result.rows.kept, result.rows.rejected, result.rows.quarantined) == (4, 1, 2)
    assert list(quarantined(result)) == [None, "see http://a.b shoes"]
    aside, judged = checks(result)
    assert (aside.failed, aside.rows, aside.severity) == (1, 5, "info")
    assert (judged.failed, judged.rows, judged.passed) == (0, 4, True)
    assert result.verdict == "pass"


def test_rows_with_ids_stay_in_step_when_one_is_set_aside(folder: Path) -> None:
    recipe = write(folder, "suite", expect(NO_URL, "critical", "quarantine", **URL))
    recipe.write_text(recipe.read_text("utf-8").replace("label: label", "id: label"), "utf-8")
    (folder / "a.csv").write_text(
        "text,label\nsee http://a.b shoes,1\ngood shoes,2\ngood shoes,2\nold shoes,3\n", "utf-8"
    )
    result = curate(recipe)
    assert result.rows.to_json() == {
        "read": 4, "kept": 2, "rejected": 0, "quarantined": 1, "duplicate": 1, "unreadable": 0,
    }  # fmt: skip
    assert Store(result.output).scan().collect()["id"].sort().to_list() == [2, 3]


@pytest.mark.parametrize(
    ("key", "severity", "action", "verdict"),
    [
        ("suite", "warning", "", "warn"),
        ("suite", "info", "", "pass"),
        ("input_suite", "critical", "warn", "warn"),
    ],
)
def test_what_only_warns_publishes_every_row(
    folder: Path, key: str, severity: str, action: str, verdict: str
) -> None:
    result = curate(write(folder, key, expect(NO_URL, severity, action, **URL)))
    assert (result.rows.kept, result.rows.quarantined, result.verdict) == (5, 1, verdict)


@pytest.mark.parametrize(
    ("key", "severity", "action"), [("suite", "critical", ""), ("input_suite", "info", "block")]
)
def test_what_blocks_leaves_the_published_version_as_it_is(
    folder: Path, key: str, severity: str, action: str
) -> None:
    first = curate(folder / "recipe.yaml")
    published = {p: p.read_bytes() for p in (folder / "out" / "versions").rglob("*.parquet")}
    with pytest.raises(GateFailed, match=r"not_match_regex on text: [12] of [56] rows"):
        curate(write(folder, key, expect(NO_URL, severity, action, **URL)))
    assert Store(folder / "out").version() == first.version == 0
    assert published == {
        p: p.read_bytes() for p in (folder / "out" / "versions").rglob("*.parquet")
    }
    refused = sorted((folder / "out" / "runs").iterdir())[-1]
    assert json.loads((refused / "manifest.json").read_bytes())["state"] == "refused"
    assert "Failed: nothing was published" in (refused / "report.html").read_text("utf-8")
    assert (refused / "data_docs" / "index.html").is_file()


@pytest.mark.parametrize("key", ["input_suite", "suite"])
@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (expect("expect_column_values_to_be_uniqe", column="text"),
         "expectation 1: unknown type 'expect_column_values_to_be_uniqe' .did you mean "),
        (expect(NO_URL, column="txt", regex="a"), "expectation 1, .*'txt' .did you mean 'text'"),
        (expect(NO_URL, row_condition='lable == "pro"', condition_parser="pandas", **URL),
         "expectation 1, .*'lable' .did you mean 'label'"),
        (expect(NO_URL, row_condition='col("lable").notNull()', **URL), "'lable' .did you mean"),
        (expect(NO_URL, row_condition={"type": "and", "conditions": [
            {"type": "nullity", "column": {"name": "lable"}, "is_null": True}]}, **URL),
         "'lable' .did you mean"),
        (expect("expect_column_values_to_be_unique", "warning", "quarantine", column="text"),
         "does not judge single rows"),
        (expect(NO_URL, "warning", "drop", **URL), "action 'drop' is none of"),
        (expect(NO_URL, column="text", regexp="a"), "unknown argument 'regexp'"),
    ],
)  # fmt: skip
def test_a_suite_that_is_misspelt_is_named_before_anything_is_read(
    folder: Path, key: str, expectation: dict, message: str
) -> None:
    recipe = write(folder, key, expectation)
    for work in (check_recipe, curate):
        with pytest.raises(SuiteError, match=message):
            work(recipe)
    assert not list((folder / "out").glob("runs/*"))


def test_a_mended_row_must_pass_the_suite_too(folder: Path) -> None:
    recipe = write(folder, "input_suite", expect(NO_URL, "warning", "quarantine", **URL))
    (path,) = (curate(recipe).report.parent / "quarantine").glob("*.parquet")
    text = pl.col("text")
    pl.read_parquet(path).with_columns(
        text=pl.when(text.str.starts_with("see")).then(pl.lit("see shoes")).otherwise(text + "!")
    ).write_parquet(path)
    result = curate(recipe, options=CurateOptions(release_quarantine=True))
    assert (result.rows.kept, result.rows.quarantined) == (5, 2)


def test_another_process_reruns_the_gate_on_the_published_files(folder: Path) -> None:
    result = curate(write(folder, "suite", expect(NO_URL, "info", **URL)))
    code = (
        "import sys; from pathlib import Path\n"
        "from siftset.pipeline.gate.gx.context import open_context\n"
        "context = open_context(Path(sys.argv[1]))\n"
        "(checkpoint,) = context.checkpoints.all()\n"
        "(found,) = checkpoint.run().run_results.values()\n"
        "counted = found.results[0].result\n"
        "print(counted['unexpected_count'], counted['element_count'])"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(result.report.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "5"], done.stderr


def test_the_project_of_a_run_names_no_file_that_is_gone(folder: Path) -> None:
    recipe = write(folder, "suite", expect(NO_URL, "info", **URL))
    long = "a folder with spaces in a name that is longer than a line of YAML " * 2
    text = recipe.read_text(encoding="utf-8").replace("output: out", f"output: {long}")
    recipe.write_text(text.replace("suite: mine", "input_suite: mine.json, suite: mine"), "utf-8")
    result = curate(recipe)
    project = result.report.parent / "gx"
    assert not [p for p in project.rglob("*") if p.is_file() and ".work" in p.read_text("utf-8")]
    config = json.loads((project / "great_expectations.yml").read_text("utf-8"))
    assets = config["fluent_datasources"]["siftset"]["assets"]
    assert {name: asset["type"] for name, asset in assets.items()} == {
        "input": "frame", "set": "parquet",
    }  # fmt: skip
    assert all(Path(path).is_file() for path in assets["set"]["paths"])
    (told,) = project.glob("validations/set-mine/**/*.json")
    assert Path(json.loads(told.read_text("utf-8"))["meta"]["batch_spec"]["path"]).is_file()


def test_no_page_names_a_work_folder_that_is_gone(folder: Path) -> None:
    recipe = write(folder, "suite", expect(NO_URL, "critical", "", **URL))
    with pytest.raises(GateFailed):
        curate(recipe)
    write(folder, "suite", expect(NO_URL, "warning", "", **URL))
    curate(folder / "recipe.yaml", options=CurateOptions(dry_run=True))
    curate(folder / "recipe.yaml")
    left = [p for p in (folder / "out").rglob("*") if p.suffix in (".html", ".yml", ".json")]
    assert len([p for p in left if "data_docs" in p.parts]) >= 3
    work = str((folder / "out" / ".work").resolve())
    assert [p for p in left if work in p.read_text(encoding="utf-8")] == []


OWN = """
import great_expectations as gx

class ExpectLabelToBeKnown(gx.expectations.ExpectColumnValuesToBeInSet):
    column: str = "label"
    value_set: list = ["pro", "con"]
"""


def write_own(folder: Path, code: str | None, named: object = "own.py") -> Path:
    recipe = write(folder, "suite", expect("expect_label_to_be_known"))
    suite = json.loads((folder / "mine.json").read_text())
    (folder / "mine.json").write_text(json.dumps({**suite, "python": named}))
    if code is not None:
        (folder / "own.py").write_text(code)
    return recipe


def test_an_expectation_class_of_the_users_own_judges_the_set(folder: Path) -> None:
    recipe = write_own(folder, OWN)
    with pytest.raises(GateFailed, match=r"expect_label_to_be_known.* 1 of 5 rows"):
        curate(recipe)
    key = check_recipe(recipe).job.key
    write_own(folder, OWN.replace('"con"', '"con", "maybe"'))
    assert check_recipe(recipe).job.key != key
    assert curate(recipe).rows.kept == 5


@pytest.mark.parametrize(
    ("code", "named", "said"),
    [
        (None, "own.py", "python: there is no file"),
        ("raise SystemExit(0)", "own.py", "own.py: cannot be imported: .*it raised SystemExit"),
        ("import nonsense_of_nobody", ["own.py"], "cannot be imported: ModuleNotFoundError"),
        (OWN, 7, "python must be the path of a file"),
    ],
)
def test_expectations_that_cannot_be_imported_are_told_early(folder, code, named, said) -> None:
    with pytest.raises(SuiteError, match=said) as told:
        check_recipe(write_own(folder, code, named))
    assert "\n" not in str(told.value)
