from __future__ import annotations

import pytest

from siftset.pipeline.gate.check_words import describe_expectation, describe_rule


@pytest.mark.parametrize(
    ("kind", "kwargs", "words"),
    [
        ("column_values_to_be_in_set", {"column": "label", "value_set": ["fit", "small"]},
         "label is one of fit, small"),
        ("column_values_to_not_be_null", {"column": "text"}, "text is not null"),
        ("column_values_to_be_between", {"column": "age", "min_value": 1, "max_value": 17_210.5},
         "age is 1 to 17,210"),
        ("column_values_to_be_between", {"column": "age", "min_value": 1, "strict_min": True},
         "age is more than 1"),
        ("column_value_lengths_to_be_between", {"column": "text", "max_value": 20_000},
         "text is at most 20,000 characters long"),
        ("table_row_count_to_be_between", {"min_value": 1}, "the set has at least 1 row"),
        ("column_values_to_match_regex_list",
         {"column": "a", "regex_list": ["x", "y"], "match_on": "all"}, "a matches all of x, y"),
        ("column_values_to_be_valid_ipv4", {"column": "ip", "mostly": 0.9}, "ip is valid ipv4"),
        ("column_values_to_not_be_odd", {"column": "n", "way": "x"}, "n is not odd (way x)"),
    ],
)  # fmt: skip
def test_an_expectation_is_a_sentence(kind: str, kwargs: dict[str, object], words: str) -> None:
    assert describe_expectation(f"expect_{kind}", kwargs) == words


@pytest.mark.parametrize(
    ("column", "rule", "reason", "words"),
    [
        ("text", "not_null", "text: null", "text is not null"),
        ("text", "max_chars", "text: longer than 9 characters",
         "text is not longer than 9 characters"),
        ("label", "one_of", "label: not one of a, b", "label is one of a, b"),
        ("text", "encoding", "text: U+FFFD", "text holds no U+FFFD"),
        ("a", "differs_from", "a: same as b", "a differs from b"),
        ("messages", "last_not_answer", "last_not_answer", "a conversation ends with an answer"),
    ],
)  # fmt: skip
def test_a_rule_is_a_sentence(column: str, rule: str, reason: str, words: str) -> None:
    assert describe_rule(column, rule, reason) == words


def test_every_reason_of_conversations_has_words() -> None:
    from typing import get_args

    from siftset.schemas.recipe.integrity import MessageReason

    said = [describe_rule("messages", name, name) for name in get_args(MessageReason)]
    plain = [f"a conversation {name.replace('_', ' ')}" for name in get_args(MessageReason)]
    assert not set(said) & set(plain)
