"""From raw text to a published version of the retraining set, or to a clear reason why not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from siftset.pipeline.commands.publish_run import BuiltVersion, publish_run
from siftset.pipeline.engines.sift import forget_answers, open_resolver, sift_shards
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.run.context import CurateOptions, CurateRun
from siftset.pipeline.run.job import SECTIONS, load_job
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.stages.lay_plan import find_waiting, waiting_result
from siftset.pipeline.stages.publish import (
    existing_result,
    finish_commit,
    name_what_stands,
    sync_remote,
)
from siftset.pipeline.stages.release_quarantine import release_rows
from siftset.pipeline.stages.resolve_duplicates import resolve_duplicates
from siftset.pipeline.stages.sampled_input import sampled_rows
from siftset.pipeline.stages.shard_packs import pack_shards
from siftset.pipeline.storage.folder_guard import check_output_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.ownership import check_owner
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import SiftsetError
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import RecipeLike
from siftset.schemas.results.summary import CurateResult


def curate(
    recipe: RecipeLike,
    data: object | None = None,
    *,
    overrides: Sequence[str] = (),
    options: CurateOptions | None = None,
    progress: Progress | None = None,
) -> CurateResult:
    """Run a recipe: read, check, sift, dedupe, split, gate and publish one new version.

    `data` takes the place of the recipe's source: a pandas, polars or Arrow table, a LazyFrame, a
    RecordBatchReader, a DuckDB relation, a datasets.Dataset or DatasetDict, or a list of dicts.
    A second run of the same recipe on the same input publishes nothing and returns the earlier
    result with `new` false; `fresh` scores all rows again first, `fresh_set` publishes anyway.
    Raises a SiftsetError for what the user can fix.
    """
    clock = time.perf_counter()
    wanted = options or CurateOptions()
    wanted.check_engine()
    shown = progress or Silent()
    loaded, _ = open_store(recipe, overrides=overrides, uses=SECTIONS, progress=shown)
    job = load_job(loaded, data, limit=wanted.limit)
    if wanted.release_quarantine:
        if wanted.limit is not None or wanted.sample is not None:
            raise SiftsetError(
                "--release-quarantine needs the whole source: leave --limit and --sample out"
            )
        job, said = release_rows(job, wanted.fixed)
        shown.say(said)
    with hold_lock(check_output_folder(job.output), timeout=wanted.lock_timeout):
        store = Store(job.output)
        check_owner(store, job.recipe.name, take_over=wanted.take_over)
        finish_commit(store)
        done = None if wanted.always_runs else existing_result(store, job.key)
        if done is not None:
            if sync_remote(job.loaded, store):
                shown.say(f"sent what an earlier run had published: version {done.version}")
            return done
        if wanted.fresh:
            forget_answers(job)
        waiting = find_waiting(store, job.key) if wanted.plan and not wanted.fresh else None
        if waiting is not None:
            return waiting_result(store, waiting)
        with work_folder(job.output) as folder, name_what_stands(store):
            return publish_run(
                CurateRun(job, store, wanted, shown, folder, clock=clock), build_version
            )


def build_version(run: CurateRun) -> BuiltVersion:
    """Read all rows, or those that a preview is about, and resolve their duplicates."""
    sources, sample = run.job.sources, run.options.sample
    if sample is not None:
        shards = sampled_rows(sources.shards, sample, seed=run.job.recipe.seed)
        sources = replace(sources, shards=shards)
    if run.options.engine == "local":
        sources = replace(sources, shards=pack_shards(sources.shards))
    results = sift_shards(run, sources)
    return BuiltVersion(sources.shards, results, resolve_duplicates(run, results, open_resolver))
