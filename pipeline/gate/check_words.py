"""What a rule or an expectation asks, as a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from siftset.pipeline.profile.shares import format_figure

_VALUES: Final = {
    "to_not_be_null": "{column} is not null",
    "to_be_null": "{column} is null",
    "to_be_unique": "{column} is unique",
    "to_be_in_set": "{column} is one of {set}",
    "to_not_be_in_set": "{column} is none of {set}",
    "to_be_between": "{column} is {range}",
    "to_match_regex": "{column} matches {regex}",
    "to_not_match_regex": "{column} does not match {regex}",
    "to_match_regex_list": "{column} matches {any} of {regex_list}",
    "to_not_match_regex_list": "{column} matches none of {regex_list}",
    "to_match_like_pattern": "{column} is like {like_pattern}",
    "to_not_match_like_pattern": "{column} is not like {like_pattern}",
    "to_be_of_type": "{column} is of type {type_}",
    "to_be_in_type_list": "{column} is of one of the types {type_list}",
    "to_be_increasing": "{column} increases from row to row",
    "to_be_decreasing": "{column} decreases from row to row",
    "to_be_dateutil_parseable": "{column} is a date",
    "to_be_json_parseable": "{column} is JSON",
}
_WORDS: Final = {
    **{f"expect_column_values_{name}": said for name, said in _VALUES.items()},
    "expect_column_value_lengths_to_be_between": "{column} is {range} characters long",
    "expect_column_value_lengths_to_equal": "{column} is {value} characters long",
    "expect_column_value_z_scores_to_be_less_than": "{column} has z-scores below {threshold}",
    "expect_column_to_exist": "there is a column {column}",
    "expect_column_mean_to_be_between": "the mean of {column} is {range}",
    "expect_column_median_to_be_between": "the median of {column} is {range}",
    "expect_column_min_to_be_between": "the minimum of {column} is {range}",
    "expect_column_max_to_be_between": "the maximum of {column} is {range}",
    "expect_column_sum_to_be_between": "the sum of {column} is {range}",
    "expect_column_stdev_to_be_between": "the standard deviation of {column} is {range}",
    "expect_column_unique_value_count_to_be_between": "{column} has {range} distinct values",
    "expect_column_proportion_of_unique_values_to_be_between": (
        "the share of distinct values in {column} is {range}"
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": (
        "the share of {column} that is not null is {range}"
    ),
    "expect_column_distinct_values_to_be_in_set": "every value of {column} is one of {set}",
    "expect_column_distinct_values_to_contain_set": "{column} holds each of {set}",
    "expect_column_distinct_values_to_equal_set": "{column} holds {set}, each of them",
    "expect_column_most_common_value_to_be_in_set": "the commonest {column} is one of {set}",
    "expect_column_kl_divergence_to_be_less_than": (
        "{column} is distributed as expected (Kullback-Leibler divergence below {threshold})"
    ),
    "expect_column_pair_values_to_be_equal": "{column_A} equals {column_B}",
    "expect_column_pair_values_a_to_be_greater_than_b": "{column_A} is greater than {column_B}",
    "expect_compound_columns_to_be_unique": "{columns} together are unique",
    "expect_select_column_values_to_be_unique_within_record": "{columns} differ within a row",
    "expect_multicolumn_sum_to_equal": "{columns} add up to {sum_total}",
    "expect_table_row_count_to_be_between": "the set has {range} rows",
    "expect_table_row_count_to_equal": "the set has {value} rows",
    "expect_table_column_count_to_be_between": "the set has {range} columns",
    "expect_table_column_count_to_equal": "the set has {value} columns",
}
_ONE_OF_MANY: Final = re.compile(r"(?<![\d.,])1 (row|column|character|distinct value)s\b")
_OPPOSITES: Final = (
    ("not one of ", "is one of "),
    ("longer than ", "is not longer than "),
    ("shorter than ", "is not shorter than "),
    ("no match of ", "matches "),
    ("below ", "is not below "),
    ("above ", "is not above "),
    ("same as ", "differs from "),
)
_MESSAGES: Final = {
    "no_turns": "has turns",
    "unknown_role": "has roles that are known",
    "blank_turn": "has no blank turn",
    "not_alternating": "alternates between user and assistant",
    "not_text": "holds text only",
    "control_token": "holds no token of a chat template",
    "bad_weight": "has weights of 0 or 1",
    "last_not_answer": "ends with an answer",
    "tool_call_unmatched": "answers every tool call",
    "first_not_user": "begins as it has to",
    "min_turns": "has turns enough",
    "max_turns": "has not too many turns",
    "max_chars": "is not too long",
}
_MOST_VALUES: Final = 12


def describe_expectation(kind: str, kwargs: Mapping[str, Any]) -> str:
    """Return what an expectation asks: `label is one of fit, small`.

    One that is not known here is told by its name: `column is a valid ipv4 address`.
    """
    told = {key: _show(value) for key, value in kwargs.items()}
    column = told.get("column", "")
    listed = told.get("column_list") or told.get("column_set", "")
    any_of = "all" if kwargs.get("match_on") == "all" else "one"
    known = {**told, "columns": listed, "set": told.get("value_set", ""), "any": any_of}
    pattern = _WORDS.get(kind)
    if pattern is not None:
        try:
            said = pattern.format_map({**known, "range": _show_range(kwargs)})
            return _ONE_OF_MANY.sub(r"1 \1", said)
        except KeyError:
            pass  # an argument that this kind may go without
    name = kind.removeprefix("expect_").removeprefix("column_values_").removeprefix("column_")
    said = name.removeprefix("to_").replace("_", " ").replace("not be ", "is not ", 1)
    said = f"is {said[3:]}" if said.startswith("be ") else said
    rest = {k: v for k, v in told.items() if k not in ("column", "mostly", "column_list")}
    asked = ", ".join(f"{key} {value}" for key, value in rest.items() if value)
    return f"{column or listed} {said}".strip() + (f" ({asked})" if asked else "")


def describe_rule(column: str, rule: str, reason: str) -> str:
    """Return what a row rule asks, from its reason to set a row aside: `text: longer than 9`."""
    if reason == rule:
        return f"a conversation {_MESSAGES.get(rule, rule.replace('_', ' '))}"
    problem = reason.removeprefix(f"{column}: ")
    for begins, opposite in _OPPOSITES:
        if problem.startswith(begins):
            return f"{column} {opposite}{problem.removeprefix(begins)}"
    holds = {"U+FFFD": "holds no U+FFFD", "control character": "holds no control character"}
    return f"{column} {holds.get(problem, f'is not {problem}')}"


def _show(value: object) -> str:
    if isinstance(value, list | tuple | set):
        shown = [_show(one) for one in list(value)[:_MOST_VALUES]]
        more = len(value) - len(shown)
        return ", ".join(shown) + (f" and {more:,} more" if more else "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_figure(value)
    return "" if value is None else str(value)


def _show_range(kwargs: Mapping[str, Any]) -> str:
    """Return the range between two limits, each of which may be absent or excluded."""
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    strict_low, strict_high = kwargs.get("strict_min"), kwargs.get("strict_max")
    if low is not None and low == high:
        return f"exactly {_show(low)}"
    if low is not None and high is not None and not (strict_low or strict_high):
        return f"{_show(low)} to {_show(high)}"
    said = [] if low is None else [f"{'more than' if strict_low else 'at least'} {_show(low)}"]
    if high is not None:
        said.append(f"{'less than' if strict_high else 'at most'} {_show(high)}")
    return " and ".join(said) or "any number of"
