"""What lies under an output folder: its runs, versions and models, and a run in progress."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue, ValidationError

from siftset.pipeline.profile.history import METRICS, read_metrics, read_overview
from siftset.pipeline.storage.atomic_files import read_json
from siftset.pipeline.storage.plan_folder import DIFF_HTML, PLANS, read_plans
from siftset.pipeline.storage.remote import NOTE
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.pipeline.storage.tags import Tag, read_tags
from siftset.schemas.errors import OutputError
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.plan import Approval, Plan

if TYPE_CHECKING:
    from siftset.schemas.results.comparison import Comparison

PROGRESS: Final = "progress.json"
INDEX: Final = "index.html"
_MOST_RUNS: Final = 200
_LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run: what lists show of its metrics, and its page, relative to the output folder.

    Of the latest run all of its metrics are there.
    """

    metrics: RunMetrics
    page: str | None
    difference: str | None = None
    """The page of what differs from the version before."""
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model: its comparison, where there is one, and its page."""

    name: str
    comparison: Comparison | None
    page: str | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """An output folder; runs and models are in order, the oldest first."""

    name: str
    runs: tuple[RunEntry, ...] = ()
    models: tuple[ModelEntry, ...] = ()
    versions: tuple[int, ...] = ()
    """Those that lie as plain files beside the page; none where the page is for a store."""
    progress: dict[str, JsonValue] | None = None
    plans: tuple[Plan, ...] = ()
    """Those that wait, the latest first."""
    plan_arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By plan, the recipe and its changes as they were typed."""
    tags: Mapping[str, Tag] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    """Output folders that lie directly under this one."""
    recipe: str = ""
    """The file of the recipe that made the current version, where it is known."""

    @property
    def published(self) -> tuple[RunEntry, ...]:
        """The runs that made a version."""
        return tuple(one for one in self.runs if one.metrics.run.version is not None)


def read_catalog(output: Path) -> Catalog:
    """Read an output folder; what cannot be read is left out."""
    laid = () if (output / NOTE).is_file() else _list_folders(output / "versions")
    versions = [int(one.name) for one in laid if one.name.isdigit()]
    others = [one.name for one in _list_folders(output) if is_output(one)]
    runs = []
    for folder in _list_folders(output / "runs")[-_MOST_RUNS:]:
        metrics = read_overview(folder / METRICS)
        if metrics is not None:
            runs.append(
                RunEntry(
                    metrics,
                    _page_below(folder, output, "report.html"),
                    _page_below(folder, output, DIFF_HTML),
                    _read_approval(folder),
                )
            )
    if runs:  # what it found is told, which an overview leaves out
        last = output / "runs" / runs[-1].metrics.run.run_id / METRICS
        runs[-1] = replace(runs[-1], metrics=read_metrics(last) or runs[-1].metrics)
    models = []
    for folder in _list_folders(output / "models")[-_MOST_RUNS:]:
        page = _page_below(folder, output, "compare.html")
        models.append(ModelEntry(folder.name, _read_comparison(folder / "compare.json"), page))
    plans = tuple(read_plans(output))
    return Catalog(
        name=output.resolve().name,
        runs=tuple(runs),
        models=tuple(models),
        versions=tuple(sorted(versions)),
        progress=read_progress(output),
        plans=plans,
        plan_arguments={one.plan_id: _read_arguments(output, one.plan_id) for one in plans},
        tags=_read_tags(output),
        others=tuple(others),
        recipe=_find_recipe(output, runs),
    )


def _read_arguments(output: Path, plan_id: str) -> tuple[str, ...]:
    metrics = read_overview(output / PLANS / plan_id / METRICS)
    return () if metrics is None else metrics.run.arguments


def _find_recipe(output: Path, runs: Sequence[RunEntry]) -> str:
    """Return the recipe's file of the last run that published; empty where it is not there."""
    published = [one.metrics.run.run_id for one in runs if one.metrics.run.version is not None]
    if not published:
        return ""
    try:
        recipe = RunFolder(output, published[-1]).manifest().get("recipe")
    except OutputError:
        return ""
    named = recipe.get("file") if isinstance(recipe, dict) else None
    return named if isinstance(named, str) and Path(named).is_file() else ""


def is_output(folder: Path) -> bool:
    """Say whether runs or models lie in a folder, or a first run makes it."""
    began = folder / ".work" / PROGRESS
    return (folder / "runs").is_dir() or (folder / "models").is_dir() or began.is_file()


def read_progress(output: Path) -> dict[str, JsonValue] | None:
    """Return what a run in progress last said of itself; None once its process is gone."""
    path = output / ".work" / PROGRESS
    try:
        if path.stat().st_size > _LARGEST:
            return None
        found: JsonValue = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and _is_alive(found.get("process")) else None


def _is_alive(process: JsonValue) -> bool:
    """Say whether a process may be alive: one that was killed leaves its last words behind."""
    if not isinstance(process, int) or process < 1 or os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _read_comparison(path: Path) -> Comparison | None:
    from siftset.schemas.results.comparison import Comparison

    try:
        return Comparison.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _read_approval(folder: Path) -> Approval | None:
    """Return who approved a run, where somebody did."""
    try:
        # most manifests name none, and hold the inputs of a year
        if b'"approval"' not in (folder / MANIFEST).read_bytes():
            return None
        said = read_json(folder / MANIFEST).get("approval")
        return Approval.model_validate(said) if said is not None else None
    except (OSError, OutputError, ValidationError):
        return None


def _read_tags(output: Path) -> dict[str, Tag]:
    try:
        return read_tags(output)
    except OutputError:
        return {}


def _page_below(folder: Path, output: Path, name: str) -> str | None:
    path = folder / name
    return path.relative_to(output).as_posix() if path.is_file() else None


def _list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder by name, hidden ones left out."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    )
