from __future__ import annotations

import json
import tempfile
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.gate import SuiteRules, read_quarantine, read_suites, run_gate, suite_reasons
from siftset.pipeline.gate.gx.conditions import DUPLICATES, ORDERED, STATISTICAL, TRANSLATED
from siftset.pipeline.gate.quarantine import _METRICS
from siftset.schemas.errors import SourceError, SuiteError


def suite_of(folder: Path, *expectations: dict):
    path = folder / "mine.json"
    path.write_text(json.dumps({"name": "mine", "expectations": expectations}), encoding="utf-8")
    return read_suites(path)[0]


def expect(kind: str, severity: str = "warning", meta: dict | None = None, **kwargs) -> dict:
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": meta or {}}


ROW_WISE = [
    expect("expect_column_values_to_not_be_null", column="text", mostly=0.5),
    expect("expect_column_values_to_not_be_null", column="amount"),
    expect("expect_column_value_lengths_to_be_between", column="text", max_value=40),
    expect("expect_column_values_to_match_regex", column="text", regex="[a-z]$"),
    expect("expect_column_values_to_match_regex", column="text", regex="(?<=shoe) run"),
    expect("expect_column_values_to_be_in_set", column="label", value_set=["positive"]),
    expect("expect_column_values_to_be_between", column="amount", min_value=5),
    expect("expect_column_values_to_match_strftime_format", column="day",
           strftime_format="%Y-%m-%d"),
    expect("expect_column_pair_values_to_be_equal", column_A="stars", column_B="other"),
    expect("expect_multicolumn_sum_to_equal", column_list=["stars", "other"], sum_total=6),
    expect("expect_column_values_to_be_in_set", column="stars", value_set=[5], row_condition={
        "type": "comparison", "column": {"name": "label"}, "operator": "==",
        "parameter": "positive"}),
]  # fmt: skip


def test_quarantined_rows_are_the_counted_ones(tmp_path, frame):
    suite = suite_of(tmp_path, *ROW_WISE)
    counted = run_gate(frame.lazy(), suite=suite.path, folder=tmp_path / "run").checks
    rules = SuiteRules(suite, frame.schema).counts(frame)
    assert rules["rows"].to_list() == [check.failed for check in counted]
    reasons = frame.select(suite_reasons(suite, frame.schema, "warn").alias("r"))["r"]
    assert reasons.list.len().sum() == sum(check.failed or 0 for check in counted)


def test_every_row_wise_condition_can_quarantine():
    assert set(_METRICS.values()) == TRANSLATED - {*DUPLICATES, *ORDERED, *STATISTICAL}


def test_actions_come_from_severity_unless_written(tmp_path):
    schema = pl.Schema({"text": pl.String})
    suite = suite_of(
        tmp_path,
        *(expect("expect_column_values_to_not_be_null", s, column="text")
          for s in ("critical", "warning", "info")),
        *(expect("expect_column_values_to_not_be_null", "critical", {"action": action},
                 column="text") for action in ("warn", "quarantine")),
        expect("expect_column_values_to_be_unique", "critical", column="text"),
    )  # fmt: skip
    actions = [rule.action for rule in SuiteRules(suite, schema).rules]
    assert actions == ["block", "warn", "warn", "warn", "quarantine"]
    frame = pl.DataFrame({"text": ["a", None]})
    assert frame.select(suite_reasons(suite, schema).alias("r"))["r"].to_list() == [
        [],
        ["text: column_values_to_not_be_null"],
    ]


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (expect("expect_column_values_to_be_unique", meta={"action": "quarantine"}, column="text"),
         "it does not judge single rows"),
        (expect("expect_column_values_to_not_be_null", meta={"action": "drop"}, column="text"),
         "action 'drop' is none of quarantine, warn, block"),
        (expect("expect_column_values_to_not_be_null", column="txt"), "did you mean 'text'"),
        (expect("expect_column_values_to_be_nul", meta={"action": "quarantine"}, column="text"),
         "did you mean 'expect_column_values_to_be_null'"),
        (expect("expect_column_values_to_match_regex", meta={"action": "block"}, column="text"),
         "it needs the argument 'regex'"),
    ],
)  # fmt: skip
def test_what_cannot_quarantine_says_so(tmp_path, expectation, message):
    with pytest.raises(SuiteError, match=message):
        SuiteRules(suite_of(tmp_path, expectation), pl.Schema({"text": pl.String}))


def test_quarantined_rows_come_back_as_they_were(tmp_path):
    original = pl.DataFrame({"text": ["a", None], "stars": [1, 2]})
    path = tmp_path / "q.parquet"
    original.with_columns(_reasons=pl.lit(["text: null"])).write_parquet(path)
    assert read_quarantine([path], original.schema).collect().equals(original)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"stars": [1]}, "the files lack the column 'text'"),
        ({"text": [1], "stars": [1]}, "'text' holds Int64, but the source has String"),
    ],
)
def test_mended_files_that_do_not_fit_are_named(tmp_path, found, message):
    path = tmp_path / "q.parquet"
    pl.DataFrame(found).write_parquet(path)
    with pytest.raises(SourceError, match=message):
        read_quarantine([path], pl.Schema({"text": pl.String, "stars": pl.Int64}))


def test_a_missing_quarantine_is_named():
    with tempfile.TemporaryDirectory() as folder, pytest.raises(SourceError, match="quarantine"):
        read_quarantine([Path(folder) / "none.parquet"], pl.Schema({"text": pl.String}))
