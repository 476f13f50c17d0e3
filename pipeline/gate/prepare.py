"""A recipe's suites and thresholds, checked before the first row is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import polars as pl

from siftset.pipeline.gate.row_rules import RowRule
from siftset.pipeline.storage.delta_types import delta_type
from siftset.schemas.errors import MissingExtraError, RecipeError, SuiteError
from siftset.schemas.recipe.loading import LoadedRecipe
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.results.columns import SOURCE
from siftset.schemas.results.summary import Balance
from siftset.signals.tracking.fingerprint import trace_file


class SuiteSetting(NamedTuple):
    """The rules by which suites set rows aside."""

    input_rules: tuple[RowRule, ...]
    output_rules: tuple[RowRule, ...]


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
        path = _find_suite(suite, loaded)
        for each in read_suites(path):
            digest.update(each.path.read_bytes())
            for module in each.modules:
                if not module.is_file():
                    raise SuiteError(f"{each.path}: python: there is no file {module}")
                digest.update(trace_file(module).encode())
    return digest.hexdigest()[:32]


def suite_rules(loaded: LoadedRecipe, schema: pl.Schema) -> SuiteSetting:
    """Return the rows that the recipe's suites set aside; `schema` holds the source's columns.

    Raises SuiteError for a column that is not there, on either side.
    """
    integrity = loaded.recipe.integrity
    ours = {"row_id": pl.String(), "source": SOURCE}
    stored = {name: delta_type(dtype) for name, dtype in schema.items()}
    added = dict.fromkeys(("split", "run_id", "formula"), pl.String())
    input_rules = pl.Schema({**ours, **schema})
    output_rules = pl.Schema({**stored, **ours, **added, "signals": pl.Struct({})})
    return SuiteSetting(
        _quarantine_rules(integrity.input_suite, loaded, input_rules),
        _quarantine_rules(integrity.suite, loaded, output_rules),
    )


def _quarantine_rules(
    suite: str | None, loaded: LoadedRecipe, schema: pl.Schema
) -> tuple[RowRule, ...]:
    if suite is None:
        return ()
    from siftset.pipeline.gate.quarantine import SuiteRules
    from siftset.pipeline.gate.suites import read_suites

    found: list[RowRule] = []
    for each in read_suites(_find_suite(suite, loaded)):
        asked = [one for one in each.fit_columns(schema) if one.meta.get("action") == "quarantine"]
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

        for each in read_suites(_find_suite(suite, loaded)):
            check_suite(each)


def check_thresholds(recipe: Recipe, columns: Sequence[str]) -> None:
    """Raise RecipeError for a threshold on what no run of this recipe measures."""
    integrity = recipe.integrity
    if not integrity.thresholds:
        return
    from siftset.pipeline.gate.thresholds import check_name
    from siftset.pipeline.profile.scalars import message_names, profile_names, row_names

    profiled = profile_names(columns)
    known = {*threshold_counts(Balance(), 0), *row_names(), *integrity.metrics}
    if integrity.messages is not None:
        known |= set(message_names())
    if integrity.held_out is not None:
        known |= {name for name in profiled if name.startswith("leaked_")}
    for name in integrity.thresholds:
        check_name(name, [*known, *profiled])
        if recipe.analysis == "off" and name not in known:
            raise RecipeError(
                f"integrity.thresholds.{name}: not measured with  analysis: off ; "
                "set  analysis: sample  or remove the threshold"
            )


def threshold_counts(balance: Balance, unknown: int) -> Mapping[str, Fraction | int]:
    """Return the metrics that thresholds may limit: counts, and each as a share of rows read."""
    counts = {**balance.to_json(), "unknown": unknown}
    read = max(counts["read"], 1)
    shares = {f"{name}_share": Fraction(n, read) for name, n in counts.items() if name != "read"}
    return {**counts, **shares}


def is_shipped(loaded: LoadedRecipe) -> bool:
    """Say whether a recipe lies in the installed package, where nothing may be laid."""
    return loaded.path.resolve().is_relative_to(
        Path(str(resources.files("siftset.data"))).resolve()
    )


def _find_suite(suite: str, loaded: LoadedRecipe) -> Path:
    """Return a suite's path; of the default one the shipped copy where none was laid yet."""
    from siftset.pipeline.gate.suites import DEFAULT

    own = loaded.folder / "suites" / "default.json"
    if suite != DEFAULT:
        return loaded.folder / suite
    shipped = Path(str(resources.files("siftset.data").joinpath("suites", "default.json")))
    return own if own.is_file() and not is_shipped(loaded) else shipped
