"""Examples of unexpected rows: read only where a count is above zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import polars as pl

from siftset.pipeline.gate.gx.conditions import Condition
from siftset.pipeline.gate.gx.scan import HASH, key_of, repeated_hashes, repeated_keys

if TYPE_CHECKING:
    from great_expectations.validator.metric_configuration import MetricConfiguration

ROW: Final = "__row"
CHARACTERS: Final = 160
MOST: Final = 200
"""Great Expectations shows at most this many values, whatever is asked."""

RARE: Final = 2_000
"""Below this count a condition's rows are found in the common scan, not by an early stop."""


@dataclass(frozen=True)
class ExampleRequest:
    """Examples of one condition, as one metric wants them."""

    metric: MetricConfiguration
    kind: str
    condition: Condition
    frame: pl.LazyFrame
    result_format: Mapping[str, object]
    count: int | None

    @property
    def limit(self) -> int | None:
        """Return how many rows are wanted; None for all."""
        if self.result_format.get("result_format") == "COMPLETE":
            return None if self.kind == "unexpected_index_list" else MOST
        few = self.result_format.get("partial_unexpected_count", 20)
        return min(few, MOST) if isinstance(few, int) else 20

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the columns that name a row."""
        names = self.result_format.get("unexpected_index_column_names") or ()
        return tuple(str(name) for name in names) if isinstance(names, list | tuple) else ()


Answer: TypeAlias = "list[tuple[MetricConfiguration, object]]"
Failures: TypeAlias = "list[tuple[MetricConfiguration, Exception]]"


def collect_examples(wanted: list[ExampleRequest]) -> tuple[Answer, Failures]:
    """Return the examples of each metric; conditions with few rows share one scan."""
    found: Answer = []
    failures: Failures = []
    rare = [
        one
        for one in wanted
        if one.condition.kind == "row" and one.kind != "unexpected_rows"
        if (one.ids or one.kind == "unexpected_values") and 0 < (one.count or 0) <= RARE
    ]
    shared = _find_shared_rows(rare)
    for one in wanted:
        try:
            rows = shared[id(one)] if id(one) in shared else _find_rows(one)
            found.append((one.metric, _shape_rows(one, rows)))
        except Exception as error:
            failures.append((one.metric, error))
    return found, failures


def flatten_text(value: object) -> object:
    """Return a value with its texts cut and their control characters made visible."""
    if isinstance(value, str):
        cut = value[:CHARACTERS]
        shown = "".join(
            c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
            for c in cut
        )
        return shown + ("…" if len(value) > CHARACTERS else "")
    if isinstance(value, Mapping):
        return {key: flatten_text(each) for key, each in value.items()}
    return [flatten_text(each) for each in value] if isinstance(value, list | tuple) else value


def _shown_columns(one: ExampleRequest) -> list[str]:
    names = one.ids if one.kind == "unexpected_index_list" else ()
    return list(dict.fromkeys([*names, *one.condition.columns]))


def _find_shared_rows(wanted: list[ExampleRequest]) -> dict[int, pl.DataFrame]:
    """Find the rows of all rare conditions of a frame in one scan."""
    found: dict[int, pl.DataFrame] = {}
    for frame in {id(one.frame): one.frame for one in wanted}.values():
        group = [one for one in wanted if one.frame is frame]
        conditions = {id(one.condition): one.condition for one in group}
        flags = {f"__failing_{key}": made.failing for key, made in conditions.items()}
        columns = list(dict.fromkeys(name for one in group for name in _shown_columns(one)))
        marked = frame.select(*columns, *[e.alias(name) for name, e in flags.items()])
        rows = marked.filter(pl.any_horizontal(list(flags))).collect(engine="streaming")
        for one in group:
            mine = rows.filter(pl.col(f"__failing_{id(one.condition)}"))
            found[id(one)] = mine.select(_shown_columns(one)).head(one.limit or mine.height)
    return found


def _find_rows(one: ExampleRequest) -> pl.DataFrame:
    """Find the rows of one condition, stopping as soon as there are enough."""
    plan = _failing_rows(one)
    if one.kind == "unexpected_index_list" and not one.ids:
        plan = plan.select(ROW)
    elif one.kind == "unexpected_rows":
        plan = plan.drop(ROW, strict=False)
    else:
        plan = plan.select(_shown_columns(one))
    limited = plan if one.limit is None else plan.head(one.limit)
    return limited.collect(engine="streaming")


def _failing_rows(one: ExampleRequest) -> pl.LazyFrame:
    numbered = one.kind == "unexpected_index_list" and not one.ids
    frame = one.frame.with_row_index(ROW) if numbered else one.frame
    condition = one.condition
    if condition.kind == "row":
        return frame.filter(condition.failing)
    inside = condition.filter_domain(frame)
    if condition.kind == "ordered":
        return inside.filter(condition.unexpected)
    # Of the first duplicate keys: all of their rows share a hash with another row.
    hashes = condition.found.get(HASH)
    if hashes is None:
        hashes = repeated_hashes(one.frame, condition).collect(engine="streaming")
    if one.limit is not None:
        first = hashes.sort(HASH).head(one.limit)
        rows = inside.with_columns(key_of(condition))
        return rows.join(first.lazy(), on=HASH, how="semi").drop(HASH)
    keys = repeated_keys(one.frame, condition, hashes).select(condition.columns)
    return inside.join(keys, on=list(condition.columns), how="semi", nulls_equal=True)


def _shape_rows(one: ExampleRequest, rows: pl.DataFrame) -> object:
    if one.kind == "unexpected_rows":
        return rows.to_pandas()
    if ROW in rows.columns:
        return rows[ROW].to_list()
    records = [flatten_text(record) for record in rows.to_dicts()]
    if one.kind == "unexpected_index_list" or len(one.condition.columns) > 2:
        return records
    shown = [list(record.values()) for record in records if isinstance(record, dict)]
    return [values[0] if len(values) == 1 else tuple(values) for values in shown]
