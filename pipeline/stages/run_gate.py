"""The recipe's suites and thresholds, brought to the gate and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from siftset.pipeline.gate.row_rules import RowRule
from siftset.pipeline.storage.delta_types import delta_type
from siftset.schemas.errors import MissingExtraError, RecipeError
from siftset.schemas.recipe.integrity import Integrity
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.results.columns import SOURCE
from siftset.schemas.results.summary import Balance

if TYPE_CHECKING:
    from siftset.pipeline.gate.checkpoint import GateResult
    from siftset.pipeline.gate.suites import Suite
    from siftset.pipeline.run.context import Run
    from siftset.pipeline.stages.process_shard import ShardResult
    from siftset.pipeline.stages.resolve_duplicates import Settlement

FOLDER: Final = "gate"


class SuiteSetting(NamedTuple):
    """The rules by which suites set rows aside."""

    comes_in: tuple[RowRule, ...]
    goes_out: tuple[RowRule, ...]


def prepare_gate(loaded: LoadedRecipe) -> str:
    """Check the suites before anything is read; return a hash of their texts.

    Raises SuiteError or MissingExtraError. Writes nothing.
    """
    integrity = loaded.recipe.integrity
    given = [suite for suite in (integrity.suite, integrity.input_suite) if suite is not None]
    if not given:
        return ""
    if find_spec("great_expectations") is None:
        raise MissingExtraError("a suite", "gate")
    from siftset.pipeline.gate.suites import read_suites

    digest = hashlib.sha256()
    for suite in given:
        path = _readable(suite, loaded)
        read_suites(path)
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def suite_rules(loaded: LoadedRecipe, schema: pl.Schema) -> SuiteSetting:
    """Return the rows that the recipe's suites set aside; `schema` holds the source's columns.

    Raises SuiteError for a column that is not there, on either side.
    """
    integrity = loaded.recipe.integrity
    ours = {"row_id": pl.String(), "source": SOURCE}
    stored = {name: delta_type(dtype) for name, dtype in schema.items()}
    added = dict.fromkeys(("split", "run_id", "formula"), pl.String())
    comes_in = pl.Schema({**ours, **schema})
    goes_out = pl.Schema({**stored, **ours, **added, "signals": pl.Struct({})})
    return SuiteSetting(
        _set_aside(integrity.input_suite, loaded, comes_in),
        _set_aside(integrity.suite, loaded, goes_out),
    )


def _set_aside(suite: str | None, loaded: LoadedRecipe, schema: pl.Schema) -> tuple[RowRule, ...]:
    if suite is None:
        return ()
    from siftset.pipeline.gate.quarantine import SuiteRules
    from siftset.pipeline.gate.suites import read_suites

    found: list[RowRule] = []
    for each in read_suites(_readable(suite, loaded)):
        asked = [one for one in each.fitting(schema) if one.meta.get("action") == "quarantine"]
        found += SuiteRules(replace(each, expectations=tuple(asked)), schema).rules
    return tuple(found)


def check_kinds(loaded: LoadedRecipe) -> None:
    """Raise SuiteError for an expectation that is unknown or wrongly written.

    Imports Great Expectations where the recipe has a suite.
    """
    integrity = loaded.recipe.integrity
    for suite in (integrity.suite, integrity.input_suite):
        if suite is None:
            continue
        from siftset.pipeline.gate.suites import check_suite, read_suites

        for each in read_suites(_readable(suite, loaded)):
            check_suite(each)


def check_thresholds(recipe: Recipe, columns: Sequence[str]) -> None:
    """Raise RecipeError for a threshold on what no run of this recipe measures."""
    integrity = recipe.integrity
    if not integrity.thresholds:
        return
    from siftset.pipeline.gate.thresholds import check_name
    from siftset.pipeline.profile.scalars import profile_names, row_names

    profiled = profile_names(columns)
    known = {*limited(Balance(), 0), *row_names(), *integrity.metrics}
    if integrity.held_out is not None:
        known |= {name for name in profiled if name.startswith("leaked_")}
    for name in integrity.thresholds:
        check_name(name, [*known, *profiled])
        if recipe.analysis == "off" and name not in known:
            raise RecipeError(
                f"integrity.thresholds.{name}: not measured with  analysis: off ; "
                "set  analysis: sample  or take the threshold out"
            )


def limited(balance: Balance, unknown: int) -> Mapping[str, float]:
    """Return the metrics that thresholds may limit: counts, and each as a share of rows read."""
    counts = {**balance.to_json(), "unknown": unknown}
    read = max(counts["read"], 1)
    shares = {f"{name}_share": rows / read for name, rows in counts.items() if name != "read"}
    return {**counts, **shares}


def run_suites(
    run: Run, results: Sequence[ShardResult], settlement: Settlement
) -> tuple[GateResult, ...]:
    """Run the recipe's suites: on what came in, then on what would go out."""
    integrity: Integrity = run.job.recipe.integrity
    if integrity.suite is None and integrity.input_suite is None:
        return ()
    from siftset.pipeline.gate.checkpoint import run_gate, scan

    folder, found = run.folder / FOLDER, []
    with run.progress.stage("check integrity") as stage:
        if integrity.input_suite is not None:
            parts = [part.path for result in results for part in result.parts["input"]]
            suites = _suites(integrity.input_suite, run.job.loaded)
            # As a frame: these files go with the run, and the project must not name them.
            rows = scan(parts)
            found.append(run_gate(rows, suite=suites, folder=folder, name="input", stage="input"))
        if integrity.suite is not None:
            paths = [file.path for file in settlement.files]
            suites = _suites(integrity.suite, run.job.loaded)
            found.append(run_gate(paths, suite=suites, folder=folder))
        checks = [check for result in found for check in result.checks]
        passed = sum(check.passed for check in checks)
        stage.advance(len(checks), f"{passed:,} of {len(checks):,} checks pass")
    return tuple(found)


def point_to(project: Path, before: Path, after: Path) -> None:
    """Let a project of Great Expectations find the files of the set where they will lie."""
    config = project / "great_expectations.yml"
    if not config.is_file():
        return
    from ruamel.yaml import YAML

    document = YAML(typ="safe", pure=True).load(config)
    for source in document["fluent_datasources"].values():
        for asset in source["assets"].values():
            if "paths" in asset:
                asset["paths"] = [_moved(path, before, after) for path in asset["paths"]]
    # JSON is YAML, and no dumper folds a path at its spaces.
    config.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for result in project.glob("validations/**/*.json"):
        found = json.loads(result.read_text(encoding="utf-8"))
        spec = found["meta"].get("batch_spec") or {}
        if "path" in spec:
            spec["path"] = _moved(spec["path"], before, after)
            result.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _moved(path: str, before: Path, after: Path) -> str:
    inside = Path(path).is_relative_to(before)
    return str(after / Path(path).relative_to(before)) if inside else path


def _is_shipped(loaded: LoadedRecipe) -> bool:
    """Say whether a recipe lies in the installed package, where nothing may be laid."""
    return loaded.path.resolve().is_relative_to(
        Path(str(resources.files("siftset.data"))).resolve()
    )


def _readable(suite: str, loaded: LoadedRecipe) -> Path:
    """Return a suite's path; of the default one the shipped copy where none was laid yet."""
    from siftset.pipeline.gate.suites import DEFAULT

    own = loaded.folder / "suites" / "default.json"
    if suite != DEFAULT:
        return loaded.folder / suite
    shipped = Path(str(resources.files("siftset.data").joinpath("suites", "default.json")))
    return own if own.is_file() and not _is_shipped(loaded) else shipped


def _suites(suite: str, loaded: LoadedRecipe) -> tuple[Suite, ...]:
    """Lay the default suite beside the recipe where it is not yet; read what is asked for."""
    from siftset.pipeline.gate.suites import read_suites, suite_path

    path = suite_path(suite, loaded.folder, shipped=_is_shipped(loaded))
    train = loaded.recipe.train
    return tuple(each.judging(train.task if train else None) for each in read_suites(path))
