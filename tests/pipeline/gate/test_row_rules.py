from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.pipeline.gate.row_rules import RowRuleSet
from siftset.schemas.errors import RecipeError
from siftset.schemas.recipe.integrity import RowRules

SCHEMA = pl.Schema({"text": pl.String, "label": pl.Int64, "score": pl.Float64})


def reasons_of(rules: RowRules, values: list[object], dtype: pl.DataType | None = None):
    frame = pl.DataFrame({"text": pl.Series(values, dtype=dtype or pl.String)})
    rule_set = RowRuleSet({"text": rules}, frame.schema)
    rule_set.check()
    return frame.select(rule_set.reasons().alias("r"))["r"].to_list()


@pytest.mark.parametrize(
    ("rules", "value", "expected"),
    [
        ({"not_null": True}, None, ["text: null"]),
        ({"not_null": True}, "", []),
        ({"not_blank": True}, None, []),
        ({"not_blank": True}, "", ["text: blank"]),
        ({"not_blank": True}, " \t\u00a0\u2003\n", ["text: blank"]),
        ({"not_blank": True}, " a ", []),
        ({"min_chars": 3}, "äö", ["text: shorter than 3 characters"]),
        ({"min_chars": 3}, "äöü", []),
        ({"max_chars": 2}, "äöü", ["text: longer than 2 characters"]),
        ({"max_chars": 3}, "äöü", []),
        ({"encoding": True}, "a\ufffdb", ["text: U+FFFD"]),
        ({"encoding": True}, "a\x00b", ["text: control character"]),
        ({"encoding": True}, "a\x85b", ["text: control character"]),
        ({"encoding": True}, "a\tb\r\n", []),
        ({"encoding": True}, "\ufffd\x07", ["text: U+FFFD", "text: control character"]),
        ({"matches": r"^\d+$"}, "12a", ["text: no match of ^\\d+$"]),
        ({"matches": r"^\d+$"}, "12", []),
        ({"one_of": ("a", "b")}, "c", ["text: not one of a, b"]),
        ({"one_of": ("a", "b")}, None, []),
        ({"not_blank": True, "min_chars": 2}, "",
         ["text: blank", "text: shorter than 2 characters"]),
    ],
)  # fmt: skip
def test_each_rule_gives_its_reason(rules, value, expected):
    assert reasons_of(RowRules(**rules), [value]) == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, []),
        (-1.0, ["text: below 0"]),
        (2.0, ["text: above 1"]),
        (float("nan"), ["text: below 0", "text: above 1"]),
        (None, []),
    ],
)
def test_bounds_reject_what_is_not_a_number(value, expected):
    assert reasons_of(RowRules(min=0, max=1), [value], pl.Float64()) == [expected]


def test_one_of_compares_numbers_by_their_text():
    assert reasons_of(RowRules(one_of=("1", "5")), [1, 3], pl.Int64()) == [
        [],
        ["text: not one of 1, 5"],
    ]


def test_rules_work_on_categories():
    assert reasons_of(RowRules(max_chars=1), ["a", "bb"], pl.Categorical()) == [
        [],
        ["text: longer than 1 character"],
    ]


@given(st.lists(st.one_of(st.none(), st.text(max_size=8)), max_size=20))
def test_failing_and_reasons_and_counts_agree(values):
    frame = pl.DataFrame({"text": pl.Series(values, dtype=pl.String)})
    rules = RowRules(not_null=True, not_blank=True, min_chars=2, max_chars=5, encoding=True)
    rule_set = RowRuleSet({"text": rules}, frame.schema)
    out = frame.select(rule_set.reasons().alias("reasons"), rule_set.failing().alias("failing"))
    assert (out["reasons"].list.len() > 0).to_list() == out["failing"].to_list()
    assert out["reasons"].list.len().sum() == rule_set.counts(frame)["rows"].sum()


@given(st.characters(exclude_categories=["Cs"]))
def test_control_characters_are_those_of_unicode(character):
    expected = unicodedata.category(character) == "Cc" and character not in "\t\n\r"
    found = reasons_of(RowRules(encoding=True), [f"a{character}b"])[0]
    assert ("text: control character" in found) == expected


def test_actions_select_rules():
    rules = RowRules(not_null=True, max_chars=2, min_chars=1, actions={"max_chars": "warn"})
    frame = pl.DataFrame({"text": [None, "abc", ""]})
    rule_set = RowRuleSet({"text": rules}, frame.schema)
    by_action = {
        action: frame.select(rule_set.failing(action))["text"].to_list()
        for action in ("quarantine", "warn")
    }
    assert by_action == {"quarantine": [True, False, True], "warn": [False, True, False]}
    assert frame.with_columns(rule_set.reasons("block").alias("r"))["r"].to_list() == [[]] * 3
    counts = rule_set.counts(frame)
    assert counts.columns == ["column", "rule", "action", "reason", "rows"]
    assert counts["rows"].to_list() == [1, 1, 1]


def test_no_rules_find_nothing():
    rule_set = RowRuleSet({}, SCHEMA)
    rule_set.check()
    frame = pl.DataFrame({"text": ["a", None]})
    out = frame.with_columns(rule_set.reasons().alias("r"), rule_set.failing().alias("f"))
    assert out["r"].to_list() == [[], []]
    assert out["f"].to_list() == [False, False]
    assert rule_set.counts(frame).is_empty()
    assert rule_set.columns == ()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"txt": RowRules(not_null=True)},
         "integrity.rows.txt: the data has no such column (did you mean 'text'?)"),
        ({"zzz": RowRules(not_null=True)},
         "integrity.rows.zzz: the data has no such column (columns are text, label, score)"),
        ({"label": RowRules(max_chars=3)},
         "integrity.rows.label.max_chars: needs text, but 'label' holds Int64: "
         "remove the rule or map another column"),
        ({"text": RowRules(min=0)},
         "integrity.rows.text.min: needs numbers, but 'text' holds String: "
         "remove the rule or map another column"),
        ({"text": RowRules(min_chars=5, max_chars=2)},
         "integrity.rows.text: min_chars 5 is above max_chars 2: swap them"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(rules, message):
    with pytest.raises(RecipeError) as caught:
        RowRuleSet(rules, SCHEMA).check()
    assert str(caught.value) == message


def test_a_bad_pattern_is_one_line():
    with pytest.raises(RecipeError) as caught:
        RowRuleSet({"text": RowRules(matches="(")}, SCHEMA).check()
    message = str(caught.value)
    assert message.startswith("integrity.rows.text.matches: not a regular expression: ")
    assert "\n" not in message
