"""One refresh: read what is new, settle it against what is there, gate, publish in one commit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from siftset.pipeline.approval.turnover import count_turnover
from siftset.pipeline.commands.publish_run import BuiltVersion, publish_run
from siftset.pipeline.engines.sift import check_engine, forget_answers, sift_shards
from siftset.pipeline.profile.state import ProfileState
from siftset.pipeline.refresh.change import SetChange, find_change, list_dropped
from siftset.pipeline.refresh.file_scans import SCANS, StoredScans
from siftset.pipeline.refresh.plan import RefreshPlan, keeps_rows, kept_types, make_plan
from siftset.pipeline.refresh.stored_input import EmptyShard, carry_ids
from siftset.pipeline.refresh.write_version import VersionFiles, write_change
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.run.context import CurateOptions, CurateRun
from siftset.pipeline.run.frozen_split import OWN
from siftset.pipeline.run.job import SECTIONS, Job, load_job
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.sources.assemble import FileShard
from siftset.pipeline.stages.freeze_split import freeze_split
from siftset.pipeline.stages.judgement import Assessment
from siftset.pipeline.stages.lay_plan import find_waiting, remove_scheduled, waiting_result
from siftset.pipeline.stages.profiles import PROFILE, profile_files
from siftset.pipeline.stages.publish import (
    Addition,
    existing_result,
    finish_commit,
    name_what_stands,
    publish,
)
from siftset.pipeline.stages.retractions import keep_retractions
from siftset.pipeline.stages.run_outcome import draw_balance
from siftset.pipeline.storage.folder_guard import check_output_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.ownership import check_owner
from siftset.pipeline.storage.part_files import rows_at
from siftset.pipeline.storage.refresh_ledger import METADATA, RefreshLedger, ShardList
from siftset.pipeline.storage.remote import origin_of
from siftset.pipeline.storage.table import Store
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.results.summary import CurateResult, Turnover

if TYPE_CHECKING:
    pass


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
    check_engine(wanted)
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
                forget_answers(job)
            # A plan holds what a joined file says now against the rows; else it needs none of them.
            if book is not None and _joins_files(job) and not _have_rows(loaded, store, book):
                book, job = None, _load_job(loaded, store, None, scans)
            plan = make_plan(job, store, book, folder, fresh=wanted.fresh)
            done = None if wanted.always_runs else existing_result(store, plan.key)
            approve = job.recipe.refresh.approve is not False and not wanted.is_preview
            if done is not None:
                if approve:  # what waits was for an input that is no longer there
                    remove_scheduled(store.output)
                return done
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


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementalVersion(BuiltVersion):
    """The version before, and what is added to and removed from it."""

    change: SetChange
    written: VersionFiles
    book: ShardList
    ledger: RefreshLedger
    replaces: bool
    """Whether the rows before are replaced, because they were decided in another way."""

    def count_turnover(self, run: CurateRun) -> Turnover | None:
        """Count the rows that are added and removed; where none is removed, without the set."""
        version = run.store.version()
        if version is None or self.written.mode == "overwrite":
            return count_turnover(run.store, [file.path for file in self.written.files])
        return Turnover(version, int(self.change.added.sum()), 0)

    def _profile_set(self, run: CurateRun) -> None:
        """Make of the profile of the new rows that of the set: later runs compare with it."""
        came_back = bool((self.change.added & ~self.change.read).any())
        if self.change.removed.height or came_back:
            # what has left cannot be taken out of a profile, whose samples of words hold no rows
            profile_files(run, self.written.files)
        else:
            _add_profile(run)

    def prepare(self, run: CurateRun) -> Addition:
        """Keep what the next refresh needs; a commit that fails, or waits, leaves only waste."""
        if not self.replaces and (run.folder / PROFILE).is_file():
            self._profile_set(run)
        keep_retractions(run, ((entry.source, entry.ids) for entry in self.book.entries))
        self.ledger.store(run.run_id, self.book)
        return Addition(self.written.committed, self.written.mode, {METADATA: run.run_id})

    def publish(self, run: CurateRun, assessment: Assessment) -> CurateResult:
        """Keep what the next refresh needs, then commit."""
        result = publish(run, self.outcome, assessment, self.prepare(run))
        self.ledger.sweep(run.run_id, self.book)
        return result


def build_increment(run: CurateRun, plan: RefreshPlan, ledger: RefreshLedger) -> IncrementalVersion:
    """Read the shards that are new, find what is added and removed, and write the files."""
    if plan.todo:
        results = sift_shards(run, replace(run.job.sources, shards=tuple(plan.todo.values())))
    else:  # at least one shard, so that there are columns
        nothing = replace(run.job.sources, shards=(EmptyShard(run.job.sources.schema),))
        results = sift_shards(replace(run, options=replace(run.options, engine="local")), nothing)
    read = {key: result.parts for key, result in zip(plan.todo, results, strict=False)}
    entries = [
        replace(
            entry,
            candidates=read[entry.key]["candidates"],
            ids=read[entry.key]["ids"],
            reviewed=read[entry.key]["reviewed"],
        )
        if entry.key in read
        else entry
        for entry in plan.entries
    ]
    entries = [
        replace(
            entry, ids=carry_ids(plan.earlier_ids[entry.key], entry.ids, run.folder / "carried")
        )
        if entry.key in plan.earlier_ids
        else entry
        for entry in entries
    ]
    candidates = sum(entry.rows for entry in entries)
    with run.progress.stage("find duplicates", candidates) as stage:
        change = find_change(run, entries, set(plan.todo), plan.before)
        repeats = change.repeats.filter(change.read[change.repeats["place"].to_numpy()])
        stage.advance(candidates, f"{repeats.height:,} found among what is new")
    replaces = plan.before is None
    strata = rows_at(change.parts, change.kept, list(OWN))
    run = replace(run, frozen=freeze_split(run, strata))
    written = write_change(run, change, results[0].parts["candidates"][0], replaces=replaces)
    outcome = draw_balance(
        results,
        repeats,
        kept=int((change.kept & change.read).sum()),
        files=written.files,
        duplicates=written.duplicates,
        unselected=written.left,
        left=int((change.left & change.read).sum()),
        choice=change.choice,
        added=written.added,
    )
    reviewed = tuple(part for entry in entries for part in entry.reviewed)
    outcome = replace(outcome, frozen=run.frozen, reviewed=reviewed)
    moves = replaces or bool(plan.todo) or bool(change.added.any()) or change.removed.height > 0
    book = ShardList(plan.signature, tuple(entries), list_dropped(entries, change.kept))
    return IncrementalVersion(
        results,
        outcome,
        moves,
        change=change,
        written=written,
        book=book,
        ledger=ledger,
        replaces=replaces,
    )


def _add_profile(run: CurateRun) -> None:
    """Add the profile of the set before to that of the new rows."""
    current, path = run.store.current(), run.folder / PROFILE
    if current is None:
        return
    before = run.store.output / "runs" / current.run_id / PROFILE
    if before.is_file():
        states = [ProfileState.model_validate_json(one.read_bytes()) for one in (before, path)]
        path.write_text((states[0] + states[1]).model_dump_json(), encoding="utf-8")
