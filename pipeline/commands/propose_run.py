"""A run that people look at before it is published: compared with the set, and laid aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from siftset.pipeline.difference.compare import compare_states
from siftset.pipeline.difference.state import SetState, count_file_rows, current_state
from siftset.pipeline.reports.difference import describe_changes
from siftset.pipeline.run.context import CurateRun
from siftset.pipeline.run.job import describe_recipe
from siftset.pipeline.stages.judgement import Assessment
from siftset.pipeline.stages.lay_plan import lay_plan
from siftset.pipeline.stages.publish import Addition
from siftset.pipeline.stages.run_outcome import RunOutcome
from siftset.pipeline.storage.part_files import Part
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.results.difference import SetDifference, Side
from siftset.schemas.results.summary import CurateResult


def propose_run(
    run: CurateRun,
    outcome: RunOutcome,
    prepare: Callable[[CurateRun], Addition],
    assessment: Assessment,
) -> CurateResult | None:
    """Lay a run aside as a plan where it is not to be published yet; None where it is.

    `prepare` keeps what the commit rests on and returns its files.
    """
    if not run.options.plan:
        return None
    found = compare_outcome(run, outcome, assessment)
    return lay_plan(run, outcome, assessment, prepare(run), found)


def compare_outcome(run: CurateRun, outcome: RunOutcome, assessment: Assessment) -> SetDifference:
    """Compare the set that would result with the current version."""
    with run.progress.stage("compare with the set") as stage:
        found = compare_states(
            current_state(run.store),
            outcome_state(run, outcome),
            recipe=hide_values(run.job.recipe.name),
            verdict="fail" if assessment.refusal is not None else assessment.metrics.verdict,
        )
        stage.advance(1, describe_changes(found.changes))
    return found


def outcome_state(run: CurateRun, outcome: RunOutcome) -> SetState:
    """Return the state of the set that a run would make, before its files are moved."""
    files = tuple(file.path for file in outcome.files)
    parts: dict[str, Sequence[Part]] = {"duplicates": outcome.duplicates}
    parts |= {str(place): found for place, found in outcome.parts.items()}
    job = run.job
    side = Side(
        name="this plan" if run.options.plan else "this run",
        run_id=run.run_id,
        rows=count_file_rows(files),
        formula=hide_values(job.decider.formula.text),
    )
    return SetState(
        side,
        files,
        ({place: [part.path for part in found] for place, found in parts.items()},),
        {
            "recipe": describe_recipe(job),
            "formula": {"canonical": job.decider.formula.canonical},
            "signals": job.fingerprints(),
            "inputs": [dict(one) for one in job.sources.inputs],
        },
    )
