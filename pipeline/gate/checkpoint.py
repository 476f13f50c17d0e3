"""Run suites on a set: one checkpoint, one verdict."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import polars as pl

from siftset.pipeline.gate.checks import check_of
from siftset.pipeline.gate.gx.context import open_context
from siftset.pipeline.gate.suites import Suite, check_suite, read_suites
from siftset.pipeline.gate.thresholds import verdict_of
from siftset.schemas.errors import MissingExtraError, OutputError, SuiteError
from siftset.schemas.results.metrics import Check, Verdict

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.data_context.file_data_context import FileDataContext

    from siftset.pipeline.gate.gx.datasource import PolarsDatasource

Stage = Literal["input", "output"]
DATASOURCE: Final = "siftset"
EXAMPLES: Final = 20


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate says of a set: fail where a critical check failed, warn where a warning did."""

    verdict: Verdict
    checks: tuple[Check, ...]
    data_docs: Path | None = None

    def explain(self) -> str:
        """Return the failed checks in one line, the critical ones first."""
        failed = sorted(
            (check for check in self.checks if not check.passed),
            key=lambda check: ("critical", "warning", "info").index(check.severity),
        )
        return "; ".join(f"{check.severity}: {check.message}" for check in failed)


def run_gate(
    data: Sequence[Path] | pl.LazyFrame,
    *,
    suite: Path | Sequence[Suite],
    folder: Path,
    name: str = "set",
    stage: Stage = "output",
) -> GateResult:
    """Validate Parquet files or a frame with a suite, every suite of a folder, or suites read.

    `folder` gets a project of Great Expectations (gx/) and its Data Docs (data_docs/). Raises
    SuiteError for a suite that is wrongly written, does not fit the columns, or holds an
    expectation that polars cannot answer; MissingExtraError without Great Expectations.
    """
    frame = data if isinstance(data, pl.LazyFrame) else scan_files(data)
    schema = frame.collect_schema()
    suites = read_suites(suite) if isinstance(suite, Path) else suite
    ids = ["row_id"] if "row_id" in schema else []
    context = _open_project(folder)
    for each in suites:
        check_suite(each)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = _define_batch(context, name, data)
        named: dict[str, list[dict[str, Any]]] = {}
        for each in suites:
            key = f"{name}-{each.name}"
            if key in named:
                raise SuiteError(f"{each.path}: two suites are called '{each.name}': rename one")
            named[key] = [one.to_json() for one in each.fit_columns(schema)]
        given = {"dataframe": data} if isinstance(data, pl.LazyFrame) else {}
        results = _run_checkpoint(context, batch, given, named, ids)
    checks = tuple(check_of(result, stage) for result in results)
    docs = folder / "data_docs" / "index.html"
    shutil.rmtree(docs.parent / "static", ignore_errors=True)
    return GateResult(verdict_of(checks), checks, docs if docs.exists() else None)


def scan_files(paths: Sequence[Path]) -> pl.LazyFrame:
    """Return the plan that reads Parquet files as one table; raises SuiteError for none."""
    if not paths:
        raise SuiteError("nothing to validate: no Parquet file was given")
    return pl.scan_parquet(list(paths), missing_columns="insert")


def _open_project(folder: Path) -> FileDataContext:
    try:
        return open_context(folder)
    except ImportError as error:
        if (error.name or "").startswith("great_expectations"):
            raise MissingExtraError("a suite", "gate") from error
        raise
    except OSError as error:
        raise OutputError(f"{folder}: the gate cannot write its project: {error}") from error


def _define_batch(
    context: FileDataContext, name: str, data: Sequence[Path] | pl.LazyFrame
) -> BatchDefinition[Any]:
    """Name the data in the project, replacing what had that name."""
    known = context.data_sources.all()
    sources = context.data_sources
    added = known[DATASOURCE] if DATASOURCE in known else sources.add_polars(DATASOURCE)
    source = cast("PolarsDatasource", added)
    if name in source.get_asset_names():
        source.delete_asset(name)
    if isinstance(data, pl.LazyFrame):
        return source.add_frame_asset(name).add_batch_definition_whole("all")
    asset = source.add_parquet_asset(name, [path.resolve() for path in data])
    return asset.add_batch_definition_whole("all")


def _run_checkpoint(
    context: FileDataContext,
    batch: BatchDefinition[Any],
    parameters: Mapping[str, pl.LazyFrame],
    suites: Mapping[str, list[dict[str, Any]]],
    ids: list[str],
) -> list[Any]:
    """Run one checkpoint over the suites; it, they and the results are kept in the project."""
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

    definitions = []
    for key, expectations in suites.items():
        suite = context.suites.add_or_update(gx.ExpectationSuite(key, expectations=expectations))
        definition = gx.ValidationDefinition(name=key, data=batch, suite=suite)
        definitions.append(context.validation_definitions.add_or_update(definition))
    listed = [each for one in definitions for each in one.suite.expectations]
    order = {each.id: i for i, each in enumerate(listed)}
    checkpoint = gx.Checkpoint(
        name=next(iter(suites)),
        validation_definitions=definitions,
        actions=[UpdateDataDocsAction(name="data_docs")],
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": EXAMPLES,
            "unexpected_index_column_names": ids,
        },
    )
    kept_checkpoint = context.checkpoints.add_or_update(checkpoint)
    outcome = kept_checkpoint.run(batch_parameters=dict(parameters))
    results = [result for each in outcome.run_results.values() for result in each.results]
    return sorted(results, key=lambda result: order[result.expectation_config.id])
