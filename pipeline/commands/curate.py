"""From raw text to a published version of the retraining set, or to a clear reason why not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from siftset.pipeline.commands.diff import count_turnover
from siftset.pipeline.engines.shard_results import close_shards
from siftset.pipeline.engines.sift import check_engine, count_scored, open_resolver, sift_shards
from siftset.pipeline.gate.prepare import check_kinds
from siftset.pipeline.notifications.alert import alert
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.run.context import CurateOptions, CurateRun
from siftset.pipeline.run.job import SECTIONS, Job, load_job
from siftset.pipeline.run.progress_file import ProgressFile
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.stages.publish import (
    existing_result,
    finish_commit,
    preview,
    publish,
    store_refused_run,
    sync_remote,
)
from siftset.pipeline.stages.release_quarantine import release_rows
from siftset.pipeline.stages.resolve_duplicates import resolve_duplicates
from siftset.pipeline.stages.sampled_input import sampled_rows
from siftset.pipeline.stages.verdict import assess_run
from siftset.pipeline.storage.catalog import PROGRESS
from siftset.pipeline.storage.folder_guard import check_output_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import SiftsetError
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import RecipeLike
from siftset.schemas.results.summary import CurateResult

if TYPE_CHECKING:
    import polars as pl

    from siftset.pipeline.sources import Sources


def curate(
    recipe: RecipeLike,
    data: pl.DataFrame | None = None,
    *,
    overrides: Sequence[str] = (),
    options: CurateOptions | None = None,
    progress: Progress | None = None,
) -> CurateResult:
    """Run a recipe: read, check, sift, dedupe, split, gate and publish one new version.

    A second run of the same recipe on the same input publishes nothing and returns the earlier
    result with `new` false. Raises a SiftsetError for what the user can mend.
    """
    clock = time.perf_counter()
    wanted = options or CurateOptions()
    check_engine(wanted)
    shown = progress or Silent()
    loaded, _ = open_store(recipe, overrides=overrides, uses=SECTIONS, progress=shown)
    job = load_job(loaded, data, limit=wanted.limit)
    if wanted.release_quarantine:
        job = _released(job, wanted, shown)
    with hold_lock(check_output_folder(job.output), timeout=wanted.lock_timeout):
        store = Store(job.output)
        finish_commit(store)
        done = None if wanted.fresh or wanted.is_preview else existing_result(store, job.key)
        if done is not None:
            sync_remote(job.loaded, store)
            return done
        with work_folder(job.output) as folder:
            run = CurateRun(job, store, wanted, shown, folder, clock=clock)
            live = ProgressFile(shown, folder / PROGRESS, run.run_id, job.recipe.name)
            try:
                return _carry_out(replace(run, progress=live))
            finally:
                for warning in job.decider.close():
                    shown.say(f"warning: {warning}")


def _released(job: Job, options: CurateOptions, progress: Progress) -> Job:
    if options.limit is not None or options.sample is not None:
        raise SiftsetError(
            "--release-quarantine needs the whole source: leave --limit and --sample out"
        )
    released, said = release_rows(job, options.mended)
    progress.say(said)
    return released


def _carry_out(run: CurateRun) -> CurateResult:
    sources = _sources(run)
    for warning in sources.warnings:
        run.progress.say(f"warning: {warning}")
    check_kinds(run.job.loaded)
    results = sift_shards(run, sources)
    outcome = resolve_duplicates(run, results, open_resolver)
    outcome.check(recorded=run.job.recipe.record != "none")
    assessment = assess_run(run, results, outcome)
    if assessment.refusal is not None:
        where = store_refused_run(run, outcome, assessment)
        close_shards(run.store.output)
        alert(run, where, (str(assessment.refusal),))
        raise type(assessment.refusal)(f"{assessment.refusal}; see {where}")
    partly = run.options.limit is not None or run.options.sample is not None
    files = [file.path for file in outcome.files]
    moved = None if partly else count_turnover(run.store, files)
    if run.options.release_quarantine and run.job.fixes and not run.options.is_preview:
        run.job.fixes.save(run.store.output)
    finish = preview if run.options.is_preview else publish
    result = finish(run, outcome, assessment)
    if not run.options.is_preview:
        alert(run, result.report.parent)
    close_shards(run.store.output)
    return replace(result, turnover=moved, scores=count_scored(run), nodes=run.nodes)


def _sources(run: CurateRun) -> Sources:
    sources = run.job.sources
    if run.options.sample is not None:
        count, seed = run.options.sample, run.job.recipe.seed
        return replace(sources, shards=sampled_rows(sources.shards, count, seed=seed))
    return sources
