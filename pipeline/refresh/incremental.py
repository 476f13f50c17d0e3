"""One refresh: read what is new, settle it against what is there, gate, publish in one commit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from siftset.pipeline.refresh.file_scans import SCANS, StoredScans
from siftset.pipeline.refresh.plan import keeps_rows, kept_types, make_plan
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.run.context import CurateOptions, CurateRun
from siftset.pipeline.run.job import SECTIONS, Job, load_job
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.sources.assemble import FileShard
from siftset.pipeline.stages.publish import existing_result, finish_commit, name_what_stands
from siftset.pipeline.storage.folder_guard import check_output_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.ownership import check_owner
from siftset.pipeline.storage.refresh_ledger import METADATA, RefreshLedger, ShardList
from siftset.pipeline.storage.remote import origin_of
from siftset.pipeline.storage.table import Store
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.results.summary import CurateResult

if TYPE_CHECKING:
    from siftset.pipeline.refresh.increment import IncrementalVersion
    from siftset.pipeline.refresh.plan import RefreshPlan


def refresh_set(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    options: CurateOptions | None = None,
    progress: Progress | None = None,
) -> CurateResult:
    """Bring the set up to date: what `curate` would publish, at the cost of what is new.

    `rows` of the result counts what was read by this run, `set_rows` the whole set. Where nothing
    is new, nothing is written and the earlier result is returned with `new` false.
    """
    clock = time.perf_counter()
    wanted, shown = options or CurateOptions(), progress or Silent()
    wanted.check_engine()
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS, progress=shown)
    ledger = RefreshLedger(store.output)
    _pull_ledger(loaded, store)
    scans = StoredScans(ledger.path / SCANS)
    book, version = _read_shard_list(store, ledger), store.version()
    job = _load_job(loaded, store, book, scans)
    with hold_lock(check_output_folder(job.output), timeout=wanted.lock_timeout):
        _pull_set(loaded, store, shown)
        _pull_ledger(loaded, store)  # again: another machine may have published before the lock
        check_owner(store, job.recipe.name, take_over=wanted.take_over)
        finish_commit(store)
        with work_folder(job.output) as folder, name_what_stands(store):
            if store.version() != version:
                book = _read_shard_list(store, ledger)
                job = _load_job(loaded, store, book, scans)
            if wanted.fresh:
                from siftset.pipeline.engines.sift import forget_answers

                forget_answers(job)
            # A plan holds what a joined file says now against the rows; else it needs none of them.
            if book is not None and _joins_files(job) and not _have_rows(loaded, store, book):
                book, job = None, _load_job(loaded, store, None, scans)
            plan = make_plan(job, store, book, folder, fresh=wanted.fresh)
            done = None if wanted.always_runs else existing_result(store, plan.key)
            approve = job.recipe.refresh.approve is not False and not wanted.is_preview
            if done is not None:
                if approve:  # what waits was for an input that is no longer there
                    from siftset.pipeline.stages.lay_plan import remove_scheduled

                    remove_scheduled(store.output)
                return done
            # From here on rows are read: a refresh that finds nothing new needs none of this.
            from siftset.pipeline.commands.publish_run import publish_run
            from siftset.pipeline.stages.lay_plan import find_waiting, waiting_result

            waiting = find_waiting(store, plan.key) if wanted.plan or approve else None
            if waiting is not None:
                return waiting_result(store, waiting)
            if book is not None and not _have_rows(loaded, store, book):
                job = _load_job(loaded, store, None, scans)
                plan = make_plan(job, store, None, folder, fresh=wanted.fresh)
            keyed = replace(job, key=plan.key)
            run = CurateRun(keyed, store, wanted, shown, folder, "refresh", clock=clock)
            return publish_run(run, lambda live: _build(live, plan, ledger, scans))


def _build(
    run: CurateRun, plan: RefreshPlan, ledger: RefreshLedger, scans: StoredScans
) -> IncrementalVersion:
    from siftset.pipeline.refresh.increment import build_increment

    built = build_increment(run, plan, ledger)
    scans.keep()  # before a version is sent, so that another machine need not read the files
    return built


def _load_job(
    loaded: LoadedRecipe, store: Store, book: ShardList | None, scans: StoredScans
) -> Job:
    kept = kept_types(store, book) if keeps_rows(loaded.recipe) else None
    return load_job(loaded, scans=scans, kept=kept)


def _pull_ledger(loaded: LoadedRecipe, store: Store) -> None:
    """Fetch what a refresh knows of earlier inputs, where that lies in a store."""
    if is_address(loaded.recipe.output):
        from siftset.pipeline.remote_output.pull import open_origin, pull_ledger

        origin, commit = open_origin(loaded), store.current()
        if origin is not None:
            pull_ledger(origin, None if commit is None else commit.metadata.get(METADATA))


def _joins_files(job: Job) -> bool:
    files = (shard for shard in job.sources.shards if isinstance(shard, FileShard))
    return any(shard.plan.joined is not None for shard in files)


def _have_rows(loaded: LoadedRecipe, store: Store, book: ShardList) -> bool:
    """Fetch the candidates of a book from where it lies; return whether all are here."""
    ledger = RefreshLedger(store.output)
    if not ledger.has_rows(book) and is_address(loaded.recipe.output):
        from siftset.pipeline.remote_output.ledger_packs import fetch_rows
        from siftset.pipeline.remote_output.pull import open_origin

        origin = open_origin(loaded)
        if origin is not None:
            fetch_rows(origin, [entry.key for entry in book.entries])
    return ledger.has_rows(book)


def _pull_set(loaded: LoadedRecipe, store: Store, progress: Progress) -> None:
    """Go on from the copy of the set on a machine that has none."""
    mirror = loaded.recipe.mirror
    if is_address(loaded.recipe.output):
        from siftset.pipeline.remote_output.pull import open_origin, pull_store

        origin = open_origin(loaded)
        if origin is not None:
            pull_store(origin)
    elif mirror is not None:
        from siftset.pipeline.remote_output.mirror import restore_set

        if restore_set(store, mirror):
            progress.say(f"the set was taken over from {mirror}")


def _read_shard_list(store: Store, ledger: RefreshLedger) -> ShardList | None:
    commit = store.current()
    if commit is None:
        return None
    name = commit.metadata.get(METADATA)
    # from a store the rows come once they are needed
    return ledger.read(name) if origin_of(store.output) is None else ledger.read_list(name)
