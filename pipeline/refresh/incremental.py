"""One refresh: read what is new, settle it against what is there, gate, publish in one commit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from siftset.pipeline.commands.diff import count_turnover
from siftset.pipeline.engines.shard_results import close_shards
from siftset.pipeline.engines.sift import check_engine, count_scored, sift_shards
from siftset.pipeline.profile.state import ProfileState
from siftset.pipeline.refresh.change import Change, drops, find_change
from siftset.pipeline.refresh.file_scans import SCANS, Scans
from siftset.pipeline.refresh.plan import Plan, make_plan
from siftset.pipeline.refresh.stored_input import NoRows
from siftset.pipeline.refresh.write_version import Written, write_change
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.run.context import CurateOptions, CurateRun
from siftset.pipeline.run.job import SECTIONS, load_job
from siftset.pipeline.run.progress_file import ProgressFile
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.stages.judgement import Assessment
from siftset.pipeline.stages.process_shard import ShardResult
from siftset.pipeline.stages.profiles import PROFILE
from siftset.pipeline.stages.publish import (
    Addition,
    existing_result,
    finish_commit,
    preview,
    publish,
    store_refused_run,
)
from siftset.pipeline.stages.run_outcome import RunOutcome
from siftset.pipeline.stages.verdict import assess_run
from siftset.pipeline.storage.catalog import PROGRESS
from siftset.pipeline.storage.folder_guard import check_output_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.refresh_ledger import METADATA, RefreshLedger, ShardEntry, ShardList
from siftset.pipeline.storage.table import Store
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.results.summary import Balance, CurateResult, Turnover

if TYPE_CHECKING:
    from siftset.pipeline.stages.process_shard import Outcome


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
    _take_ledger(loaded, store)
    scans = Scans(ledger.path / SCANS)
    job = load_job(loaded, scans=scans)
    with hold_lock(check_output_folder(job.output), timeout=wanted.lock_timeout):
        _take_over(loaded, store, shown)
        _take_ledger(loaded, store)  # again: another machine may have published before the lock
        finish_commit(store)
        with work_folder(job.output) as folder:
            plan = make_plan(job, store, _book(store, ledger), folder)
            done = None if wanted.is_preview or wanted.fresh else existing_result(store, plan.key)
            if done is not None:
                return done
            keyed = replace(job, key=plan.key)
            run = CurateRun(keyed, store, wanted, shown, folder, "refresh", clock=clock)
            live = ProgressFile(shown, folder / PROGRESS, run.run_id, job.recipe.name)
            try:
                result = _carry_out(replace(run, progress=live), plan, ledger)
                scans.keep()
                return result
            finally:
                for warning in job.decider.close():
                    shown.say(f"warning: {warning}")


def _take_ledger(loaded: LoadedRecipe, store: Store) -> None:
    """Fetch what a refresh knows of earlier inputs, where that lies in a store."""
    if is_address(loaded.recipe.output):
        from siftset.pipeline.remote_output.pull import open_origin, take_ledger

        origin, commit = open_origin(loaded), store.current()
        if origin is not None:
            take_ledger(origin, None if commit is None else commit.metadata.get(METADATA))


def _take_over(loaded: LoadedRecipe, store: Store, progress: Progress) -> None:
    """Go on from the copy of the set on a machine that has none."""
    mirror = loaded.recipe.mirror
    if is_address(loaded.recipe.output):
        from siftset.pipeline.remote_output.pull import open_origin, take_over

        origin = open_origin(loaded)
        if origin is not None:
            take_over(origin)
    elif mirror is not None:
        from siftset.pipeline.remote_output.mirror import restore_set

        if restore_set(store, mirror):
            progress.say(f"the set was taken over from {mirror}")


def _book(store: Store, ledger: RefreshLedger) -> ShardList | None:
    commit = store.current()
    return None if commit is None else ledger.read(commit.metadata.get(METADATA))


def _carry_out(run: CurateRun, plan: Plan, ledger: RefreshLedger) -> CurateResult:
    for warning in run.job.sources.warnings:
        run.progress.say(f"warning: {warning}")
    results = _read(run, plan)
    settled = _settle(run, plan, results)
    done = settled.nothing and not run.options.is_preview and not run.options.fresh
    current = run.store.current() if done else None
    unchanged = None if current is None else existing_result(run.store, current.key)
    if unchanged is not None:
        return unchanged
    outcome = _settlement(results, settled)
    outcome.check(recorded=run.job.recipe.record != "none")
    assessment = assess_run(run, results, outcome)
    if assessment.refusal is not None:
        where = store_refused_run(run, outcome, assessment)
        close_shards(run.store.output)
        raise type(assessment.refusal)(f"{assessment.refusal}; see {where}")
    moved = _moved(run, settled)
    result = _publish(run, outcome, assessment, settled, ledger)
    close_shards(run.store.output)
    return replace(result, turnover=moved, scores=count_scored(run), nodes=run.nodes)


class _Settled(NamedTuple):
    change: Change
    written: Written
    book: ShardList
    whole: bool
    """Whether the version before is replaced, because its rows were decided in another way."""
    nothing: bool
    """Whether no row was read, entered or left."""


def _settle(run: CurateRun, plan: Plan, results: Sequence[ShardResult]) -> _Settled:
    """Find what enters and leaves, and write the files of the next version."""
    entries = _filled(plan, results)
    with run.progress.stage("find duplicates") as stage:
        change = find_change(run.job, entries, set(plan.todo), plan.before)
        stage.advance(1, f"{change.repeats.height:,} found")
    whole = plan.before is None
    written = write_change(run, change, results[0].parts["candidates"][0], whole=whole)
    moves = whole or bool(plan.todo) or bool(change.entering.any()) or change.leaving.height > 0
    book = ShardList(plan.signature, entries, drops(entries, change.kept))
    return _Settled(change, written, book, whole=whole, nothing=not moves)


def _publish(
    run: CurateRun,
    outcome: RunOutcome,
    assessment: Assessment,
    settled: _Settled,
    ledger: RefreshLedger,
) -> CurateResult:
    """Keep what the next refresh needs, then commit; a commit that fails leaves only waste."""
    if run.options.is_preview:
        return preview(run, outcome, assessment)
    written = settled.written
    if not settled.whole:
        _add_profile(run)
    kept = ledger.store(run.run_id, settled.book)
    addition = Addition(written.committed, written.mode, {METADATA: run.run_id})
    result = publish(run, outcome, assessment, addition)
    ledger.sweep(run.run_id, kept)
    return result


def _moved(run: CurateRun, settled: _Settled) -> Turnover | None:
    """Count what enters and leaves; where nothing leaves, without reading the set."""
    version = run.store.version()
    if version is None or settled.written.mode == "overwrite":
        return count_turnover(run.store, [file.path for file in settled.written.files])
    return Turnover(version, int(settled.change.entering.sum()), 0)


def _read(run: CurateRun, plan: Plan) -> list[ShardResult]:
    """Read the shards that are new; at least one, so that there are columns."""
    if not plan.todo:
        nothing = replace(run.job.sources, shards=(NoRows(run.job.sources.schema),))
        return sift_shards(replace(run, options=replace(run.options, engine="local")), nothing)
    return sift_shards(run, replace(run.job.sources, shards=tuple(plan.todo.values())))


def _filled(plan: Plan, results: Sequence[ShardResult]) -> tuple[ShardEntry, ...]:
    """Give the entries that were read their candidates."""
    read = dict(zip(plan.todo, results, strict=False))
    return tuple(
        replace(entry, candidates=read[entry.key].parts["candidates"],
                ids=read[entry.key].parts["ids"]) if entry.key in read else entry
        for entry in plan.entries
    )  # fmt: skip


def _settlement(results: Sequence[ShardResult], settled: _Settled) -> RunOutcome:
    """Draw the balance of the rows that this run read."""
    change, written = settled.change, settled.written
    balance = sum((result.balance for result in results), Balance())
    kept = int((change.kept & change.read).sum())
    duplicate = sum(part.rows for part in written.duplicates)
    again = change.repeats.filter(change.read[change.repeats["place"].to_numpy()])
    kinds = again["kind"].value_counts().iter_rows()
    names: tuple[Outcome, ...] = ("rejected", "quarantine", "unreadable")
    return RunOutcome(
        balance=replace(balance, kept=kept, duplicate=duplicate),
        unknown=sum(result.unknown for result in results),
        faulted=sum(result.faulted for result in results),
        files=written.files,
        parts={name: tuple(p for r in results for p in r.parts.get(name, ())) for name in names},
        duplicates=written.duplicates,
        kinds={str(kind): int(rows) for kind, rows in kinds},
        added=written.added,
    )


def _add_profile(run: CurateRun) -> None:
    """Add the profile of the set before to that of the new rows: later runs compare with both."""
    current, path = run.store.current(), run.folder / PROFILE
    if current is None or not path.is_file():
        return
    before = run.store.output / "runs" / current.run_id / PROFILE
    if before.is_file():
        states = [ProfileState.model_validate_json(one.read_bytes()) for one in (before, path)]
        path.write_text((states[0] + states[1]).model_dump_json(), encoding="utf-8")
