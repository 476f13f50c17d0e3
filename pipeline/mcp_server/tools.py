"""What a model may ask of recipes and their outputs, as plain functions that answer JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.approval.diff import compare_versions
from siftset.pipeline.commands.explain import explain_one, explain_plan
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.refresh.plans import apply, list_plans
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.reports.run import find_statements, rank_statements
from siftset.pipeline.storage.run_folder import RunFolder, run_folders
from siftset.schemas.errors import OutputError, RecipeError, SiftsetError
from siftset.schemas.results.metrics import Check, RunMetrics
from siftset.signals.formula.formula import parse

_PLAN_ID: Final = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{4}")
_MOST_RUNS: Final = 50


class RecipeTools:
    """The tools of a server, over the recipes that it was started with and no others.

    `recipes` are files or shipped names, as one would type them; `overrides` are those of `--set`.
    """

    def __init__(self, recipes: Sequence[str], overrides: Sequence[str] = ()) -> None:
        self._recipes: Mapping[str, str] = {Path(one).stem: one for one in recipes}
        self._overrides = tuple(overrides)
        if len(self._recipes) < len(recipes):
            raise RecipeError("two recipes have one file name, expected names that differ")
        for one in recipes:
            open_store(one, overrides=overrides)

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which a call says which recipe it is about."""
        return tuple(self._recipes)

    def list_runs(self, recipe: str = "", limit: int = 20) -> dict[str, JsonValue]:
        """Return the latest runs with verdict, version and counts of rows."""
        _, store = open_store(self._find(recipe), overrides=self._overrides)
        found: list[JsonValue] = []
        for folder in list(run_folders(store.output))[: max(1, min(limit, _MOST_RUNS))]:
            metrics = read_metrics(folder.path / METRICS)
            if metrics is not None:
                found.append(_describe_run(metrics))
        return {"current_version": store.version(), "runs": found}

    def read_report(self, recipe: str = "", run_id: str = "") -> dict[str, JsonValue]:
        """Return the figures and findings of a run's report, of the latest run by default.

        No row of the data is in it: `explain_row` shows one.
        """
        _, store = open_store(self._find(recipe), overrides=self._overrides)
        known = [one.run_id for one in run_folders(store.output)]
        wanted = run_id or (known[0] if known else "")
        if wanted not in known:
            raise OutputError(f"there is no run '{wanted}'; the latest are {known[:3]}")
        metrics = read_metrics(RunFolder(store.output, wanted).path / METRICS)
        if metrics is None:
            raise OutputError(f"the figures of run {wanted} cannot be read")
        return describe_report(metrics)

    def explain_row(self, row_id: str, recipe: str = "") -> dict[str, JsonValue]:
        """Return where a row ended, why, and the row itself; its beginning names it too."""
        if not re.fullmatch(r"[0-9a-f]{6,32}", row_id):
            raise OutputError("expected a row_id: 6 to 32 hexadecimal digits")
        return explain_one(self._find(recipe), row_id, overrides=self._overrides).facts

    def try_formula(self, formula: str, recipe: str = "") -> dict[str, JsonValue]:
        """Decide the first rows of a recipe's source by another formula, and count; change nothing.

        The formula is over the recipe's signals. Raises RecipeError for one that would read a file
        or the environment: those are for people to write into the recipe.
        """
        given = self._find(recipe)
        parsed = parse(formula)
        if parsed.calls:
            name = next(iter(parsed.calls.values())).kind
            raise RecipeError(
                f"formula: '{name}(...)' makes a signal, expected names of the recipe's signals"
            )
        changes = (*self._overrides, f"keep={parsed.text}")
        return {"formula": parsed.text, **explain_plan(given, overrides=changes).facts}

    def diff_versions(
        self, recipe: str = "", before: str = "", after: str = ""
    ) -> dict[str, JsonValue]:
        """Return which rows differ between two versions, or a version and a plan, and why.

        A version is its number, a date or a tag; a plan is its id, or `plan` for the latest.
        """
        found = compare_versions(
            self._find(recipe), before or None, after or None, overrides=self._overrides
        )
        told: dict[str, JsonValue] = found.model_dump(mode="json", exclude={"distributions"})
        return told

    def list_plans(self, recipe: str = "") -> dict[str, JsonValue]:
        """Return the plans that lie there: id, state, and what each would change."""
        found: list[JsonValue] = [
            {
                "plan_id": one.plan.plan_id,
                "state": one.state,
                "stale": list(one.stale),
                "verdict": one.plan.verdict,
                "base_version": one.plan.base_version,
                "changes": one.plan.changes.model_dump(mode="json"),
                "by": one.plan.by,
            }
            for one in list_plans(self._find(recipe), overrides=self._overrides)
        ]
        return {"plans": found}

    def apply_plan(self, plan_id: str, note: str, recipe: str = "") -> dict[str, JsonValue]:
        """Publish the plan with exactly this id, and record why.

        Raises OutputError for the beginning of an id, and for a plan that is stale or refused.
        """
        if not _PLAN_ID.fullmatch(plan_id):
            raise OutputError(
                f"'{plan_id}' is no id of a plan, expected one such as 20261121T103300000Z-7f3a: "
                "list_plans gives them"
            )
        if not note.strip():
            raise OutputError("note is empty, expected the reason why this plan is applied")
        result = apply(self._find(recipe), plan_id, note=note, overrides=self._overrides)
        return {"version": result.version, "rows": result.set_rows, "plan_id": plan_id}

    def _find(self, recipe: str) -> str:
        if not recipe and len(self._recipes) == 1:
            return next(iter(self._recipes.values()))
        if recipe not in self._recipes:
            raise SiftsetError(f"no recipe '{recipe}', expected one of {', '.join(self.names)}")
        return self._recipes[recipe]


def _describe_run(metrics: RunMetrics) -> dict[str, JsonValue]:
    run = metrics.run
    return {
        "run_id": run.run_id,
        "command": run.command,
        "verdict": metrics.verdict,
        "version": run.version,
        "started": run.started,
        "seconds": run.seconds,
        "rows": metrics.rows.model_dump(mode="json"),
    }


def describe_report(metrics: RunMetrics) -> dict[str, JsonValue]:
    """Return what a report says in figures, without a row of the data."""
    findings: list[JsonValue] = [
        {"level": one.level, "claim": one.claim, "todo": one.todo, "command": one.command}
        for one in rank_statements(find_statements(metrics))
    ]
    failed = [one for one in metrics.checks if not one.passed]
    alone = {} if metrics.funnel is None else {o.signal: o for o in metrics.funnel.leave_one_out}
    signals: list[JsonValue] = [
        {
            "name": one.name,
            "kind": one.kind,
            **one.model_dump(include={"true", "false", "unknown", "faults"}),
            "removes_alone": alone[one.name].removed if one.name in alone else None,
            "admits_alone": alone[one.name].added if one.name in alone else None,
        }
        for one in (metrics.funnel.signals if metrics.funnel else ())
    ]
    repeats, precision = metrics.duplicates, metrics.label_precision
    drift = {"name", "against", "value", "unit", "level", "limits"}
    leaks = {"kind", "left", "right", "rows", "of"}
    return {
        **_describe_run(metrics),
        "recipe": metrics.run.recipe,
        "formula": metrics.run.formula,
        "findings": findings,
        "checks_passed": len(metrics.checks) - len(failed),
        "checks_failed": [_describe_check(one) for one in failed],
        "signals": signals,
        "duplicates": repeats.model_dump(exclude={"groups"}) if repeats else None,
        "label_precision": precision.model_dump(mode="json") if precision else None,
        "leakage": [one.model_dump(include=leaks) for one in metrics.leakage],
        "drift": [one.model_dump(include=drift) for one in metrics.drift],
    }


def _describe_check(check: Check) -> dict[str, JsonValue]:
    shown = {"name", "column", "stage", "severity", "failed", "rows", "observed", "threshold"}
    return {"asks": check.words, **check.model_dump(include=shown)}
