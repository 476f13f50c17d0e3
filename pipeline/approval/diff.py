"""Which rows differ between two versions, or a version and a plan, and why."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from siftset.pipeline.approval.resolve_version import resolve_version
from siftset.pipeline.difference.compare import compare_states
from siftset.pipeline.difference.state import SetState, folder_state, version_state
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.stages.lay_plan import write_difference
from siftset.pipeline.stages.measures.measure import name_recipe
from siftset.pipeline.storage.plan_folder import (
    DIFF_HTML,
    DIFF_JSON,
    FILES,
    PlanFolder,
    plan_folders,
)
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError, first_line
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.recipe.loading import RecipeLike
from siftset.schemas.results.difference import SetDifference
from siftset.schemas.results.plan import Plan

PLAN: Final = "plan"


def diff(
    recipe: RecipeLike,
    before: int | str | None = None,
    after: int | str | None = None,
    *,
    overrides: Sequence[str] = (),
) -> SetDifference:
    """Compare two states of a set: which rows were added, removed and changed, and why.

    `before` and `after` are versions: a number, a date or a tag. `after` may be `plan`, the latest
    one, or the id of a plan. By default the current version is compared with the one before it, and
    a plan with the version that it rests on. The page of a version against the one before stays in
    the folder of its run, where the index links it. Raises OutputError.
    """
    found = compare_versions(recipe, before, after, overrides=overrides)
    _keep_page(open_store(recipe, overrides=overrides)[1], found)
    return found


def compare_versions(
    recipe: RecipeLike,
    before: int | str | None = None,
    after: int | str | None = None,
    *,
    overrides: Sequence[str] = (),
) -> SetDifference:
    """Do what `diff` does and write nothing."""
    loaded, store = open_store(recipe, overrides=overrides)
    name = hide_values(loaded.recipe.name)
    chosen = _find_plan(store, after)
    if chosen is not None:
        if before is None or _resolve(store, before) == chosen.base_version:
            return read_difference(PlanFolder(store.output, chosen.plan_id).path)
        old = version_state(store, _resolve(store, before))
        return compare_states(old, _plan_state(store, chosen), recipe=name, verdict=chosen.verdict)
    number = store.version() if after is None else _resolve(store, after)
    if number is None:
        raise OutputError(f"{store.path} holds no version to compare: run  siftset curate  first")
    if before is None:
        earlier = [one.version for one in store.history() if one.version < number]
        if not earlier:
            raise OutputError(
                f"{store.path}: version {number} is the first one, expected one to compare it "
                "with: publish another, or name a plan with --to plan"
            )
        before = earlier[0]
    states = (version_state(store, version) for version in (_resolve(store, before), number))
    found = compare_states(*states, recipe=name)
    named = tuple(hide_values(word) for word in name_recipe(loaded.arguments))
    return found.model_copy(update={"arguments": named})


def _keep_page(store: Store, found: SetDifference) -> None:
    """Lay the page of a version against the one before beside its report, for the index."""
    old, new = found.before.version, found.after.version
    folder = RunFolder(store.output, found.after.run_id).path
    if new is None or old is None or not (folder / MANIFEST).is_file():
        return
    follows = old == max((one.version for one in store.history() if one.version < new), default=-1)
    if follows and not (folder / DIFF_HTML).is_file():
        with suppress(OSError):  # an output that others may read only
            write_difference(folder, found)
            write_index(store.output)


def read_difference(folder: Path) -> SetDifference:
    """Return what a folder's diff.json says; raises OutputError where it cannot be read."""
    try:
        return SetDifference.model_validate_json((folder / DIFF_JSON).read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(f"{folder / DIFF_JSON} cannot be read: {first_line(error)}") from error


def _resolve(store: Store, version: int | str) -> int:
    return resolve_version(store, str(version))


def _find_plan(store: Store, after: int | str | None) -> Plan | None:
    """Return the plan that is meant, or None where a version is."""
    wanted = str(after)
    if after is None or not (wanted == PLAN or ("T" in wanted and "-" in wanted)):
        return None
    for folder in plan_folders(store.output):
        if wanted == PLAN or folder.plan_id.startswith(wanted):
            return folder.read()
    if wanted == PLAN:
        raise OutputError(f"{store.output} has no plan: run  siftset plan  first")
    return None  # a time such as 2026-05-31T18:00


def _plan_state(store: Store, chosen: Plan) -> SetState:
    fetch_below(store.output, f"plans/{chosen.plan_id}")
    folder = PlanFolder(store.output, chosen.plan_id).path
    files = [folder / FILES / file.name for file in chosen.files]
    if chosen.mode == "append":
        files += store.local_files(chosen.base_version)
    return folder_state(folder, files, name=f"plan {chosen.plan_id}", run_id=chosen.plan_id)
