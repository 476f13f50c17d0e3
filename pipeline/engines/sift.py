"""All shards of a run, done by the engine that was asked for."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from siftset.pipeline.engines.local import map_ordered
from siftset.pipeline.engines.shard_results import close_shards
from siftset.pipeline.run.context import CurateRun
from siftset.pipeline.run.progress_file import ProgressFile
from siftset.pipeline.run.row_sample import SAMPLE_ROWS, SeededSample
from siftset.pipeline.run.score_store import StoredScores
from siftset.pipeline.stages.process_shard import ShardContext, ShardResult, process_shard
from siftset.pipeline.stages.resolve_duplicates import DuplicateResolver, LocalResolver

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job
    from siftset.pipeline.sources import Sources


def forget_answers(job: Job) -> None:
    """Drop what earlier runs scored for the signals of a job, and shards that they left done."""
    cache = job.decider.cache
    if isinstance(cache, StoredScores):
        cache.forget(question.signal for question in job.questions.values())
    close_shards(job.output)


def count_scored(run: CurateRun) -> dict[str, dict[str, int]]:
    """Count the rows that were scored and those that were not, where any answer was stored."""
    signals = run.job.decider.statistics().signals
    stored = {name: found for name, found in signals.items() if found.cached}
    return {name: {"scored": one.ran, "cached": one.cached} for name, one in stored.items()}


def sift_shards(run: CurateRun, sources: Sources) -> list[ShardResult]:
    """Read all shards and put every row where it belongs."""
    stop = threading.Event()
    fixes = run.job.fixes
    shards = list(enumerate(fixes.apply_to(sources.shards) if fixes else sources.shards))
    rows = 0 if run.job.recipe.analysis == "off" else SAMPLE_ROWS
    with run.progress.stage("read and sift", sources.records) as stage:
        context = ShardContext(
            decider=run.job.decider,
            rules=run.job.rules,
            output_rules=run.job.output_rules,
            columns=run.job.columns,
            split=run.job.split(),
            official_split=run.job.recipe.split.column is not None,
            record=run.job.recipe.record,
            content_key=run.job.content_key(),
            track_ids=run.job.has_ids,
            analyse=run.job.recipe.analysis == "full",
            keep_input=run.job.recipe.integrity.input_suite is not None,
            folder=run.folder,
            key=run.job.key,
            watch=lambda: SeededSample(sources.records, rows=rows),
            strata=run.job.strata(),
            voters=run.job.voters,
            review=run.job.review,
            clauses=run.job.clauses() if run.job.examples or run.job.cuts_labels else None,
            packed=run.options.engine == "ray" or run.command != "curate",
            stop=stop,
            advance=stage.advance,
            tally=run.progress.add_balance
            if isinstance(run.progress, ProgressFile)
            else lambda _: None,
        )
        if run.options.engine == "ray":
            from siftset.pipeline.engines.ray.driver import sift_on_cluster

            return sift_on_cluster(run, shards, context)
        return list(map_ordered(lambda s: process_shard(s[1], s[0], context), shards, stop=stop))


def open_resolver(run: CurateRun, rows: int) -> AbstractContextManager[DuplicateResolver]:
    """Open what resolves the duplicates of so many rows: a cluster where one machine takes long."""
    if run.options.engine == "local" or rows <= run.job.recipe.ray.exchange_above:
        return nullcontext(LocalResolver())
    from siftset.pipeline.engines.ray.shuffle import open_shuffle

    return open_shuffle(run)
