"""Aggregate metrics of Great Expectations as polars expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from siftset.pipeline.gate.gx.conditions import Kwargs, translate_condition
from siftset.pipeline.gate.gx.row_condition import missing_column, row_filter, value_of
from siftset.pipeline.gate.gx.values import fitting_values
from siftset.schemas.errors import SuiteError


class Aggregate(NamedTuple):
    """Expressions that give one value each, and what becomes of these values."""

    expressions: tuple[pl.Expr, ...]
    finish: Callable[..., object]


class Tally(NamedTuple):
    """A metric of the distinct values of a column: `finish` takes them with their counts.

    The frame has the columns value (never null) and count.
    """

    column: pl.Expr
    finish: Callable[[pl.DataFrame], object]


_SIMPLE: Final[dict[str, Callable[[pl.Expr], pl.Expr]]] = {
    "column.min": lambda column: column.min(),
    "column.max": lambda column: column.max(),
    "column.mean": lambda column: column.mean(),
    "column.median": lambda column: column.median(),
    "column.sum": lambda column: column.sum(),
    "column.standard_deviation": lambda column: column.std(),
    "column.non_null_count": lambda column: column.count(),
    "column.distinct_values.count": lambda column: column.drop_nulls().n_unique(),
    "column_values.length.min": lambda column: column.str.len_chars().min(),
    "column_values.length.max": lambda column: column.str.len_chars().max(),
}

_NUMERIC: Final = ("column.mean", "column.sum", "column.standard_deviation", "column.median")

_TALLIES: Final[dict[str, Callable[[pl.DataFrame, Kwargs], object]]] = {
    "column.distinct_values": lambda t, v: set(t["value"]),
    "column.distinct_values.not_in_set": lambda t, v: _not_in_set(t, v)[: _value_limit(v)],
    "column.distinct_values.not_in_set.count": lambda t, v: len(_not_in_set(t, v)),
    "column.distinct_values.missing_from_column": lambda t, v: _missing_values(t, v)[
        : _value_limit(v)
    ],
    "column.distinct_values.missing_from_column.count": lambda t, v: len(_missing_values(t, v)),
    "column.most_common_value": lambda t, v: (
        t.filter(pl.col("count") == pl.col("count").max())["value"].sort().to_list()
    ),
    "column.value_counts": lambda t, v: _value_counts(t, v),
}

_QUARTILES: Final = (0.25, 0.75)


def translate_aggregate(
    name: str, domain: Kwargs, values: Kwargs, schema: pl.Schema
) -> Aggregate | Tally | None:
    """Translate one aggregate metric, or return None where there is no translation."""
    if name == "table.row_count":
        asked = domain.get("row_condition")
        rows = row_filter(asked, schema).sum() if asked else pl.len()
        return Aggregate((rows,), lambda count: count)
    if "column" not in domain:
        return None
    key = str(domain["column"])
    if key not in schema:
        raise SuiteError(missing_column(name, key, list(schema)))
    if name in _NUMERIC and not (schema[key].is_numeric() or schema[key].is_temporal()):
        raise SuiteError(f"{name} needs numbers, but '{key}' holds {schema[key]}")
    column = value_of(key, schema)
    if domain.get("row_condition"):
        column = column.filter(row_filter(domain["row_condition"], schema))
    if name in _TALLIES:
        finish = _TALLIES[name]
        return Tally(column, lambda tally: finish(tally, values))
    if name in _SIMPLE:
        return Aggregate((_SIMPLE[name](column),), lambda found: found)
    return _translate_other(name, column, domain, values, schema)


def _translate_other(
    name: str, column: pl.Expr, domain: Kwargs, values: Kwargs, schema: pl.Schema
) -> Aggregate | None:
    if name == "column.distinct_values.count.under_threshold":
        threshold = int(str(values["threshold"]))
        return Aggregate((column.drop_nulls().n_unique(),), lambda count: count < threshold)
    if name == "column.quantile_values":
        return _translate_quantiles(column, values)
    if name == "column.histogram":
        # A bin holds its lower edge, the last one both.
        edges = [float(edge) for edge in np.asarray(values["bins"]).tolist()]
        bins = []
        for i, (low, high) in enumerate(pairwise(edges)):
            below = column <= high if i == len(edges) - 2 else column < high
            bins.append(((column >= low) & below).sum())
        return Aggregate(tuple(bins), lambda *found: list(found))
    if name == "column.outlier_statistics":
        return _outlier_statistics(column, str(values.get("method", "iqr")))
    if name == "column_values.between.count":
        inside = translate_condition("column_values.between", domain, values, schema)
        counts = (inside.size, inside.failing.sum())
        return Aggregate(counts, lambda size, failing: size - failing)
    return None


def _value_limit(values: Kwargs) -> int:
    limit = values.get("limit")
    return limit if isinstance(limit, int) else 20


def _not_in_set(tally: pl.DataFrame, values: Kwargs) -> list[object]:
    expected = fitting_values(tally["value"].dtype, _value_set(values))
    return sorted(set(tally["value"]) - set(expected), key=str)


def _missing_values(tally: pl.DataFrame, values: Kwargs) -> list[object]:
    wanted = _value_set(values)
    dtype = tally["value"].dtype
    held = {value for one in wanted for value in fitting_values(dtype, [one])}
    foreign = {one for one in wanted if not len(fitting_values(dtype, [one]))}
    return sorted((held - set(tally["value"])) | foreign, key=str)


def _value_set(values: Kwargs) -> list[object]:
    wanted = values["value_set"]
    assert isinstance(wanted, Sequence | set | frozenset)
    return list(wanted)


def _value_counts(tally: pl.DataFrame, values: Kwargs) -> object:
    """Return the counts as the pandas series that Great Expectations computes with."""
    import pandas as pd  # type: ignore[import-untyped]

    by = "count" if values.get("sort") == "count" else "value"
    ordered = tally.sort(by)
    index = pd.Index(ordered["value"].to_list(), name="value")
    return pd.Series(ordered["count"].to_list(), index=index, name="count")


def _translate_quantiles(column: pl.Expr, values: Kwargs) -> Aggregate:
    """Translate quantiles; `nearest` takes the even neighbour of a tie, as numpy does."""
    wanted = values["quantiles"]
    assert isinstance(wanted, Sequence)
    shares = [float(share) for share in wanted]
    method = values.get("allow_relative_error") or "nearest"
    if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise SuiteError(f"allow_relative_error '{method}' is not an interpolation of a quantile")
    if method != "nearest":
        each = [column.quantile(share, interpolation=method) for share in shares]
        return Aggregate(tuple(each), lambda *found: list(found))
    ends = [column.quantile(s, interpolation=e) for s in shares for e in ("lower", "higher")]
    return Aggregate((column.count(), *ends), lambda *found: _nearest_values(shares, found))


def _nearest_values(shares: Sequence[float], found: Sequence[object]) -> list[object]:
    count = found[0]
    assert isinstance(count, int)
    nearest = []
    for share, low, high in zip(shares, found[1::2], found[2::2], strict=True):
        place = share * (count - 1)
        nearest.append(low if round(place) == math.floor(place) else high)
    return nearest


def _outlier_statistics(column: pl.Expr, method: str) -> Aggregate:
    from great_expectations.expectations.metrics.column_aggregate_metrics import (
        column_outlier_statistics as of_gx,
    )

    def from_quartiles(low: float | None, high: float | None) -> object:
        spread = None if low is None or high is None else high - low
        return of_gx.OutlierStatistics(low, high, spread)

    if method == "iqr":
        each = [column.quantile(q, interpolation="linear") for q in _QUARTILES]
        return Aggregate(tuple(each), from_quartiles)
    if method == "std":
        return Aggregate((column.mean(), column.std()), of_gx.OutlierStatistics.symmetric)
    raise SuiteError(f"method '{method}' finds no outliers: use iqr or std")


def pandas_types(schema: pl.Schema) -> list[Mapping[str, object]]:
    """Return the columns with the types that pandas gives them, as table.column_types does."""
    frame = pl.DataFrame(schema=schema).to_pandas()
    return [{"name": str(name), "type": dtype} for name, dtype in frame.dtypes.items()]
