"""Suites of Great Expectations: JSON files beside the recipe, read and checked before a scan."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.gate.gx.context import import_quietly, load_expectations
from siftset.pipeline.gate.gx.row_condition import condition_columns, missing_column
from siftset.schemas.errors import SuiteError
from siftset.schemas.recipe.integrity import Action
from siftset.schemas.results.metrics import Severity

DEFAULT: Final = "default"
_SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "warning", "info")
ACTIONS: Final[tuple[Action, ...]] = ("quarantine", "warn", "block")
_NAME: Final = re.compile(r"\w[\w -]{0,99}")
"""Names of suites become names of files."""

_COLUMN_KEYS: Final = ("column", "column_A", "column_B", "column_list")


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation as its suite writes it."""

    kind: str
    kwargs: Mapping[str, JsonValue]
    severity: Severity
    meta: Mapping[str, JsonValue]
    notes: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that it judges, which must be there for it to run."""
        if self.kind == "expect_column_to_exist" or self.kind.startswith("expect_table_"):
            return ()
        found = [self.kwargs[key] for key in _COLUMN_KEYS if key in self.kwargs]
        named = [name for each in found for name in (each if isinstance(each, list) else [each])]
        return tuple(str(name) for name in named)

    def to_json(self) -> dict[str, JsonValue]:
        """Return it as Great Expectations stores it."""
        return {
            "type": self.kind,
            "kwargs": dict(self.kwargs),
            "severity": self.severity,
            "meta": dict(self.meta),
            **({"notes": self.notes} if self.notes else {}),
        }


@dataclass(frozen=True, slots=True)
class Suite:
    """A named list of expectations and the file that it came from."""

    name: str
    path: Path
    expectations: tuple[Expectation, ...]
    modules: tuple[Path, ...] = ()
    """Python files of the user's with expectation classes of their own."""

    def adapt_to_task(self, task: str | None) -> Suite:
        """Return the suite as it judges data for `task`: what concerns another one only informs.

        An expectation says by `"meta": {"task": ...}` which one it concerns.
        """
        adapted = tuple(
            one if one.meta.get("task", task) == task else replace(one, severity="info")
            for one in self.expectations
        )
        return replace(self, expectations=adapted)

    def fit_columns(self, schema: pl.Schema) -> tuple[Expectation, ...]:
        """Return the expectations to run: an optional one is left out without its column.

        Raises SuiteError for any other column that is missing.
        """
        kept = []
        for number, each in enumerate(self.expectations, 1):
            asked = condition_columns(each.kwargs.get("row_condition"))
            missing = [name for name in (*each.columns, *asked) if name not in schema]
            if missing and not each.meta.get("optional"):
                where = f"{self.path.name}: expectation {number}, {each.kind}"
                raise SuiteError(missing_column(where, missing[0], list(schema)))
            if not missing:
                kept.append(each)
        return tuple(kept)


def suite_path(suite: str, folder: Path, *, shipped: bool = False) -> Path:
    """Return where a recipe's suite lies; the default one is written beside it on first use.

    `folder` is the recipe's. A shipped recipe uses the shipped suite in place.
    """
    if suite != DEFAULT:
        return folder / suite
    own = folder / "suites" / "default.json"
    if shipped:
        return Path(str(files("siftset.data").joinpath("suites", "default.json")))
    if not own.exists():
        content = (
            files("siftset.data").joinpath("suites", "default.json").read_text(encoding="utf-8")
        )
        try:
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(content, encoding="utf-8")
        except OSError as error:
            raise SuiteError(f"{own}: the default suite cannot be written: {error}") from error
    return own


def read_suites(path: Path) -> tuple[Suite, ...]:
    """Read a suite, or every suite of a folder in the order of their names."""
    if path.is_dir():
        found = sorted(path.glob("*.json"))
        if not found:
            raise SuiteError(f"{path}: no suite (*.json) in this folder: put one there")
        return tuple(_read_suite(each) for each in found)
    if not path.is_file():
        raise SuiteError(f"{path}: no such suite: name a JSON file or a folder, or 'default'")
    return (_read_suite(path),)


def check_suite(suite: Suite) -> None:
    """Raise SuiteError for an expectation that is unknown or wrongly written.

    Imports Great Expectations.
    """
    import_quietly()
    for module in suite.modules:
        load_expectations(module)
    from great_expectations.expectations.registry import (
        list_registered_expectation_implementations,
    )

    known = list_registered_expectation_implementations()
    for number, each in enumerate(suite.expectations, 1):
        where = f"{suite.path.name}: expectation {number}"
        if each.kind not in known:
            close = difflib.get_close_matches(each.kind, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else "see Great Expectations' gallery"
            raise SuiteError(f"{where}: unknown type '{each.kind}' ({hint})")
        _check_arguments(where, each)


def _check_arguments(where: str, expectation: Expectation) -> None:
    import warnings

    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.expectations.registry import get_expectation_impl

    implementation = get_expectation_impl(expectation.kind)
    known = list(implementation.__fields__)
    for name in expectation.kwargs:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise SuiteError(f"{where}, {expectation.kind}: unknown argument '{name}'{hint}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            implementation(**dict[str, Any](expectation.kwargs))
    except (ValidationError, TypeError, ValueError) as error:
        problems = getattr(error, "errors", None)
        if callable(problems):
            first = problems()[0]
            place = ".".join(str(part) for part in first["loc"] if part != "__root__")
            said = f"{place}: {first['msg']}" if place else str(first["msg"])
        else:
            said = " ".join(str(error).split())
        raise SuiteError(f"{where}, {expectation.kind}: {said}") from error


def _read_suite(path: Path) -> Suite:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: the suite cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("expectations"), list):
        raise SuiteError(f"{path}: not a suite: expected an object with a list 'expectations'")
    name = data.get("name") or path.stem
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SuiteError(f"{path}: name {name!r} must be letters, digits, '_', '-' or spaces")
    listed: Sequence[JsonValue] = data["expectations"]
    named = data.get("python") or []
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise SuiteError(f"{path}: python must be the path of a file, or a list of them")
    return Suite(
        name,
        path,
        tuple(_read_expectation(path, number, each) for number, each in enumerate(listed, 1)),
        tuple(path.parent / Path(str(one)).expanduser() for one in named),
    )


def _read_expectation(path: Path, number: int, data: JsonValue) -> Expectation:
    where = f"{path.name}: expectation {number}"
    if not isinstance(data, dict):
        raise SuiteError(f"{where}: expected an object with type and kwargs")
    kind, kwargs, meta = data.get("type"), data.get("kwargs") or {}, data.get("meta") or {}
    severity = data.get("severity") or "critical"
    if not isinstance(kind, str) or not isinstance(kwargs, dict) or not isinstance(meta, dict):
        raise SuiteError(f"{where}: expected type (a text), kwargs and meta (objects)")
    for known in _SEVERITIES:
        if severity == known:
            action = meta.get("action")
            if action is not None and action not in ACTIONS:
                raise SuiteError(f"{where}: action '{action}' is none of {', '.join(ACTIONS)}")
            level: Severity = "warning" if action and known == "critical" else known
            if action == "block":
                level = "critical"
            return Expectation(kind, kwargs, level, meta, join_notes(data.get("notes")))
    raise SuiteError(f"{where}: severity '{severity}' is none of {', '.join(_SEVERITIES)}")


def join_notes(notes: object) -> str:
    """Return an expectation's notes, a text or a list of them, as one text."""
    return " ".join(map(str, notes)) if isinstance(notes, list) else str(notes or "")
