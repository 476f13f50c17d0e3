"""The spine of a run: rows are read, checked, assessed, and become a version or are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from siftset.pipeline.approval.propose_run import propose_run
from siftset.pipeline.approval.turnover import count_changed_rows, count_turnover
from siftset.pipeline.engines.shard_results import close_shards
from siftset.pipeline.engines.sift import count_scored
from siftset.pipeline.gate.prepare import check_kinds
from siftset.pipeline.notifications.alert import send_run_alert
from siftset.pipeline.run.context import CurateRun
from siftset.pipeline.run.progress_file import ProgressFile
from siftset.pipeline.stages.dead_run import store_dead_run
from siftset.pipeline.stages.judgement import Assessment
from siftset.pipeline.stages.process_shard import ShardResult
from siftset.pipeline.stages.publish import (
    Addition,
    existing_result,
    preview,
    publish,
    store_refused_run,
)
from siftset.pipeline.stages.retractions import keep_retractions
from siftset.pipeline.stages.run_outcome import RunOutcome
from siftset.pipeline.stages.shard_packs import name_source
from siftset.pipeline.stages.verdict import assess_run
from siftset.pipeline.storage.catalog import PROGRESS
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.schemas.errors import SiftsetError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.summary import CurateResult, Turnover

if TYPE_CHECKING:
    from siftset.pipeline.sources import Shard


@dataclass(frozen=True, slots=True)
class BuiltVersion:
    """The rows of a version that would result, before anyone knows whether they may be published.

    All of them were read by this run; an incremental run has a version of its own kind.
    """

    shards: Sequence[Shard]
    """What was read, packed where there were many files."""
    results: Sequence[ShardResult]
    outcome: RunOutcome
    moves: bool = True
    """Whether any row was read, added or removed."""

    def count_turnover(self, run: CurateRun) -> Turnover | None:
        """Count the rows that are added and removed; None where only some were read."""
        if run.options.limit is not None or run.options.sample is not None:
            return None
        return count_turnover(run.store, [file.path for file in self.outcome.files])

    def prepare(self, run: CurateRun) -> Addition:
        """Return the files that a commit would name; what they rest on is kept first."""
        sources = (name_source(shard) for shard in self.shards)
        ids = (one.parts.get("ids", ()) for one in self.results)
        keep_retractions(run, zip(sources, ids, strict=False))
        return Addition(self.outcome.files)

    def publish(self, run: CurateRun, assessment: Assessment) -> CurateResult:
        """Make these rows the next version of the set."""
        if run.options.release_quarantine and run.job.fixes:
            run.job.fixes.save(run.store.output)
        return publish(run, self.outcome, assessment, self.prepare(run))


def publish_run(run: CurateRun, build: Callable[[CurateRun], BuiltVersion]) -> CurateResult:
    """Carry a run out: `build` reads its rows, the gate decides, and they are published or not.

    Raises GateFailed or FaultBudgetExceeded for a run that is refused; its folder is kept, and so
    is that of a run that a defect ends.
    """
    live = ProgressFile(run.progress, run.folder / PROGRESS, run.run_id, run.job.recipe.name)
    try:
        return _carry_out(replace(run, progress=live), build)
    except (SiftsetError, KeyboardInterrupt):
        raise
    except BaseException as error:
        store_dead_run(run, error, live.balance)
        raise
    finally:
        for warning in run.job.decider.close():
            run.progress.say(f"warning: {warning}")


def _repeats_version(run: CurateRun, built: BuiltVersion) -> bool:
    """Tell whether rows that were scored again are those of the current version, answers too."""
    changed = count_changed_rows(run.store, [file.path for file in built.outcome.files])
    scored = sum(one.ran for one in run.job.decider.statistics().signals.values())
    told = (
        "the current version cannot be read"
        if changed is None
        else f"{format_count(changed, 'row')} {conjugate(changed, 'differ')}"
    )
    run.progress.say(f"scored again, {format_count(scored, 'answer')}: {told}")
    return changed == 0


def _is_judged_anew(run: CurateRun, run_id: str) -> bool:
    """Tell whether the gate reads something else than when the current version was published."""
    folder = RunFolder(run.store.output, run_id)
    judged_by = folder.manifest().get("gate") if (folder.path / MANIFEST).is_file() else None
    return judged_by is not None and judged_by != run.job.gate


def _carry_out(run: CurateRun, build: Callable[[CurateRun], BuiltVersion]) -> CurateResult:
    for warning in run.job.sources.warnings:
        run.progress.say(f"warning: {warning}")
    check_kinds(run.job.loaded)
    built, is_preview = build(run), run.options.is_preview
    current = run.store.current()
    if current is not None and not is_preview and not run.options.fresh_set:
        same = run.options.fresh and run.job.key == current.key and _repeats_version(run, built)
        moves = built.moves or run.options.fresh or _is_judged_anew(run, current.run_id)
        if same or not moves:
            unchanged = existing_result(run.store, current.key)
            assert unchanged is not None
            close_shards(run.store.output)
            return unchanged
    built.outcome.check(recorded=run.job.recipe.record != "none")
    assessment = assess_run(run, built.results, built.outcome)
    proposed = propose_run(run, built.outcome, built.prepare, assessment)
    if proposed is not None:
        close_shards(run.store.output)
        if assessment.refusal is not None:
            where = proposed.report.parent
            raise type(assessment.refusal)(f"{assessment.refusal}; see {where}")
        return replace(proposed, scores=count_scored(run), nodes=run.nodes)
    # A refresh sends its own alert, once it knows what became of the model.
    alerts = run.command == "curate"
    if assessment.refusal is not None:
        where = store_refused_run(run, built.outcome, assessment)
        close_shards(run.store.output)
        if alerts:
            send_run_alert(run, where, (str(assessment.refusal),))
        raise type(assessment.refusal)(f"{assessment.refusal}; see {where}")
    turnover = built.count_turnover(run)
    if is_preview:
        result = preview(run, built.outcome, assessment)
    else:
        result = built.publish(run, assessment)
        if alerts:
            send_run_alert(run, result.report.parent)
    close_shards(run.store.output)
    return replace(result, turnover=turnover, scores=count_scored(run), nodes=run.nodes)
