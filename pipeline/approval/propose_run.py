"""A run that people look at before it is published: compared with the set, and laid aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from siftset.pipeline.difference.compare import compare_states
from siftset.pipeline.difference.state import SetState, count_file_rows, current_state
from siftset.pipeline.profile.shares import is_above
from siftset.pipeline.reports.difference import describe_changes
from siftset.pipeline.run.context import CurateRun
from siftset.pipeline.run.job import describe_recipe
from siftset.pipeline.stages.judgement import Assessment
from siftset.pipeline.stages.lay_plan import lay_plan, write_difference
from siftset.pipeline.stages.measures.measure import name_recipe
from siftset.pipeline.stages.publish import Addition
from siftset.pipeline.stages.run_outcome import RunOutcome
from siftset.pipeline.storage.part_files import Part
from siftset.schemas.recipe.environment import hide_values
from siftset.schemas.recipe.refresh import Approve
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
    if not awaits_approval(run, assessment):
        return None
    found = compare_outcome(run, outcome, assessment)
    write_difference(run.folder, found)
    if not run.options.plan and is_small(found, run.job.recipe.refresh.approve):
        return None
    return lay_plan(run, outcome, assessment, prepare(run), found)


def awaits_approval(run: CurateRun, assessment: Assessment) -> bool:
    """Tell whether a run may have to wait: a plan was asked for, or the recipe wants approval.

    A refresh that the gate refuses is refused as ever, there is nothing to approve.
    """
    if run.options.plan:
        return True
    asked = run.command == "refresh" and run.job.recipe.refresh.approve is not False
    return asked and assessment.refusal is None and not run.options.is_preview


def is_small(found: SetDifference, approve: bool | Approve) -> bool:
    """Tell whether so few rows differ that a recipe lets them be published without approval."""
    if not isinstance(approve, Approve) or found.before.version is None:
        return False
    below, changes = approve.below, found.changes
    limits = (
        (changes.added, below.added_share),
        (changes.removed, below.removed_share),
        (changes.changed, below.changed_share),
    )
    return not any(is_above(Fraction(rows, max(1, found.before.rows)), at) for rows, at in limits)


def compare_outcome(run: CurateRun, outcome: RunOutcome, assessment: Assessment) -> SetDifference:
    """Compare the set that would result with the current version."""
    with run.progress.stage("compare with the set") as stage:
        found = compare_states(
            current_state(run.store),
            outcome_state(run, outcome),
            recipe=hide_values(run.job.recipe.name),
            verdict="fail" if assessment.refusal is not None else assessment.metrics.verdict,
        )
        stage.advance(found.before.rows + found.after.rows, describe_changes(found.changes))
    arguments = [hide_values(word) for word in name_recipe(run.job.loaded.arguments)]
    return found.model_copy(update={"arguments": tuple(arguments)})


def outcome_state(run: CurateRun, outcome: RunOutcome) -> SetState:
    """Return the state of the set that a run would make, before its files are moved."""
    files = tuple(file.path for file in outcome.files)
    parts: dict[str, Sequence[Part]] = {"duplicates": outcome.duplicates}
    parts |= {str(place): found for place, found in outcome.parts.items()}
    job = run.job
    side = Side(
        name=f"plan {run.run_id}",
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
