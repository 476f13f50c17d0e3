from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.gate import read_suites, run_gate, suite_path
from siftset.schemas.errors import SuiteError

ROOT = Path(__file__).parents[3]
ROWS = {
    "row_id": [f"{i:032x}" for i in range(4)],
    "text": ["good shoes", "bad soles", None, "  "],
    "label": ["a", "b", "a", None],
    "score": [0.1, float("nan"), None, 0.9],
}


def write_suite(folder: Path, *expectations: dict, name: str = "mine") -> Path:
    path = folder / "suites" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"name": name, "expectations": expectations}), encoding="utf-8")
    return path


def expect(kind: str, severity: str = "critical", meta: dict | None = None, **kwargs) -> dict:
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta or {}}


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.parquet" for i in range(2)]
    frame = pl.DataFrame(ROWS)
    frame.head(2).write_parquet(paths[0])
    frame.tail(2).write_parquet(paths[1])
    return paths


@pytest.mark.parametrize(
    ("severity", "verdict"), [("critical", "fail"), ("warning", "warn"), ("info", "pass")]
)
def test_the_worst_severity_is_the_verdict(tmp_path, parts, severity, verdict):
    suite = write_suite(
        tmp_path,
        expect("expect_column_values_to_not_be_null", severity, column="text"),
        expect("expect_column_values_to_not_be_null", column="row_id"),
    )
    result = run_gate(parts, suite=suite, folder=tmp_path / "run")
    assert result.verdict == verdict
    failed = result.checks[0]
    assert (failed.passed, failed.failed, failed.rows) == (False, 1, 4)
    assert failed.examples[0].row_id == ROWS["row_id"][2]
    assert "1 of 4 rows (25.00%)" in result.explain()
    assert result.checks[1].passed


def test_the_denominator_leaves_nulls_out_unless_they_are_asked_for(tmp_path, parts):
    suite = write_suite(
        tmp_path,
        expect("expect_column_value_lengths_to_be_between", column="text", min_value=5),
        expect("expect_column_values_to_not_be_null", column="score", mostly=0.5),
    )
    lengths, nulls = run_gate(parts, suite=suite, folder=tmp_path / "run").checks
    assert (lengths.failed, lengths.rows) == (1, 3)
    assert lengths.threshold == "at least 100% of rows with a value"
    assert (nulls.failed, nulls.rows, nulls.passed) == (2, 4, True)
    assert nulls.threshold == "at least 50% of rows"


def test_a_check_says_what_it_was_asked(tmp_path, parts):
    suite = write_suite(
        tmp_path,
        expect("expect_column_values_to_not_match_regex", column="text", regex="\\ufffd",
               mostly=0.9),
        expect("expect_column_value_lengths_to_be_between", column="text", max_value=9, mostly=0.5),
        expect("expect_column_values_to_be_in_set", column="label", value_set=["a", 1]),
        expect("expect_table_row_count_to_be_between", min_value=1),
        expect("expect_column_values_to_not_be_null", column="text",
               row_condition='col("score") > 1', condition_parser="great_expectations"),
    )  # fmt: skip
    found = run_gate(parts, suite=suite, folder=tmp_path).checks
    assert [(check.arguments, check.threshold) for check in found[:4]] == [
        ("regex: \\ufffd", "at least 90% of rows with a value"),
        ("max_value: 9", "at least 50% of rows with a value"),
        ("value_set: a, 1", "at least 100% of rows with a value"),
        ("", "at least 1"),
    ]
    assert "row_condition" in found[4].arguments


def test_a_frame_is_validated_without_files(tmp_path, parts):
    suite = write_suite(tmp_path, expect("expect_table_row_count_to_equal", value=4))
    frame = pl.DataFrame(ROWS).lazy()
    for _ in range(2):
        result = run_gate(frame, suite=suite, folder=tmp_path / "run")
        assert result.verdict == "pass"
        assert result.checks[0].observed == 4.0


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (expect("expect_column_values_to_not_be_nul", column="text"),
         "mine.json: expectation 1: unknown type 'expect_column_values_to_not_be_nul' "
         "(did you mean 'expect_column_values_to_not_be_null'?)"),
        (expect("expect_column_values_to_not_be_null", column="txt"),
         "mine.json: expectation 1, expect_column_values_to_not_be_null: the data has no column "
         "'txt' (did you mean 'text'?)"),
        (expect("expect_compound_columns_to_be_unique", column_list=["text", "labl"]),
         "mine.json: expectation 1, expect_compound_columns_to_be_unique: the data has no column "
         "'labl' (did you mean 'label'?)"),
        (expect("expect_column_values_to_match_regex", column="text", regexp="a"),
         "mine.json: expectation 1, expect_column_values_to_match_regex: unknown argument "
         "'regexp' (did you mean 'regex'?)"),
        (expect("expect_column_values_to_not_be_null", column="text", mostly=2),
         "mine.json: expectation 1, expect_column_values_to_not_be_null: mostly: "
         "ensure this value is less than or equal to 1.0"),
        (expect("expect_column_values_to_not_be_null", "fatal", column="text"),
         "mine.json: expectation 1: severity 'fatal' is none of critical, warning, info"),
        (expect("expect_column_mean_to_be_between", column="text", min_value=1),
         "expect_column_mean_to_be_between on text: cannot be evaluated: column.mean: "
         "column.mean needs numbers, but 'text' holds String"),
        (expect("expect_column_values_to_match_regex", column="text", regex="("),
         "expect_column_values_to_match_regex on text: cannot be evaluated: "
         "column_values.match_regex.condition: '(' is not a regular expression: "
         "missing ), unterminated subpattern at position 0"),
        (expect("expect_column_values_to_match_like_pattern", column="text", like_pattern="a"),
         None),
        (expect("expect_column_values_to_not_be_null", column="text", condition_parser="pandas",
                row_condition="label.map(hash) > 1"), None),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_suite_that_cannot_be_judged_is_named(tmp_path, parts, expectation, message):
    with pytest.raises(SuiteError) as caught:
        run_gate(parts, suite=write_suite(tmp_path, expectation), folder=tmp_path / "run")
    assert "\n" not in str(caught.value)
    if message is None:
        assert expectation["type"] in str(caught.value)
    else:
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a suite"),
        ('{"name": "../x", "expectations": []}', "name '../x' must be letters"),
        ('{"expectations": [1]}', "expected an object with type and kwargs"),
    ],
)
def test_a_file_that_is_no_suite_is_named(tmp_path, parts, content, message):
    path = tmp_path / "suite.json"
    path.write_text(content)
    with pytest.raises(SuiteError, match=message):
        run_gate(parts, suite=path, folder=tmp_path / "run")


def test_a_missing_suite_is_named(tmp_path, parts):
    with pytest.raises(SuiteError, match=r"nowhere\.json: no such suite"):
        run_gate(parts, suite=tmp_path / "nowhere.json", folder=tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SuiteError, match=r"empty: no suite \(\*\.json\) in this folder"):
        run_gate(parts, suite=tmp_path / "empty", folder=tmp_path / "run")


def test_one_failing_expectation_leaves_the_others_their_values(tmp_path, parts):
    """Great Expectations drops a level in which one metric fails; nothing else may get lost."""
    import siftset.pipeline.gate.gx.context as context

    project = context.open_context(tmp_path)
    batch = project.data_sources.add_polars("p").add_frame_asset("f")
    definition = batch.add_batch_definition_whole("all")
    import great_expectations as gx
    import great_expectations.expectations as gxe

    suite = gx.ExpectationSuite(
        "s",
        expectations=[
            gxe.ExpectColumnMeanToBeBetween(column="text", min_value=0),
            gxe.ExpectColumnSumToBeBetween(column="label", min_value=0),
            gxe.ExpectColumnMaxToBeBetween(column="score", max_value=1),
            gxe.ExpectColumnValuesToNotBeNull(column="text"),
        ],
    )
    validation = gx.ValidationDefinition(name="v", data=definition, suite=project.suites.add(suite))
    results = project.validation_definitions.add(validation).run(
        batch_parameters={"dataframe": pl.DataFrame(ROWS)}
    )
    by_kind = {result.expectation_config.type: result for result in results.results}
    assert not by_kind["expect_column_mean_to_be_between"].result
    assert not by_kind["expect_column_sum_to_be_between"].result
    assert by_kind["expect_column_max_to_be_between"].result["observed_value"] == 0.9
    assert by_kind["expect_column_values_to_not_be_null"].result["unexpected_count"] == 1


def test_the_default_suite_is_laid_beside_the_recipe_once(tmp_path):
    path = suite_path("default", tmp_path)
    assert path == tmp_path / "suites" / "default.json"
    path.write_text("mine")
    assert suite_path("default", tmp_path).read_text() == "mine"
    assert not (suite_path("default", tmp_path / "x", shipped=True)).is_relative_to(tmp_path)
    assert suite_path("own.json", tmp_path) == tmp_path / "own.json"


def test_the_default_suite_passes_a_good_set_and_fails_a_bad_one(tmp_path, parts):
    suite = suite_path("default", tmp_path)
    good = pl.DataFrame(
        {"row_id": [f"{i:032x}" for i in range(9)], "text": [f"shoe {i}" for i in range(9)]}
    )
    assert run_gate(good.lazy(), suite=suite, folder=tmp_path / "good").verdict == "pass"
    result = run_gate(parts, suite=suite, folder=tmp_path / "bad")
    assert result.verdict == "fail"
    assert {(c.name, c.column) for c in result.checks if not c.passed} >= {
        ("expect_column_values_to_not_be_null", "text"),
        ("expect_column_values_to_match_regex", "text"),
    }


def test_a_new_process_reloads_and_reruns_the_checkpoint(tmp_path, parts):
    suite = write_suite(tmp_path, expect("expect_table_row_count_to_equal", value=4))
    run_gate(parts, suite=suite, folder=tmp_path / "run")
    code = (
        "from pathlib import Path\n"
        "from siftset.pipeline.gate.gx.context import open_context\n"
        f"context = open_context(Path({str(tmp_path / 'run')!r}))\n"
        "outcome = context.checkpoints.get('set-mine').run()\n"
        "print('SUCCESS', outcome.success, sorted(context.data_sources.all()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "SUCCESS True ['siftset']" in done.stdout, done.stderr[-2000:]


def test_a_project_of_version_0_1_0_is_run_again(tmp_path, parts):
    from siftset.pipeline.gate.gx.context import open_context

    suite = write_suite(tmp_path, expect("expect_table_row_count_to_equal", value=4))
    run_gate(parts, suite=suite, folder=tmp_path / "run")
    config = tmp_path / "run/gx/great_expectations.yml"
    written = config.read_text("utf-8")
    config.write_text(written.replace("siftset.pipeline.gate.gx.data_docs", "pipeline.gate.pages"))
    assert "pipeline.gate.pages" in config.read_text("utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert open_context(tmp_path / "run").checkpoints.get("set-mine").run().success
    assert config.read_text("utf-8") == written


def test_a_delta_version_is_an_asset(tmp_path):
    from siftset.pipeline.gate.gx.context import open_context

    table = tmp_path / "table"
    pl.DataFrame(ROWS).write_delta(table)
    pl.DataFrame(ROWS).write_delta(table, mode="append")
    project = open_context(tmp_path)
    source = project.data_sources.add_polars("p")
    import great_expectations.expectations as gxe

    for version, rows in ((0, 4), (None, 8)):
        asset = source.add_delta_asset(f"v{version}", table, version)
        batch = asset.add_batch_definition_whole("all").get_batch()
        assert batch.validate(gxe.ExpectTableRowCountToEqual(value=rows)).success


def test_the_gate_is_imported_without_great_expectations():
    code = "import sys, siftset.pipeline.gate; print('great_expectations' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_what_concerns_another_task_only_informs(tmp_path):
    suite = read_suites(suite_path("default", tmp_path))[0]
    one_label = pl.DataFrame(
        {
            "row_id": [f"{i:032x}" for i in range(9)],
            "text": [f"shoe {i}" for i in range(9)],
            "label": ["positive"] * 9,
        }
    ).lazy()
    verdicts = {
        task: run_gate(
            one_label, suite=[suite.adapt_to_task(task)], folder=tmp_path / str(task)
        ).verdict
        for task in ("classification", "mlm", None)
    }
    assert verdicts == {"classification": "warn", "mlm": "pass", None: "pass"}
