# ruff: noqa: E501  one case a line
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest

LISTED = (
    "expect_column_values_to_be_unique",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_not_be_outliers",
    "expect_column_pair_values_to_be_in_set",
    "expect_compound_columns_to_be_unique",
)
"""Expectations whose every unexpected row is listed and compared, not only counted."""
FORMAT = {
    "result_format": "SUMMARY",
    "partial_unexpected_count": 20,
    "unexpected_index_column_names": ["row_id"],
}
SAME = (
    "element_count",
    "unexpected_count",
    "missing_count",
    "unexpected_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
    "observed_value",
)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
LABELS = ["positive", "negative"]
PARTITION = {"bins": [0.0, 5.0, 10.0, 15.0, 30.0], "weights": [0.05, 0.45, 0.45, 0.05]}
CATEGORIES = {"values": ["positive", "negative", "neutral"], "weights": [0.5, 0.3, 0.2]}
HIGH = {"type": "comparison", "column": {"name": "stars"}, "operator": ">", "parameter": 3}
NULL = {"type": "nullity", "column": {"name": "amount"}, "is_null": True}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_distinct_values_to_be_in_set", {"column": "label", "value_set": LABELS}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "stars", "value_set": [1, 2, 3, 4, 5]}),
    ("expect_column_distinct_values_to_contain_set", {"column": "label", "value_set": ["positive", "x"]}),
    ("expect_column_distinct_values_to_contain_set", {"column": "stars", "value_set": [1, 5]}),
    ("expect_column_distinct_values_to_equal_set", {"column": "label", "value_set": ["positive", "x"]}),
    ("expect_column_kl_divergence_to_be_less_than", {"column": "label", "partition_object": CATEGORIES, "threshold": 0.1}),
    ("expect_column_kl_divergence_to_be_less_than", {"column": "amount", "partition_object": PARTITION, "threshold": 0.01, "tail_weight_holdout": 0.01, "internal_weight_holdout": 0.01}),
    ("expect_column_max_to_be_between", {"column": "amount", "max_value": 15}),
    ("expect_column_max_to_be_between", {"column": "stars", "min_value": 5, "max_value": 5}),
    ("expect_column_mean_to_be_between", {"column": "amount", "min_value": 9, "max_value": 11}),
    ("expect_column_median_to_be_between", {"column": "amount", "min_value": 9, "max_value": 11}),
    ("expect_column_min_to_be_between", {"column": "amount", "min_value": 0}),
    ("expect_column_most_common_value_to_be_in_set", {"column": "label", "value_set": ["positive"]}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "stars", "column_B": "other"}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "stars", "column_B": "amount", "or_equal": True, "mostly": 0.5, "ignore_row_if": "either_value_is_missing"}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "stars", "column_B": "other", "mostly": 0.1}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "label", "column_B": "text", "ignore_row_if": "neither"}),
    ("expect_column_pair_values_to_be_in_set", {"column_A": "stars", "column_B": "other", "value_pairs_set": [[1, 1], [2, 3]]}),
    ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "amount", "min_value": 0.5}),
    ("expect_column_proportion_of_unique_values_to_be_between", {"column": "label", "max_value": 0.1}),
    ("expect_column_quantile_values_to_be_between", {"column": "amount", "quantile_ranges": {"quantiles": [0, 0.25, 0.5, 0.9, 1], "value_ranges": [[None, None]] * 5}}),
    ("expect_column_quantile_values_to_be_between", {"column": "stars", "quantile_ranges": {"quantiles": [0.1, 0.5], "value_ranges": [[1, 2], [2, 4]]}, "allow_relative_error": "linear"}),
    ("expect_column_stdev_to_be_between", {"column": "amount", "max_value": 3.5}),
    ("expect_column_sum_to_be_between", {"column": "stars", "min_value": 10}),
    ("expect_column_to_exist", {"column": "text"}),
    ("expect_column_to_exist", {"column": "none"}),
    ("expect_column_type_to_be", {"column": "stars", "type_": "int64"}),
    ("expect_column_type_to_be", {"column": "text", "type_": "str"}),
    ("expect_column_unique_value_count_to_be_between", {"column": "label", "max_value": 2}),
    ("expect_column_value_lengths_to_be_between", {"column": "text", "min_value": 1, "max_value": 40}),
    ("expect_column_value_lengths_to_be_between", {"column": "text", "max_value": 40, "strict_max": True}),
    ("expect_column_value_lengths_to_be_between", {"column": "stars", "min_value": 1, "strict_min": True}),
    ("expect_column_value_lengths_to_equal", {"column": "label", "value": 8, "mostly": 0.5}),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 4, "max_value": 16}),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 4, "strict_min": True}),
    ("expect_column_values_to_be_between", {"column": "when", "max_value": "2024-06-01T00:00:00"}),
    ("expect_column_values_to_be_dateutil_parseable", {"column": "day"}),
    ("expect_column_values_to_be_decreasing", {"column": "rising"}),
    ("expect_column_values_to_be_increasing", {"column": "rising"}),
    ("expect_column_values_to_be_increasing", {"column": "rising", "strictly": True}),
    ("expect_column_values_to_be_increasing", {"column": "amount"}),
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": LABELS}),
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": ["positive", 1, None]}),
    ("expect_column_values_to_be_in_set", {"column": "stars", "value_set": [1, 2.0, 2.5, 9]}),
    ("expect_column_values_to_be_in_type_list", {"column": "stars", "type_list": ["int64", "float"]}),
    ("expect_column_values_to_be_in_type_list", {"column": "text", "type_list": ["str"]}),
    ("expect_column_values_to_be_json_parseable", {"column": "broken"}),
    ("expect_column_values_to_be_null", {"column": "label"}),
    ("expect_column_values_to_be_of_type", {"column": "text", "type_": "str"}),
    ("expect_column_values_to_be_of_type", {"column": "stars", "type_": "float64"}),
    ("expect_column_values_to_be_unique", {"column": "row_id"}),
    ("expect_column_values_to_be_unique", {"column": "text"}),
    ("expect_column_values_to_be_unique", {"column": "amount"}),
    ("expect_column_values_to_match_json_schema", {"column": "json", "json_schema": SCHEMA, "row_condition": {**HIGH, "operator": "==", "parameter": 5}}),
    ("expect_column_values_to_match_regex", {"column": "text", "regex": r"^\w+ \w+"}),
    ("expect_column_values_to_match_regex", {"column": "text", "regex": r"[a-zéï]$"}),
    ("expect_column_values_to_match_regex", {"column": "text", "regex": r"(?<=shoe) run"}),
    ("expect_column_values_to_match_regex", {"column": "text", "regex": r"[[]x"}),
    ("expect_column_values_to_match_regex", {"column": "stars", "regex": "^[12]$"}),
    ("expect_column_values_to_match_regex_list", {"column": "text", "regex_list": ["shoe", "lace"]}),
    ("expect_column_values_to_match_regex_list", {"column": "text", "regex_list": ["shoe", "lace"], "match_on": "all"}),
    ("expect_column_values_to_match_strftime_format", {"column": "day", "strftime_format": "%Y-%m-%d"}),
    ("expect_column_values_to_not_be_in_set", {"column": "label", "value_set": ["neutral"], "mostly": 0.5}),
    ("expect_column_values_to_not_be_in_set", {"column": "when", "value_set": ["2024-02-01 10:00:00"]}),
    ("expect_column_values_to_not_be_null", {"column": "text"}),
    ("expect_column_values_to_not_be_null", {"column": "amount", "mostly": 0.8}),
    ("expect_column_values_to_not_be_outliers", {"column": "amount", "method": "iqr"}),
    ("expect_column_values_to_not_be_outliers", {"column": "amount", "method": "std", "multiplier": 2.0}),
    ("expect_column_values_to_not_match_regex", {"column": "text", "regex": r"[\x00-\x08]"}),
    ("expect_column_values_to_not_match_regex_list", {"column": "text", "regex_list": [r"\$", "stiff"]}),
    ("expect_column_value_z_scores_to_be_less_than", {"column": "amount", "threshold": 2, "double_sided": True}),
    ("expect_column_value_z_scores_to_be_less_than", {"column": "stars", "threshold": 1, "double_sided": False}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["stars", "other"]}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["text", "label"]}),
    ("expect_multicolumn_sum_to_equal", {"column_list": ["stars", "other", "third"], "sum_total": 9}),
    ("expect_multicolumn_sum_to_equal", {"column_list": ["stars", "amount"], "sum_total": 9, "ignore_row_if": "never"}),
    ("expect_multicolumn_values_to_be_equal", {"column_list": ["stars", "other", "third"]}),
    ("expect_multicolumn_values_to_be_equal", {"column_list": ["text", "label"], "ignore_row_if": "never"}),
    ("expect_select_column_values_to_be_unique_within_record", {"column_list": ["stars", "other", "third"]}),
    ("expect_table_column_count_to_be_between", {"min_value": 3, "max_value": 5}),
    ("expect_table_column_count_to_equal", {"value": 13}),
    ("expect_table_columns_to_match_ordered_list", {"column_list": ["row_id", "text"]}),
    ("expect_table_columns_to_match_set", {"column_set": ["row_id", "text"], "exact_match": False}),
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
    ("expect_table_row_count_to_equal", {"value": 20_000}),
    ("expect_column_values_to_not_be_null", {"column": "label", "row_condition": HIGH}),
    ("expect_column_values_to_be_unique", {"column": "text", "row_condition": HIGH}),
    ("expect_column_values_to_be_increasing", {"column": "rising", "row_condition": HIGH}),
    ("expect_column_mean_to_be_between", {"column": "stars", "row_condition": NULL, "min_value": 4}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "stars", "column_B": "other", "row_condition": HIGH}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["stars", "other", "text"], "row_condition": HIGH}),
    ("expect_column_values_to_not_be_null", {"column": "label", "row_condition": {"type": "and", "conditions": [HIGH, NULL]}}),
    ("expect_column_values_to_not_be_null", {"column": "label", "row_condition": {"type": "or", "conditions": [HIGH, NULL]}}),
    ("expect_column_values_to_not_be_null", {"column": "amount", "row_condition": {**HIGH, "column": {"name": "label"}, "operator": "NOT_IN", "parameter": ["neutral"]}}),
    ("expect_column_values_to_not_be_null", {"column": "amount", "row_condition": {**HIGH, "column": {"name": "label"}, "operator": "!=", "parameter": "neutral"}}),
    ("expect_column_values_to_not_be_null", {"column": "label", "row_condition": 'col("stars") > 3', "condition_parser": "great_expectations"}),
    ("expect_column_values_to_not_be_null", {"column": "label", "row_condition": 'col("amount").notnull()', "condition_parser": "great_expectations__experimental__"}),
    ("expect_column_values_to_not_be_null", {"column": "label", "row_condition": 'stars > 3 and text == "shoe"', "condition_parser": "pandas"}),
    ("expect_column_values_to_not_be_null", {"column": "amount", "row_condition": '~(label in ["neutral"]) | amount.isnull()', "condition_parser": "pandas"}),
]  # fmt: skip

ONLY_ELSEWHERE = [
    ("expect_column_values_to_match_like_pattern", {"column": "text", "like_pattern": "a%"}),
    ("expect_column_values_to_match_like_pattern_list", {"column": "text", "like_pattern_list": ["a%"]}),
    ("expect_column_values_to_not_match_like_pattern", {"column": "text", "like_pattern": "a%"}),
    ("expect_column_values_to_not_match_like_pattern_list", {"column": "text", "like_pattern_list": ["a%"]}),
    ("expect_table_row_count_to_equal_other_table", {"other_table_name": "other"}),
    ("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT * FROM {batch}"}),
]  # fmt: skip

Validate = Callable[[str, Mapping[str, Any]], Any]


@pytest.fixture(
    scope="module",
    params=[2_000, pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.full])],
)
def engines(frame: pl.DataFrame, request: pytest.FixtureRequest) -> tuple[Validate, Validate]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    import siftset.pipeline.gate.gx.datasource  # noqa: F401  registers the datasource

    frame = frame.head(request.param)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    ours = context.data_sources.add_polars("polars").add_frame_asset("frame")
    theirs = context.data_sources.add_pandas("pandas").add_dataframe_asset("frame")
    batches = [
        ours.add_batch_definition_whole("all").get_batch({"dataframe": frame}),
        theirs.add_batch_definition_whole_dataframe("all").get_batch(
            {"dataframe": frame.to_pandas()}
        ),
    ]

    def on(batch: Any) -> Validate:
        def validate(kind: str, kwargs: Mapping[str, Any]) -> Any:
            from great_expectations.expectations.registry import get_expectation_impl

            complete = {"result_format": "COMPLETE"} if kind in LISTED else {}
            expectation = get_expectation_impl(kind)(**kwargs)
            return batch.validate(expectation, result_format={**FORMAT, **complete})

        return validate

    return on(batches[0]), on(batches[1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "kwargs"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_counts_are_those_of_pandas(engines, kind, kwargs):
    ours, theirs = (validate(kind, kwargs) for validate in engines)
    assert not _raised(theirs), _raised(theirs)
    assert not _raised(ours), _raised(ours)
    assert ours.success == theirs.success
    for key in SAME:
        assert _close(ours.result.get(key), theirs.result.get(key)), key
    _same_examples(ours.result, theirs.result)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "kwargs"), ONLY_ELSEWHERE)
def test_what_has_no_translation_says_so(engines, kind, kwargs):
    ours, theirs = (validate(kind, kwargs) for validate in engines)
    assert _raised(theirs)
    assert not ours.success
    assert _raised(ours)


def test_every_expectation_is_covered():
    import great_expectations.expectations as gxe
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    named = {kind for kind, _ in CASES + ONLY_ELSEWHERE}
    public = {name for name in dir(gxe) if name.startswith(("Expect", "Unexpected"))}
    registered = list_registered_expectation_implementations()
    from great_expectations.expectations.registry import get_expectation_impl

    missing = {k for k in registered if get_expectation_impl(k).__name__ in public} - named
    # It compares two queries, and pandas has none.
    assert missing == {
        "expect_query_results_to_match_comparison",
    }


def _raised(result: Any) -> str:
    info = result.exception_info or {}
    if "raised_exception" in info:
        return info["exception_message"] or "raised" if info["raised_exception"] else ""
    return "; ".join(str(each.get("exception_message")) for each in info.values())


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_close(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_close, a, b))
    return a == b


def _same_examples(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Compare the ids of unexpected rows, all of which COMPLETE lists."""
    if "unexpected_index_list" in theirs:
        mine, other = (
            sorted(row["row_id"] for row in result["unexpected_index_list"] or ())
            for result in (ours, theirs)
        )
        assert mine == other
