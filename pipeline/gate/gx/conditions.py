"""Which rows are unexpected, for every row-wise condition of Great Expectations.

One table serves the engine that counts, the examples that are shown and the quarantine, so
that counts and files always agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from typing import Final, Literal, NamedTuple

import polars as pl

from siftset.pipeline.gate.gx import patterns
from siftset.pipeline.gate.gx.row_condition import missing_column, row_filter, value_of
from siftset.pipeline.gate.gx.values import fitting_values, make_bound
from siftset.schemas.errors import SuiteError

Kwargs = Mapping[str, object]
"""Arguments of a metric, by name."""

DUPLICATES: Final = ("column_values.unique", "compound_columns.unique")
ORDERED: Final = ("column_values.increasing", "column_values.decreasing")
STATISTICAL: Final = ("column_values.z_score.under_threshold", "column_values.not_outliers")
"""Conditions that need a statistic of the whole column first."""


class ConditionColumn(NamedTuple):
    """The values of a column, NaN being null, and their type."""

    value: pl.Expr
    dtype: pl.DataType

    @property
    def text(self) -> pl.Expr:
        """Return the values as Python's `str` gives them."""
        return patterns.as_text(self.value, self.dtype)


@dataclass(frozen=True, slots=True)
class Condition:
    """The rows that a condition looks at and those of them that are unexpected.

    An ordered condition compares neighbours within the domain, so its expression holds only
    in a frame filtered by it. Duplicates are found by grouping and have no expression.
    """

    kind: Literal["row", "ordered", "duplicates"]
    columns: tuple[str, ...]
    domain: pl.Expr | None
    unexpected: pl.Expr
    found: dict[str, pl.DataFrame] = field(default_factory=dict, compare=False)
    """Candidates for duplicates that a scan has found, so that examples need no second one."""

    @property
    def failing(self) -> pl.Expr:
        """Return whether a row of the unfiltered frame is unexpected; for kind row only."""
        return self.unexpected if self.domain is None else self.domain & self.unexpected

    @property
    def size(self) -> pl.Expr:
        """Return the number of rows looked at."""
        return pl.len() if self.domain is None else self.domain.sum()

    def filter_domain(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rows looked at."""
        return frame if self.domain is None else frame.filter(self.domain)


Test = Callable[[ConditionColumn, Kwargs], pl.Expr]
_COLUMN_TESTS: Final[dict[str, Test]] = {
    "column_values.nonnull": lambda c, v: c.value.is_not_null(),
    "column_values.null": lambda c, v: c.value.is_null(),
    "column_values.in_set": lambda c, v: _in_set(c, v),
    "column_values.not_in_set": lambda c, v: (
        pl.lit(True) if v["value_set"] is None else ~_in_set(c, v)
    ),
    "column_values.match_regex": lambda c, v: patterns.matches_regex(c.text, str(v["regex"])),
    "column_values.not_match_regex": lambda c, v: ~patterns.matches_regex(c.text, str(v["regex"])),
    "column_values.match_regex_list": lambda c, v: _regex_list(c, v),
    "column_values.not_match_regex_list": lambda c, v: ~_regex_list(c, {**v, "match_on": "any"}),
    "column_values.value_length.between": lambda c, v: is_between(c.text.str.len_chars(), v),
    "column_values.value_length.equals": lambda c, v: c.text.str.len_chars().eq(v["value"]),
    "column_values.between": lambda c, v: is_between(c.value, v, c.dtype),
    "column_values.dateutil_parseable": lambda c, v: patterns.by_value(
        _only_text(c), patterns.is_date
    ),
    "column_values.json_parseable": lambda c, v: patterns.by_value(_only_text(c), patterns.is_json),
    "column_values.match_strftime_format": lambda c, v: patterns.by_value(
        _only_text(c), patterns.has_format(str(v["strftime_format"]))
    ),
    "column_values.match_json_schema": lambda c, v: patterns.by_value(
        _only_text(c), patterns.has_schema(_mapping(v["json_schema"]))
    ),
    "column_values.increasing": lambda c, v: _in_order(c, 1, bool(v.get("strictly"))),
    "column_values.decreasing": lambda c, v: _in_order(c, -1, bool(v.get("strictly"))),
    "column_values.z_score.under_threshold": lambda c, v: _z_score(c, v),
    "column_values.not_outliers": lambda c, v: _not_outlier(c, v),
}
_KEEP_NULLS: Final = ("column_values.nonnull", "column_values.null")

_PAIR_TESTS: Final[dict[str, Callable[[ConditionColumn, ConditionColumn, Kwargs], pl.Expr]]] = {
    "column_pair_values.equal": lambda a, b, v: a.value == b.value,
    "column_pair_values.a_greater_than_b": lambda a, b, v: (
        a.value >= b.value if v.get("or_equal") else a.value > b.value
    ),
    "column_pair_values.in_set": lambda a, b, v: _pair_in_set(a, b, v),
}

_MULTI_TESTS: Final[dict[str, Callable[[Sequence[ConditionColumn], Kwargs], pl.Expr]]] = {
    "multicolumn_sum.equal": lambda cs, v: pl.sum_horizontal(
        [c.value for c in cs], ignore_nulls=False
    ).eq(v["sum_total"]),
    "multicolumn_values.equal": lambda cs, v: pl.all_horizontal(
        [c.value.eq_missing(cs[0].value) for c in cs]
    ),
    "select_column_values.unique.within_record": lambda cs, v: pl.all_horizontal(
        [a.value.ne_missing(b.value) for a, b in combinations(cs, 2)]
    ),
}

TRANSLATED: Final = frozenset({*_COLUMN_TESTS, *_PAIR_TESTS, *_MULTI_TESTS, *DUPLICATES})
"""The conditions that have a translation."""


def translate_condition(name: str, domain: Kwargs, values: Kwargs, schema: pl.Schema) -> Condition:
    """Translate one condition, named as Great Expectations names its metric.

    `domain` holds the columns, row_condition and ignore_row_if; `values` the arguments, and
    under their names the statistics that the condition needs. Raises SuiteError where there
    is no translation.
    """
    if name not in TRANSLATED:
        raise SuiteError(f"'{name}' has no translation to polars")
    names = _column_names(domain)
    columns = [_make_column(each, schema) for each in names]
    if name in DUPLICATES:
        return Condition(
            "duplicates", names, _domain_filter(domain, columns, schema), pl.lit(False)
        )
    if name in _COLUMN_TESTS:
        meets = _COLUMN_TESTS[name](columns[0], values)
    elif name in _PAIR_TESTS:
        meets = _PAIR_TESTS[name](columns[0], columns[1], values)
    else:
        meets = _MULTI_TESTS[name](columns, values)
    rows = _domain_filter(domain, [] if name in _KEEP_NULLS else columns, schema)
    kind: Literal["row", "ordered"] = "ordered" if name in ORDERED else "row"
    return Condition(kind, names, rows, ~meets.fill_null(False))


def _column_names(domain: Kwargs) -> tuple[str, ...]:
    if "column" in domain:
        return (str(domain["column"]),)
    if "column_A" in domain:
        return (str(domain["column_A"]), str(domain["column_B"]))
    listed = domain["column_list"]
    assert isinstance(listed, Sequence)
    return tuple(str(name) for name in listed)


def _make_column(name: str, schema: pl.Schema) -> ConditionColumn:
    if name not in schema:
        raise SuiteError(missing_column("expectation", name, list(schema)))
    return ConditionColumn(value_of(name, schema), schema[name])


def _domain_filter(
    domain: Kwargs, columns: Sequence[ConditionColumn], schema: pl.Schema
) -> pl.Expr | None:
    """Return the rows that a condition looks at: row condition, and what counts as missing."""
    parts = []
    if domain.get("row_condition"):
        parts.append(row_filter(domain["row_condition"], schema))
    present = [column.value.is_not_null() for column in columns]
    ignored = "any_value_is_missing" if "column" in domain else domain.get("ignore_row_if")
    if ignored in ("any_value_is_missing", "either_value_is_missing"):
        parts += present
    elif ignored in ("all_values_are_missing", "both_values_are_missing"):
        parts.append(pl.any_horizontal(present))
    elif ignored not in (None, "never", "neither"):
        raise SuiteError(f"ignore_row_if '{ignored}' is unknown")
    return reduce(lambda left, right: left & right, parts) if parts else None


def is_between(value: pl.Expr, limits: Kwargs, dtype: pl.DataType | None = None) -> pl.Expr:
    """Return whether a value lies within min_value and max_value, strictly where asked."""
    low = make_bound(limits.get("min_value"), dtype)
    high = make_bound(limits.get("max_value"), dtype)
    if low is None and high is None:
        raise SuiteError("min_value and max_value cannot both be missing")
    parts = []
    if low is not None:
        parts.append(value > low if limits.get("strict_min") else value >= low)
    if high is not None:
        parts.append(value < high if limits.get("strict_max") else value <= high)
    return reduce(lambda left, right: left & right, parts)


def _in_set(column: ConditionColumn, values: Kwargs) -> pl.Expr:
    allowed = values["value_set"]
    if allowed is None:
        return pl.lit(True)
    assert isinstance(allowed, Sequence | set | frozenset)
    is_category = column.dtype in (pl.Categorical, pl.Enum)
    value = column.text if is_category else column.value
    return value.is_in(fitting_values(column.dtype, list(allowed)).implode())


def _regex_list(column: ConditionColumn, values: Kwargs) -> pl.Expr:
    listed = values["regex_list"]
    assert isinstance(listed, Sequence)
    found = [patterns.matches_regex(column.text, str(regex)) for regex in listed]
    return pl.all_horizontal(found) if values.get("match_on") == "all" else pl.any_horizontal(found)


def _only_text(column: ConditionColumn) -> pl.Expr:
    if column.dtype != pl.String:
        raise SuiteError(f"needs text, but the column holds {column.dtype}")
    return column.value


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise SuiteError(f"json_schema must be an object, not {value!r}")
    return value


def _in_order(column: ConditionColumn, sign: int, strictly: bool) -> pl.Expr:
    if not (column.dtype.is_numeric() or column.dtype.is_temporal()):
        raise SuiteError(f"order needs numbers or times, but the column holds {column.dtype}")
    later, earlier = column.value, column.value.shift(1)
    if sign < 0:
        later, earlier = earlier, later
    return (later > earlier if strictly else later >= earlier).fill_null(True)


def _z_score(column: ConditionColumn, values: Kwargs) -> pl.Expr:
    mean, deviation = values.get("column.mean"), values.get("column.standard_deviation")
    if not isinstance(mean, int | float) or not isinstance(deviation, int | float) or not deviation:
        return pl.lit(True)
    score, threshold = (column.value - mean) / deviation, float(str(values["threshold"]))
    if values.get("double_sided", True):
        return score.abs() < abs(threshold)
    return score < threshold


def _not_outlier(column: ConditionColumn, values: Kwargs) -> pl.Expr:
    """Return whether values lie in the window of column.outlier_statistics."""
    found = values.get("column.outlier_statistics")
    if not isinstance(found, tuple) or None in found:
        return pl.lit(True)
    low, high, spread = (float(each) for each in found)
    reach = float(str(values.get("multiplier") or 1.5)) * spread
    if values.get("method", "iqr") == "iqr":
        return (column.value >= low - reach) & (column.value <= high + reach)
    if reach <= 0:
        return column.value == low
    return (column.value - low).abs() < reach


def _pair_in_set(a: ConditionColumn, b: ConditionColumn, values: Kwargs) -> pl.Expr:
    pairs = values["value_pairs_set"]
    if pairs is None:
        return pl.lit(True)
    assert isinstance(pairs, Sequence | set)
    matches = []
    for first, second in pairs:
        held = [fitting_values(c.dtype, [v]) for c, v in ((a, first), (b, second))]
        if all(len(each) for each in held):
            matches.append(a.value.eq_missing(held[0][0]) & b.value.eq_missing(held[1][0]))
    return pl.any_horizontal(matches) if matches else pl.lit(False)
