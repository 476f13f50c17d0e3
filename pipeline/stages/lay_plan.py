"""A version that is prepared in full and not published: everything but the commit, laid aside.

What the commit needs lies in `plans/<id>/` when its folder appears: the files, synced, the folder
of the run, and in plan.json every word that the commit will say. Applying reads nothing else.
"""

from __future__ import annotations

import getpass
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.pipeline.profile.history import read_history
from siftset.pipeline.reports.difference import difference_page
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.run.fingerprints import fingerprint_rules
from siftset.pipeline.stages.publish import (
    REPORT,
    Addition,
    assemble_run,
    describe_commit,
    fix_seconds,
    make_result,
    render_report,
    result_of_commit,
)
from siftset.pipeline.storage.atomic_files import atomic_write, sync
from siftset.pipeline.storage.plan_folder import (
    DIFF_HTML,
    DIFF_JSON,
    FILES,
    PlanFolder,
    read_plans,
    remove_leftovers,
)
from siftset.pipeline.storage.table import Commit
from siftset.schemas.recipe.environment import hide_in_json, hide_values
from siftset.schemas.results.difference import SetDifference
from siftset.schemas.results.plan import Plan, PlannedFile

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.judgement import Assessment
    from siftset.pipeline.stages.run_outcome import RunOutcome
    from siftset.pipeline.storage.table import Store
    from siftset.schemas.results.summary import CurateResult

UNKNOWN: Final = "unknown"


def lay_plan(
    run: CurateRun,
    outcome: RunOutcome,
    assessment: Assessment,
    addition: Addition,
    difference: SetDifference,
) -> CurateResult:
    """Lay a run aside as a plan; its difference lies in the run's folder already.

    A refused run is written too, so that people see what it would have done; it is never applied.
    """
    assessment = fix_seconds(run, assessment)
    result = make_result(run, outcome, assessment, version=None)
    base, store = run.store.version(), run.store
    draft = assemble_run(run, outcome, assessment, state="prepared", base=base)
    render_report(draft, history=read_history(store.output))
    (draft / FILES).mkdir()
    files = []
    for file in addition.files:
        sync(file.path)  # here, so that applying has nothing to wait for
        file.path.replace(draft / FILES / file.path.name)
        files.append(PlannedFile(name=file.path.name, split=file.split, rows=file.rows))
    refusal = assessment.refusal
    plan = Plan(
        plan_id=run.run_id,
        recipe=hide_values(run.job.recipe.name),
        command="refresh" if run.command == "refresh" else "curate",
        scheduled=not run.options.plan,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        by=hide_values(run.options.by or find_user()),
        base_version=base,
        key=run.job.key,
        mode=addition.mode,
        files=tuple(files),
        metadata={**addition.metadata, **describe_commit(run, result)},
        rules=fingerprint_rules(run.job.loaded, run.job.decider),
        inputs=tuple(dict(one) for one in run.job.sources.inputs),
        rows=outcome.balance.to_json(),
        set_rows=result.set_rows,
        splits=dict(outcome.splits),
        verdict="fail" if refusal is not None else result.verdict,
        refusal=None if refusal is None else hide_values(str(refusal)),
        changes=difference.changes,
    )
    folder = PlanFolder(store.output, run.run_id)
    sync(draft / FILES)
    folder.place(draft, plan)
    _remove_older(store.output, plan)
    write_index(store.output)
    return replace(result, report=folder.path / REPORT, plan=plan)


def write_difference(folder: Path, difference: SetDifference) -> None:
    """Write diff.json and diff.html into a folder."""
    found = hide_in_json(json.loads(difference.model_dump_json()))
    with atomic_write(folder / DIFF_JSON) as draft:
        draft.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")
    with atomic_write(folder / DIFF_HTML) as draft:
        page = difference_page(SetDifference.model_validate(found), data=DIFF_JSON)
        draft.write_text(page, encoding="utf-8")


def find_waiting(store: Store, key: str) -> Plan | None:
    """Return the plan that would be made again: same run, same version, not refused."""
    version = store.version()
    for plan in read_plans(store.output):
        if (plan.key, plan.base_version, plan.refusal) == (key, version, None):
            return plan
    return None


def waiting_result(store: Store, plan: Plan) -> CurateResult:
    """Return the result of a run whose plan waits already."""
    commit = Commit(-1, plan.plan_id, plan.key, plan.metadata)
    report = PlanFolder(store.output, plan.plan_id).path / REPORT
    return replace(result_of_commit(store, commit), version=None, report=report, plan=plan)


def remove_scheduled(output: Path, *, but: str = "") -> list[str]:
    """Remove the plans that refreshes laid, one left out; return their ids."""
    old = [plan.plan_id for plan in read_plans(output) if plan.scheduled and plan.plan_id != but]
    for plan_id in old:
        PlanFolder(output, plan_id).discard()
    return old


def _remove_older(output: Path, plan: Plan) -> None:
    """Let a plan take the place of those that it makes superfluous.

    These are what refreshes laid before, and the plans of the same recipe for an earlier input.
    """
    remove_leftovers(output)
    if plan.scheduled:
        remove_scheduled(output, but=plan.plan_id)
    for found in read_plans(output):
        if found.rules == plan.rules and found.plan_id != plan.plan_id:
            PlanFolder(output, found.plan_id).discard()


def find_user() -> str:
    """Return who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        return UNKNOWN
