"""Great Expectations' execution engine over polars: every level of metrics in one scan.

Great Expectations resolves a suite as a graph of metrics, level by level, through one call.
The registry finds the graph itself through the pandas engine, whose subclass this is; every
value is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
from great_expectations.core.batch import BatchMarkers
from great_expectations.exceptions.exceptions import MetricResolutionError
from great_expectations.execution_engine.pandas_batch_data import PandasBatchData
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.validator.metric_configuration import MetricConfiguration

from siftset.pipeline.gate.gx import aggregates
from siftset.pipeline.gate.gx.conditions import Condition, translate_condition
from siftset.pipeline.gate.gx.examples import ExampleRequest, collect_examples
from siftset.pipeline.gate.gx.scan import Scan
from siftset.schemas.errors import SuiteError

_DERIVED: Final = frozenset(
    {
        "table.columns",
        "table.column_count",
        "column.non_null_proportion",
        "column.unique_proportion",
        "column.descriptive_stats",
        "column.partition",
        "column_values.nonnull.count",
        "column_values.null.count",
        "column_values.match_regex.count",
        "column_values.not_match_regex.count",
    }
)
"""Metrics that the pandas engine makes of other metrics alone."""

_EXAMPLES: Final = (
    "unexpected_values",
    "unexpected_index_list",
    "unexpected_rows",
    "unexpected_index_query",
)


class LazyBatch(PandasBatchData):
    """A batch that is a plan: nothing is read until a metric needs it."""

    def __init__(self, execution_engine: PolarsExecutionEngine, frame: pl.LazyFrame) -> None:
        super().__init__(execution_engine, None)
        self.frame = frame
        self.schema = frame.collect_schema()

    @property
    def dataframe(self) -> Any:  # noqa: ANN401  pandas comes without types
        """Return the first rows as pandas, for what looks at a batch's head."""
        return self.frame.head(5).collect().to_pandas()


class PolarsExecutionEngine(PandasExecutionEngine):
    """Answers the metrics of a suite by streaming scans."""

    def make_batch(self, frame: pl.LazyFrame) -> tuple[LazyBatch, BatchMarkers]:
        """Return the plan of a batch and when it was made."""
        made = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        return LazyBatch(self, frame), BatchMarkers({"ge_load_time": made})

    def load_batch_data(self, batch_id: str, batch_data: Any) -> None:  # noqa: ANN401  as GX has it
        """Keep a batch under its id."""
        frame = getattr(batch_data, "frame", batch_data)
        batch = LazyBatch(self, frame.lazy())
        self._batch_manager.save_batch_data(batch_id=batch_id, batch_data=batch)

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """Return the values of one level of metrics.

        Raises MetricResolutionError for the first that has no translation or cannot be
        computed. What else was computed is put into `metrics` first: a level that fails is
        asked for again, and nothing is scanned twice.
        """
        known = metrics if metrics is not None else {}
        level = _Level(self, known)
        for metric in metrics_to_resolve:
            try:
                level.add(metric, runtime_configuration)
            except Exception as error:
                level.failures.append((metric, error))
        found = level.run()
        if level.failures:
            known.update(found)
            failed, cause = level.failures[0]
            message = f"{failed.metric_name}: {' '.join(str(cause).split())}"
            raise MetricResolutionError(message=message, failed_metrics=(failed,)) from cause
        return found

    def derive_metric(
        self,
        metric: MetricConfiguration,
        metrics: dict[Any, Any],
        runtime_configuration: dict[str, Any] | None,
    ) -> object:
        """Return a metric that is made of other metrics alone."""
        found = super().resolve_metrics([metric], metrics, runtime_configuration)
        return found[metric.id]

    def batch_of(self, domain: Mapping[str, Any]) -> LazyBatch:
        """Return the batch that a metric asks about."""
        manager = self.batch_manager
        batch = manager.batch_data_cache[
            str(domain.get("batch_id") or manager.active_batch_data_id)
        ]
        assert isinstance(batch, LazyBatch)
        return batch


class _Level:
    """The metrics of one level, sorted by how they are computed."""

    def __init__(self, engine: PolarsExecutionEngine, known: dict[Any, Any]) -> None:
        self._engine = engine
        self._known = known
        self._found: dict[Any, Any] = {}
        self._scans: dict[int, Scan] = {}
        self._examples: list[tuple[MetricConfiguration, Condition]] = []
        self.failures: list[tuple[MetricConfiguration, Exception]] = []

    def run(self) -> dict[Any, Any]:
        """Scan once for every count and aggregate, then for examples of what failed."""
        for scan in self._scans.values():
            found, failures = scan.run()
            self._found.update({metric.id: value for metric, value in found})
            self.failures += failures
        wanted: list[ExampleRequest] = []
        for metric, made in self._examples:
            suffix = metric.metric_name.rpartition(".")[2]
            name, domain, values = metric.metric_dependencies["unexpected_condition"].id
            key = (f"{name.removesuffix('.condition')}.unexpected_count", domain, values)
            known = self._found.get(key, self._known.get(key))
            count = known if isinstance(known, int) else None
            if suffix == "unexpected_index_query":
                self._found[metric.id] = None
            elif count == 0:
                self._found[metric.id] = (
                    pl.DataFrame().to_pandas() if suffix == "unexpected_rows" else []
                )
            else:
                batch = self._engine.batch_of(metric.metric_domain_kwargs)
                formats = metric.metric_value_kwargs["result_format"]
                wanted.append(ExampleRequest(metric, suffix, made, batch.frame, formats, count))
        found, failures = collect_examples(wanted)
        self._found.update({metric.id: value for metric, value in found})
        self.failures += failures
        return self._found

    def add(self, metric: MetricConfiguration, runtime: dict[str, Any] | None) -> None:
        """Translate a metric; nothing is read yet."""
        name, domain = metric.metric_name, metric.metric_domain_kwargs
        if domain.get("table"):
            raise SuiteError("a second table cannot be read: compare the tables' own counts")
        batch = self._engine.batch_of(domain)
        base, _, suffix = name.rpartition(".")
        if name == "table.column_types":
            self._found[metric.id] = aggregates.pandas_types(batch.schema)
        elif name in _DERIVED:
            self._found[metric.id] = self._engine.derive_metric(metric, self._known, runtime)
        elif suffix == "map":
            self._found[metric.id] = self._find_statistics(metric)
        elif suffix == "condition":
            values = {**metric.metric_value_kwargs, **self._find_statistics(metric)}
            made = translate_condition(base, domain, values, batch.schema)
            self._found[metric.id] = (made, {}, dict(domain))
        elif suffix in ("unexpected_count", "filtered_row_count"):
            self._scan_of(batch).count(metric, self._condition_of(metric), suffix)
        elif suffix in _EXAMPLES:
            self._examples.append((metric, self._condition_of(metric)))
        else:
            values = metric.metric_value_kwargs
            aggregate = aggregates.translate_aggregate(name, domain, values, batch.schema)
            if aggregate is None:
                raise SuiteError("has no translation to polars")
            self._scan_of(batch).add(metric, aggregate)

    def _scan_of(self, batch: LazyBatch) -> Scan:
        return self._scans.setdefault(id(batch), Scan(batch.frame, batch.schema))

    def _known_value(self, metric: MetricConfiguration) -> Any:  # noqa: ANN401  any metric's value
        return self._known[metric.id]

    def _condition_of(self, metric: MetricConfiguration) -> Condition:
        made = self._known_value(metric.metric_dependencies["unexpected_condition"])[0]
        assert isinstance(made, Condition)
        return made

    def _find_statistics(self, metric: MetricConfiguration) -> dict[str, object]:
        """Return the statistics that a condition compares with, also by way of its function."""
        found: dict[str, object] = {}
        for name, needed in metric.metric_dependencies.items():
            if name.endswith(".map"):
                found.update(self._known_value(needed))
            elif name.startswith("column."):
                found[name] = self._known_value(needed)
        return found
