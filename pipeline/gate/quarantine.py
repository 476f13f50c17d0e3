"""Rows that a suite sets aside, by the same conditions that the engine counts with."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from siftset.pipeline.gate.gx.conditions import (
    DUPLICATES,
    ORDERED,
    STATISTICAL,
    TRANSLATED,
    translate_condition,
)
from siftset.pipeline.gate.row_rules import RowRule, Rules
from siftset.pipeline.gate.suites import ACTIONS, Expectation, Suite
from siftset.pipeline.storage.delta_types import delta_type
from siftset.schemas.errors import SourceError, SuiteError
from siftset.schemas.recipe.integrity import Action
from siftset.schemas.results.metrics import Severity

_BY_SEVERITY: Final[dict[Severity, Action]] = {
    "critical": "block",
    "warning": "warn",
    "info": "warn",
}

_METRICS: Final = {
    "expect_column_values_to_not_be_null": "column_values.nonnull",
    "expect_column_values_to_be_null": "column_values.null",
    "expect_column_values_to_be_in_set": "column_values.in_set",
    "expect_column_values_to_not_be_in_set": "column_values.not_in_set",
    "expect_column_values_to_match_regex": "column_values.match_regex",
    "expect_column_values_to_not_match_regex": "column_values.not_match_regex",
    "expect_column_values_to_match_regex_list": "column_values.match_regex_list",
    "expect_column_values_to_not_match_regex_list": "column_values.not_match_regex_list",
    "expect_column_value_lengths_to_be_between": "column_values.value_length.between",
    "expect_column_value_lengths_to_equal": "column_values.value_length.equals",
    "expect_column_values_to_be_between": "column_values.between",
    "expect_column_values_to_be_dateutil_parseable": "column_values.dateutil_parseable",
    "expect_column_values_to_be_json_parseable": "column_values.json_parseable",
    "expect_column_values_to_match_strftime_format": "column_values.match_strftime_format",
    "expect_column_values_to_match_json_schema": "column_values.match_json_schema",
    "expect_column_pair_values_to_be_equal": "column_pair_values.equal",
    "expect_column_pair_values_a_to_be_greater_than_b": "column_pair_values.a_greater_than_b",
    "expect_column_pair_values_to_be_in_set": "column_pair_values.in_set",
    "expect_multicolumn_sum_to_equal": "multicolumn_sum.equal",
    "expect_multicolumn_values_to_be_equal": "multicolumn_values.equal",
    "expect_select_column_values_to_be_unique_within_record": (
        "select_column_values.unique.within_record"
    ),
}
"""Expectations that judge a row by itself, with the condition that does so."""

assert set(_METRICS.values()) == TRANSLATED - {*DUPLICATES, *ORDERED, *STATISTICAL}

_DOMAIN: Final = ("column", "column_A", "column_B", "column_list", "row_condition", "ignore_row_if")
_IGNORED: Final = {
    "column_A": "both_values_are_missing",
    "column_list": "all_values_are_missing",
}
"""What Great Expectations leaves out of pairs and of several columns unless told otherwise."""


class SuiteRules(Rules):
    """The expectations of a suite that judge a row by itself.

    What happens is `action` in an expectation's meta: quarantine sets every unexpected row aside,
    whatever `mostly` allows; warn and block leave rows alone and judge the whole. Without it a
    critical expectation blocks and any other warns.
    """

    def __init__(self, suite: Suite, schema: pl.Schema) -> None:
        self._rules = tuple(
            rule
            for each in suite.fit_columns(schema)
            if (rule := _make_rule(suite, each, schema)) is not None
        )

    @property
    def rules(self) -> tuple[RowRule, ...]:
        """Return the rules in the suite's order."""
        return self._rules


def suite_reasons(suite: Suite, schema: pl.Schema, *actions: Action) -> pl.Expr:
    """Return the reasons of each row as List(String), empty where the suite has none.

    Only expectations with one of `actions` count; by default those that quarantine.
    """
    return SuiteRules(suite, schema).reasons(*actions)


def read_quarantine(paths: Sequence[Path], schema: pl.Schema) -> pl.LazyFrame:
    """Read quarantined rows back as they were: the columns of `schema`, without the reasons.

    Takes Parquet files, fixed or not; a column that was added while fixing them is left out. Raises
    SourceError for a file that cannot be read or lacks a column.
    """
    try:
        frame = pl.scan_parquet(list(paths))
        found = frame.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        problem = " ".join(str(error).split())
        raise SourceError(f"quarantine: cannot be read: {problem}") from error
    for name, dtype in schema.items():
        if name not in found:
            raise SourceError(
                f"quarantine: the files lack the column '{name}': keep every column but _reasons"
            )
        fits = found[name] in (dtype, delta_type(dtype), pl.Null)
        if not fits and not (found[name].is_integer() and dtype.is_numeric()):
            raise SourceError(
                f"quarantine: '{name}' holds {found[name]}, but the source has {dtype}: "
                "keep the type when fixing rows"
            )
    return frame.select([pl.col(name).cast(dtype) for name, dtype in schema.items()])


def _make_rule(suite: Suite, expectation: Expectation, schema: pl.Schema) -> RowRule | None:
    metric = _METRICS.get(expectation.kind)
    asked = expectation.meta.get("action")
    where = f"{suite.path.name}: {expectation.kind}"
    if metric is None:
        if asked in ("quarantine", "block"):
            close = difflib.get_close_matches(expectation.kind, _METRICS, n=1)
            hint = (
                f"did you mean '{close[0]}'?"
                if close
                else "there is no expectation of that name that does"
            )
            raise SuiteError(
                f"{where}: it does not judge single rows ({hint}): remove '{asked}' from its meta"
            )
        return None
    action = next((one for one in ACTIONS if one == asked), _BY_SEVERITY[expectation.severity])
    kwargs = expectation.kwargs
    domain: dict[str, object] = {key: kwargs[key] for key in _DOMAIN if key in kwargs}
    for key, ignored in _IGNORED.items():
        if key in kwargs:
            domain.setdefault("ignore_row_if", ignored)
    values = {key: value for key, value in kwargs.items() if key not in domain}
    try:
        failing = translate_condition(metric, domain, values, schema).failing
    except KeyError as error:
        raise SuiteError(f"{where}: it needs the argument {error}") from error
    columns = ", ".join(expectation.columns)
    reason = f"{columns}: {expectation.kind.removeprefix('expect_')}"
    return RowRule(columns, expectation.kind, action, reason, failing)
