"""Publishing a plan: its files and its words become the next version, and nothing is computed.

Everything is linked out of the plan before it is moved, so that the plan stays whole until the
commit is made. A kill before the commit leaves the old version and the plan; one after it leaves
the new version, and whoever comes next finishes what follows from it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.pipeline.stages.publish import finish_commit, result_of_commit
from siftset.pipeline.storage.atomic_files import link_or_copy, read_json, sync, write_json
from siftset.pipeline.storage.plan_folder import FILES, PLAN, PlanFolder
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.pipeline.storage.table import DataFile

if TYPE_CHECKING:
    from siftset.pipeline.storage.table import Commit, Store
    from siftset.schemas.results.plan import Approval, Plan
    from siftset.schemas.results.summary import CurateResult

APPROVED_BY: Final = "siftset_approved_by"
NOTE: Final = "siftset_note"


def find_applied(store: Store, plan_id: str) -> Commit | None:
    """Return the commit that published a plan; None where it is none yet."""
    return next((commit for commit in store.history() if commit.run_id == plan_id), None)


def publish_plan(store: Store, plan: Plan, approval: Approval, work: Path) -> CurateResult:
    """Make a plan the next version of the set, in one commit; `work` is a folder of our own."""
    folder = PlanFolder(store.output, plan.plan_id)
    _place_run(store, folder, approval, work)
    (work / FILES).mkdir()
    files = []
    for file in plan.files:
        link_or_copy(folder.path / FILES / file.name, work / FILES / file.name)
        files.append(DataFile(work / FILES / file.name, file.split, file.rows))
    version = store.publish(
        files,
        run_id=plan.plan_id,
        key=plan.key,
        base=plan.base_version,
        mode=plan.mode,
        metadata={**plan.metadata, APPROVED_BY: approval.by, NOTE: approval.note},
    )
    result = replace(result_of_commit(store, store.commit_of(version)), new=True)
    finish_commit(store)
    return result


def _place_run(store: Store, folder: PlanFolder, approval: Approval, work: Path) -> None:
    """Lay the run's folder under runs/, in place of what a killed attempt left there."""
    draft = work / "run"
    shutil.copytree(
        folder.path,
        draft,
        copy_function=lambda source, target: link_or_copy(Path(source), Path(target)),
        ignore=lambda at, _: {FILES, PLAN} if Path(at) == folder.path else set(),
    )
    said = {**read_json(draft / MANIFEST), "approval": approval.model_dump(mode="json")}
    write_json(draft / MANIFEST, said)
    target = RunFolder(store.output, folder.plan_id).path
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(exist_ok=True)
    draft.replace(target)
    sync(target.parent)
