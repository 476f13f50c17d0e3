"""From raw text to a published version of the retraining set, or to a clear reason why not."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.pipeline.commands.diff import turnover
from siftset.pipeline.commands.export import open_store
from siftset.pipeline.engines.local import map_ordered
from siftset.pipeline.engines.shard_results import close_shards
from siftset.pipeline.notifications.alert import alert
from siftset.pipeline.run.context import CurateOptions, Run
from siftset.pipeline.run.job import Job, load_job
from siftset.pipeline.run.progress_file import Live
from siftset.pipeline.run.row_sample import SAMPLE_ROWS, SampleWatch
from siftset.pipeline.stages.process_shard import ShardResult, Work, work_on
from siftset.pipeline.stages.publish import complete, copy, earlier, leave, preview, publish
from siftset.pipeline.stages.release_quarantine import release
from siftset.pipeline.stages.resolve_duplicates import settle_rows
from siftset.pipeline.stages.run_gate import check_kinds
from siftset.pipeline.stages.sampled_input import sampled_rows
from siftset.pipeline.stages.verdict import assess
from siftset.pipeline.storage.atomic_files import told_when_full
from siftset.pipeline.storage.catalog import PROGRESS
from siftset.pipeline.storage.folder_guard import output_of_ours
from siftset.pipeline.storage.lock import locked
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import MissingExtraError, SiftsetError
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.results.summary import Balance, CurateResult

if TYPE_CHECKING:
    import polars as pl

    from siftset.pipeline.sources import Shard, Sources

WORK: Final = ".work"


def curate(
    recipe: str | Path,
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
    open_store(recipe, overrides=overrides, progress=shown)
    job = load_job(recipe, data, overrides=overrides, limit=wanted.limit)
    if wanted.release_quarantine:
        job = _released(job, wanted, shown)
    with locked(output_of_ours(job.output), timeout=wanted.lock_timeout):
        store = Store(job.output)
        complete(store)
        done = None if wanted.fresh or wanted.is_preview else earlier(store, job.key)
        if done is not None:
            copy(job.loaded, store)
            return done
        with work_folder(job.output) as folder:
            run = Run(job, store, wanted, shown, folder, clock=clock)
            live = Live(shown, folder / PROGRESS, run.run_id, job.recipe.name)
            try:
                return _carry_out(replace(run, progress=live))
            finally:
                for warning in job.decider.close():
                    shown.say(f"warning: {warning}")


def check_engine(options: CurateOptions) -> None:
    """Raise MissingExtraError for an engine that is not installed."""
    from importlib.util import find_spec

    if options.engine == "ray" and find_spec("ray") is None:
        raise MissingExtraError("the engine ray", "ray")


def _released(job: Job, options: CurateOptions, progress: Progress) -> Job:
    if options.limit is not None or options.sample is not None:
        raise SiftsetError(
            "--release-quarantine needs the whole source: leave --limit and --sample out"
        )
    released, said = release(job, options.mended)
    progress.say(said)
    return released


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """Give a folder of our own, and take away it and what killed runs left of theirs."""
    root = output / WORK
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    try:
        with told_when_full(output):
            yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _carry_out(run: Run) -> CurateResult:
    sources = _sources(run)
    for warning in sources.warnings:
        run.progress.say(f"warning: {warning}")
    check_kinds(run.job.loaded)
    results = sift(run, sources)
    settlement = settle_rows(run, results)
    settlement.check(recorded=run.job.recipe.record != "none")
    assessment = assess(run, results, settlement)
    if assessment.refusal is not None:
        where = leave(run, settlement, assessment)
        close_shards(run.store.output)
        alert(run, where, (str(assessment.refusal),))
        raise type(assessment.refusal)(f"{assessment.refusal}; see {where}")
    partly = run.options.limit is not None or run.options.sample is not None
    files = [file.path for file in settlement.files]
    moved = None if partly else turnover(run.store, files)
    if run.options.release_quarantine and run.job.mended and not run.options.is_preview:
        run.job.mended.save(run.store.output)
    finish = preview if run.options.is_preview else publish
    result = finish(run, settlement, assessment)
    if not run.options.is_preview:
        alert(run, result.report.parent)
    close_shards(run.store.output)
    return replace(result, turnover=moved, scores=scored(run), nodes=run.nodes)


def scored(run: Run) -> dict[str, dict[str, int]]:
    """Count the rows that were scored and those that were not, where any answer was stored."""
    signals = run.job.decider.statistics().signals
    stored = {name: found for name, found in signals.items() if found.cached}
    return {name: {"scored": one.ran, "cached": one.cached} for name, one in stored.items()}


def _sources(run: Run) -> Sources:
    sources = run.job.sources
    if run.options.sample is not None:
        count, seed = run.options.sample, run.job.recipe.seed
        return replace(sources, shards=sampled_rows(sources.shards, count, seed=seed))
    return sources


def _untold(balance: Balance) -> None:
    """Tell nobody."""


def sift(run: Run, sources: Sources) -> list[ShardResult]:
    """Read all shards and put every row where it belongs."""
    stop = threading.Event()
    mended = run.job.mended
    shards = list(enumerate(mended.over(sources.shards) if mended else sources.shards))
    rows = 0 if run.job.recipe.analysis == "off" else SAMPLE_ROWS
    with run.progress.stage("read and sift", sources.records) as stage:
        work = Work(
            decider=run.job.decider,
            rules=run.job.rules,
            goes_out=run.job.goes_out,
            columns=run.job.columns,
            split=run.job.split(),
            official_split=run.job.recipe.split.column is not None,
            record=run.job.recipe.record,
            text_keys=run.job.recipe.dedupe.exact,
            track_ids=run.job.has_ids,
            analyse=run.job.recipe.analysis == "full",
            keep_input=run.job.recipe.integrity.input_suite is not None,
            folder=run.folder,
            key=run.job.key,
            watch=lambda: SampleWatch(sources.records, rows=rows),
            stop=stop,
            advance=stage.advance,
            tally=run.progress.count if isinstance(run.progress, Live) else _untold,
        )
        return _all_done(run, shards, work)


def _all_done(run: Run, shards: list[tuple[int, Shard]], work: Work) -> list[ShardResult]:
    """Have the shards done by the engine that was asked for."""
    if run.options.engine == "ray":
        from siftset.pipeline.engines.ray.driver import sift_on_cluster

        return sift_on_cluster(run, shards, work)
    return list(map_ordered(lambda s: work_on(s[1], s[0], work), shards, stop=work.stop))
