"""Plan, look, apply: a version that is prepared, looked at, and published without work twice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.notifications.plan_notice import applied_message, send_notice
from siftset.pipeline.refresh.incremental import refresh_set
from siftset.pipeline.refresh.set_and_model import finish_refresh
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.run.fingerprints import fingerprint_rules, name_changes
from siftset.pipeline.run.job import SECTIONS, load_job
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.stages.lay_plan import find_user
from siftset.pipeline.stages.publish import (
    finish_commit,
    name_what_stands,
    result_of_commit,
    sync_remote,
)
from siftset.pipeline.stages.publish_plan import find_applied, publish_plan
from siftset.pipeline.storage.folder_guard import check_output_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.ownership import check_owner
from siftset.pipeline.storage.plan_folder import PLANS, PlanFolder, plan_folders
from siftset.pipeline.storage.refresh_ledger import METADATA, RefreshLedger
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import GateFailed, OutputError
from siftset.schemas.plurals import format_count
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe
from siftset.schemas.results.plan import Approval, Plan
from siftset.schemas.results.summary import CurateResult

_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class PlanStanding:
    """A plan that lies there, and what keeps it from being applied, if anything."""

    plan: Plan
    stale: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Whether it waits, is out of date, or was refused by the gate."""
        if self.plan.refusal is not None:
            return "refused"
        return "stale" if self.stale else "waiting"


def plan(
    recipe: RecipeLike,
    data: object | None = None,
    *,
    refresh: bool = False,
    overrides: Sequence[str] = (),
    options: CurateOptions | None = None,
    progress: Progress | None = None,
) -> CurateResult:
    """Do everything that `curate`, or `refresh`, does but the commit, and write it under plans/.

    `plan` of the result is the plan that was written; None where nothing would change.
    Raises GateFailed for a run that the gate refuses: its plan is written but cannot be applied.
    """
    wanted = replace(options or CurateOptions(), plan=True)
    if refresh:
        result = refresh_set(recipe, overrides=overrides, options=wanted, progress=progress)
    else:
        result = curate(recipe, data, overrides=overrides, options=wanted, progress=progress)
    if result.plan is not None and result.new:
        loaded = load_recipe(recipe, overrides=overrides, uses={"output", "mirror"})
        if is_address(loaded.recipe.output):
            sync_remote(loaded, Store(result.output))
    return result


def apply(
    recipe: RecipeLike,
    plan_id: str | None = None,
    *,
    by: str = "",
    note: str = "",
    check_input: bool = False,
    overrides: Sequence[str] = (),
    lock_timeout: float = 0.0,
    progress: Progress | None = None,
) -> CurateResult:
    """Publish a plan as it was written, in one commit; the source is not read.

    `plan_id` may be left out where one plan waits. `by` is who approves (default: the user of this
    process). Raises OutputError for a plan that is stale, also in its input with `check_input`, and
    GateFailed for one that the gate refused. A plan that was applied before is not applied again.
    """
    clock, shown = time.perf_counter(), progress or Silent()
    loaded, store = open_store(recipe, overrides=overrides, uses={*SECTIONS, "refresh"})
    with hold_lock(check_output_folder(store.output), timeout=lock_timeout):
        check_owner(store, loaded.recipe.name, take_over=False)
        finish_commit(store)
        done = None if plan_id is None else find_applied(store, plan_id)
        if done is not None:
            return result_of_commit(store, done)
        rules = fingerprint_rules(loaded)
        chosen = choose_plan(store, plan_id, rules)
        _check_applicable(store, chosen, rules)
        if check_input:
            _check_inputs(loaded, chosen)
        approval = Approval(
            plan=chosen.plan_id,
            by=hide_values(by or find_user()),
            note=hide_values(note),
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        fetch_below(store.output, f"{PLANS}/{chosen.plan_id}")
        with work_folder(store.output) as folder, name_what_stands(store):
            result = publish_plan(store, chosen, approval, folder)
            _sweep_ledger(store, chosen)
            sync_remote(loaded, store)
    url = loaded.recipe.refresh.notify
    failed = send_notice(url, applied_message(chosen, approval, result.version)) if url else None
    if failed:
        shown.say(f"warning: {failed}")
    return finish_refresh(replace(result, seconds=time.perf_counter() - clock), loaded, shown)


def list_plans(
    recipe: RecipeLike, *, overrides: Sequence[str] = (), prune: bool = False
) -> list[PlanStanding]:
    """Return the plans that lie there, latest first; `prune` removes those that cannot be applied.

    With `prune`, the ones that were removed are returned.
    """
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS)
    rules = fingerprint_rules(loaded)
    found = [
        PlanStanding(one, tuple(find_staleness(store, one, rules)))
        for one in (folder.read() for folder in plan_folders(store.output))
    ]
    if not prune:
        return found
    with hold_lock(check_output_folder(store.output)):
        old = [one for one in found if one.state != "waiting"]
        for one in old:
            PlanFolder(store.output, one.plan.plan_id).discard()
        write_index(store.output)
        if is_address(loaded.recipe.output):
            sync_remote(loaded, store)
    return old


def choose_plan(store: Store, plan_id: str | None, rules: Mapping[str, str]) -> Plan:
    """Return the plan that an id, or its beginning, names; without one the only one that waits.

    `rules` say what decides rows today, so that plans which are out of date are passed over.
    """
    every = [folder.read() for folder in plan_folders(store.output)]
    named = [one for one in every if plan_id is None or one.plan_id.startswith(plan_id)]
    if plan_id is None and len(named) > 1:
        fit = [one for one in named if not (one.refusal or find_staleness(store, one, rules))]
        named = fit or named
    if len(named) == 1:
        return named[0]
    listed = ", ".join(one.plan_id for one in (named or every)[:_LISTED])
    if not every:
        raise OutputError(f"{store.output} has no plan: run  siftset plan  first")
    if not named:
        raise OutputError(f"{store.output} has no plan '{plan_id}', expected one of: {listed}")
    raise OutputError(
        f"{store.output} has {format_count(len(named), 'plan')}: name one of {listed}"
    )


def find_staleness(store: Store, chosen: Plan, rules: Mapping[str, str]) -> list[str]:
    """Return what changed since a plan was written, so that it is no plan of this set any more."""
    version = store.version()
    found = []
    if version != chosen.base_version:
        old, now = (
            "nothing" if one is None else f"version {one}" for one in (chosen.base_version, version)
        )
        found.append(f"it rests on {old} and the set is at {now}")
    found += [f"{name} changed" for name in name_changes(chosen.rules, rules)]
    return found


def _check_applicable(store: Store, chosen: Plan, rules: Mapping[str, str]) -> None:
    """Raise where a plan may not be applied: first the gate's no, then what changed since."""
    if chosen.refusal is not None:
        raise GateFailed(
            f"plan {chosen.plan_id} was refused: {chosen.refusal}; change the recipe or the source "
            f"and plan again; see {PlanFolder(store.output, chosen.plan_id).path}"
        )
    _refuse_stale(chosen, find_staleness(store, chosen, rules))


def _check_inputs(loaded: LoadedRecipe, chosen: Plan) -> None:
    before = {str(one.get("name")): one.get("fingerprint") for one in chosen.inputs}
    inputs = load_job(loaded).sources.inputs
    now = {str(one.get("name")): one.get("fingerprint") for one in inputs}
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    told = [f"the input {name} changed" for name in names[:_LISTED]]
    more = len(names) - len(told)
    _refuse_stale(chosen, [*told, f"{more:,} more inputs changed"] if more else told)


def _refuse_stale(chosen: Plan, stale: Sequence[str]) -> None:
    if stale:
        raise OutputError(
            f"plan {chosen.plan_id} is stale: {'; '.join(stale)}; run  siftset plan  again"
        )


def _sweep_ledger(store: Store, chosen: Plan) -> None:
    """Let go what only the version before needed for a refresh."""
    ledger, name = RefreshLedger(store.output), chosen.metadata.get(METADATA)
    book = ledger.read(name)
    if name is not None and book is not None:
        ledger.sweep(name, book)
