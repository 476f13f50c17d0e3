"""`siftset refresh`: the set, then old versions, then the model, then whoever is to be told."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from pydantic import JsonValue

from siftset.pipeline.notifications.openlineage import open_events, send_training_events
from siftset.pipeline.refresh.incremental import refresh_set
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.run.job import SECTIONS
from siftset.pipeline.stages.publish import sync_remote
from siftset.pipeline.storage.address import output_folder
from siftset.pipeline.storage.atomic_files import disk_full_errors
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.run_folder import RunFolder, run_folders
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import FaultBudgetExceeded, GateFailed
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike, load_recipe
from siftset.schemas.results.summary import CurateResult


def refresh(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    options: CurateOptions | None = None,
    progress: Progress | None = None,
) -> CurateResult:
    """Curate what is new, gate it, publish it, and train and promote a model when that is due.

    Raises a SiftsetError for what the user can fix; the set and the current model then stay.
    """
    wanted, shown = options or CurateOptions(), progress or Silent()
    loaded = load_recipe(recipe, overrides=overrides, uses={*SECTIONS, "refresh"})
    if loaded.recipe.refresh.may_train:
        from siftset.pipeline.refresh.promotion import check_triggers

        check_triggers(loaded)
    with (
        disk_full_errors(output_folder(loaded)),
        open_events(loaded, shown, silent=wanted.is_preview) as events,
    ):
        try:
            result = refresh_set(loaded, options=wanted, progress=shown)
        except (GateFailed, FaultBudgetExceeded) as error:
            newest = next(run_folders(output_folder(loaded)), None)
            _send_alert(loaded, newest, shown, (str(error),))
            raise
        if result.plan is not None:
            _announce_plan(result, loaded, overrides, shown)
            return result
        events.add_output(result)
        if wanted.is_preview:
            return result
        try:
            done = finish_refresh(result, loaded, shown)
        except BaseException as stop:
            if result.new:
                stop.add_note(f"version {result.version} of the set is published")
            raise
        if done.model is not None and done.model.get("due"):
            send_training_events(events, str(done.model["model"]), done)
        return done


def _announce_plan(
    result: CurateResult, loaded: LoadedRecipe, overrides: Sequence[str], progress: Progress
) -> None:
    """Send a plan to the store where there is one, and say that it waits, once."""
    if is_address(loaded.recipe.output):
        sync_remote(loaded, Store(result.output))
    url, plan = loaded.recipe.refresh.notify, result.plan
    if result.new and url and plan is not None:
        from siftset.pipeline.notifications.plan_notice import plan_message, send_notice

        changes = [part for change in overrides for part in ("--set", change)]
        command = shlex.join(["siftset", "apply", str(loaded.path), plan.plan_id, *changes])
        failed = send_notice(url, plan_message(plan, command, page=str(result.report.parent)))
        if failed:
            progress.say(f"warning: {failed}")


def finish_refresh(result: CurateResult, loaded: LoadedRecipe, progress: Progress) -> CurateResult:
    """Do what follows from the set: its copy, retention, the model, the alert."""
    if result.new and loaded.recipe.refresh.approve is not False:
        from siftset.pipeline.stages.lay_plan import remove_scheduled

        remove_scheduled(result.output)  # they rest on the version before
    store, keep = Store(result.output), loaded.recipe.refresh.keep_versions
    # What an earlier run published and could not send is finished here, all that follows included.
    sent = 0 if result.new else sync_remote(loaded, store)
    if sent:
        progress.say(f"sent what an earlier run had published: version {result.version}")
    is_news = result.new or sent > 0
    if keep is not None and is_news:
        from siftset.pipeline.remote_output.retention import remove_old_versions

        for version in remove_old_versions(store, keep):
            progress.say(f"version {version} removed: refresh.keep_versions is {keep}")
    model = renew_model(loaded, store, progress)
    if is_address(loaded.recipe.output):
        sync_remote(loaded, store)
    refused = model is not None and model.get("promoted") is False
    lines = (f"model kept but not promoted: {model['because']}",) if model and refused else ()
    if is_news or lines:
        _send_alert(loaded, RunFolder(store.output, result.run_id), progress, lines)
    return replace(result, model=model)


def renew_model(
    loaded: LoadedRecipe, store: Store, progress: Progress
) -> dict[str, JsonValue] | None:
    """Train and promote a model where that is due; None where nobody asked for it."""
    if not loaded.recipe.refresh.may_train:
        return None
    from siftset.pipeline.refresh import promotion

    return promotion.renew_model(loaded, store, progress)


def _send_alert(
    loaded: LoadedRecipe, folder: RunFolder | None, progress: Progress, lines: tuple[str, ...]
) -> None:
    """Send an alert about a run, where the recipe names a webhook."""
    url = loaded.recipe.refresh.notify
    if url is None or folder is None:
        return
    from siftset.pipeline.notifications.webhook import send_alert
    from siftset.pipeline.profile.history import METRICS, read_metrics

    metrics = read_metrics(folder.path / METRICS)
    if metrics is not None:
        failed = send_alert(url, metrics, lines)
        if failed:
            progress.say(f"warning: {failed}")
