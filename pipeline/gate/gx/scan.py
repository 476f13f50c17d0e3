"""One streaming scan for all the counts and aggregates of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from siftset.pipeline.gate.gx.aggregates import Aggregate, Tally
from siftset.pipeline.gate.gx.conditions import Condition

if TYPE_CHECKING:
    from great_expectations.validator.metric_configuration import MetricConfiguration

HASH: Final = "__hash"


class ScanPlan(NamedTuple):
    """A lazy frame of its own, and what becomes of it once it is collected."""

    frame: pl.LazyFrame
    finish: Callable[[pl.DataFrame], object]


class Scan:
    """Collects what is asked of a batch, then answers all of it in one pass."""

    def __init__(self, frame: pl.LazyFrame, schema: pl.Schema) -> None:
        self._frame = frame
        self._schema = schema
        self._aggregates: list[tuple[MetricConfiguration, Aggregate]] = []
        self._plans: list[tuple[MetricConfiguration, ScanPlan]] = []

    def add(self, metric: MetricConfiguration, made: Aggregate | Tally) -> None:
        """Ask for an aggregate."""
        if isinstance(made, Tally):
            values = self._frame.select(made.column.alias("value")).drop_nulls()
            counted = values.group_by("value").agg(pl.len().alias("count"))
            self._plans.append((metric, ScanPlan(counted, made.finish)))
            return
        for expression in made.expressions:
            # Resolved on an empty frame, so that a type error costs no scan.
            pl.DataFrame(schema=self._schema).lazy().select(expression).collect()
        self._aggregates.append((metric, made))

    def count(
        self,
        metric: MetricConfiguration,
        condition: Condition,
        which: str,
    ) -> None:
        """Ask how many rows a condition looks at, or how many of them are unexpected."""
        if which == "filtered_row_count":
            self.add(metric, Aggregate((condition.size,), lambda count: count))
        elif condition.kind == "row":
            self.add(metric, Aggregate((condition.failing.sum(),), lambda count: count))
        elif condition.kind == "ordered":
            inside = condition.filter_domain(self._frame)
            self._plans.append(
                (
                    metric,
                    ScanPlan(inside.select(condition.unexpected.sum()), lambda d: int(d.item())),
                )
            )
        else:
            hashes = repeated_hashes(self._frame, condition)
            self._plans.append(
                (metric, ScanPlan(hashes, lambda d: self._count_duplicates(condition, d)))
            )

    def run(
        self,
    ) -> tuple[
        list[tuple[MetricConfiguration, object]], list[tuple[MetricConfiguration, Exception]]
    ]:
        """Return every metric with its value, and those that failed with their error."""
        if not self._aggregates and not self._plans:
            return [], []
        try:
            return self._run_together(), []
        except Exception:
            # One by one, to find which metric fails: the others keep their values.
            found: list[tuple[MetricConfiguration, object]] = []
            failures: list[tuple[MetricConfiguration, Exception]] = []
            for metric in [metric for metric, _ in (*self._aggregates, *self._plans)]:
                alone = Scan(self._frame, self._schema)
                alone._aggregates = [each for each in self._aggregates if each[0] is metric]
                alone._plans = [each for each in self._plans if each[0] is metric]
                try:
                    found += alone._run_together()
                except Exception as error:
                    failures.append((metric, error))
            return found, failures

    def _run_together(self) -> list[tuple[MetricConfiguration, object]]:
        plans = [plan.frame for _, plan in self._plans]
        flat = [e for _, made in self._aggregates for e in made.expressions]
        if flat:
            named = [expression.alias(str(i)) for i, expression in enumerate(flat)]
            plans.append(self._frame.select(named))
        frames = pl.collect_all(plans, engine="streaming")
        values = iter(frames.pop().row(0) if flat else ())
        found = [
            (metric, made.finish(*[next(values) for _ in made.expressions]))
            for metric, made in self._aggregates
        ]
        answered = zip(self._plans, frames, strict=True)
        return found + [(metric, plan.finish(frame)) for (metric, plan), frame in answered]

    def _count_duplicates(self, condition: Condition, hashes: pl.DataFrame) -> int:
        """Count the rows of duplicates; equal hashes are only candidates."""
        condition.found[HASH] = hashes
        if hashes.is_empty():
            return 0
        groups = repeated_keys(self._frame, condition, hashes)
        return int(groups.select(pl.col("len").sum()).collect(engine="streaming").item())


def key_of(condition: Condition) -> pl.Expr:
    """Return the hash of the columns that must be unique together."""
    first, *others = (pl.col(name) for name in condition.columns)
    return (pl.struct(first, *others) if others else first).hash().alias(HASH)


def repeated_hashes(frame: pl.LazyFrame, condition: Condition) -> pl.LazyFrame:
    """Return the hashes that occur more than once: 8 bytes a row, whatever the key."""
    hashes = condition.filter_domain(frame).select(key_of(condition))
    return hashes.group_by(HASH).agg(pl.len()).filter(pl.col("len") > 1).select(HASH)


def repeated_keys(frame: pl.LazyFrame, condition: Condition, hashes: pl.DataFrame) -> pl.LazyFrame:
    """Return the keys that occur more than once and how often, among candidates by hash."""
    rows = condition.filter_domain(frame).select(*condition.columns, key_of(condition))
    candidates = rows.join(hashes.lazy(), on=HASH, how="semi")
    counted = candidates.group_by(condition.columns).agg(pl.len())
    return counted.filter(pl.col("len") > 1)
