"""Plans under an output folder: versions that were prepared and not yet published.

    plans/<id>/plan.json   what it rests on and what the commit will say
    plans/<id>/set/        the files that the commit will name
    plans/<id>/diff.html   which rows would change, and why
    plans/<id>/...         everything else as it will lie under runs/: report, manifest, decisions

A folder appears whole or not at all. The id is that of the run which made it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from siftset.pipeline.storage.atomic_files import atomic_write, sync
from siftset.pipeline.storage.refresh_ledger import LEDGER
from siftset.schemas.errors import OutputError

if TYPE_CHECKING:
    from siftset.schemas.results.plan import Plan

PLANS: Final = "plans"
PLAN: Final = "plan.json"
DIFF_HTML: Final = "diff.html"
DIFF_JSON: Final = "diff.json"
FILES: Final = "set"


@dataclass(frozen=True, slots=True)
class PlanFolder:
    """The folder of one plan."""

    output: Path
    plan_id: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.output / PLANS / self.plan_id

    def read(self) -> Plan:
        """Return what it says; raises OutputError where it cannot be read."""
        from siftset.schemas.results.plan import Plan

        try:
            return Plan.model_validate_json((self.path / PLAN).read_bytes())
        except (OSError, ValidationError) as error:
            raise OutputError(
                f"{self.path / PLAN} cannot be read ({str(error).splitlines()[0]}): remove the "
                "folder and run  siftset plan  again"
            ) from error

    def place(self, draft: Path, plan: Plan) -> None:
        """Write plan.json into a draft, and give the whole its name."""
        write_plan(draft, plan)
        self.path.parent.mkdir(exist_ok=True)
        draft.replace(self.path)
        sync(self.path.parent)

    def discard(self) -> None:
        """Remove it, and what the next refresh would have needed of it."""
        self.remove()
        shutil.rmtree(self.output / LEDGER / self.plan_id, ignore_errors=True)

    def remove(self) -> None:
        """Remove it; one that is cut off in between is none any more."""
        if not self.path.is_dir():
            return
        (self.path / PLAN).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def write_plan(folder: Path, plan: Plan) -> None:
    """Write plan.json into a folder."""
    with atomic_write(folder / PLAN) as draft:
        draft.write_text(plan.model_dump_json(indent=1) + "\n", encoding="utf-8")


def plan_folders(output: Path) -> Iterator[PlanFolder]:
    """Yield the plans under `output`, latest first."""
    folder = output / PLANS
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    for name in sorted(names, reverse=True):
        if (folder / name / PLAN).is_file():
            yield PlanFolder(output, name)


def find_plans(names: Iterable[str]) -> list[str]:
    """Return the ids of the plans that are whole among names relative to an output."""
    parts = [name.split("/") for name in names]
    return [one[1] for one in parts if len(one) == 3 and (one[0], one[2]) == (PLANS, PLAN)]


def remove_leftovers(output: Path) -> None:
    """Remove what is left of plans whose removal was cut off."""
    folder = output / PLANS
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not (path / PLAN).is_file():
            shutil.rmtree(path, ignore_errors=True)


def read_plans(output: Path) -> list[Plan]:
    """Return what the plans under `output` say, latest first; those that say nothing left out."""
    found = []
    for folder in plan_folders(output):
        try:
            found.append(folder.read())
        except OutputError:
            continue
    return found
