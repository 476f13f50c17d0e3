"""The recipe's suites, run on what came in and on what would go out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.pipeline.gate.prepare import is_shipped
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.integrity import Integrity
from siftset.schemas.recipe.loading import LoadedRecipe

if TYPE_CHECKING:
    from siftset.pipeline.gate.checkpoint import GateResult
    from siftset.pipeline.gate.suites import Suite
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.process_shard import ShardResult
    from siftset.pipeline.stages.run_outcome import RunOutcome

FOLDER: Final = "gate"


def run_suites(
    run: CurateRun, results: Sequence[ShardResult], outcome: RunOutcome
) -> tuple[GateResult, ...]:
    """Run the recipe's suites: on what came in, then on what would go out."""
    integrity: Integrity = run.job.recipe.integrity
    if integrity.suite is None and integrity.input_suite is None:
        return ()
    from siftset.pipeline.gate.checkpoint import run_gate, scan_files

    folder, found = run.folder / FOLDER, []
    with run.progress.stage("check integrity") as stage:
        if integrity.input_suite is not None:
            parts = [part.path for result in results for part in result.parts["input"]]
            suites = _read_suites(integrity.input_suite, run.job.loaded)
            # As a frame: these files go with the run, and the project must not name them.
            rows = scan_files(parts)
            found.append(run_gate(rows, suite=suites, folder=folder, name="input", stage="input"))
        if integrity.suite is not None:
            paths = [file.path for file in outcome.files]
            suites = _read_suites(integrity.suite, run.job.loaded)
            found.append(run_gate(paths, suite=suites, folder=folder))
        checks = [check for result in found for check in result.checks]
        passed = sum(check.passed for check in checks)
        stage.advance(len(checks), f"{passed:,} of {format_count(len(checks), 'check')} pass")
    return tuple(found)


def move_project(project: Path, before: Path, after: Path) -> None:
    """Let a project of Great Expectations, and its pages, name the files where they will lie."""
    for page in project.parent.glob("data_docs/**/*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(str(before.resolve()), str(after)), encoding="utf-8")
    config = project / "great_expectations.yml"
    if not config.is_file():
        return
    from ruamel.yaml import YAML

    document = YAML(typ="safe", pure=True).load(config)
    for source in document["fluent_datasources"].values():
        for asset in source["assets"].values():
            if "paths" in asset:
                asset["paths"] = [_rebase_path(path, before, after) for path in asset["paths"]]
    # JSON is YAML, and no dumper folds a path at its spaces.
    config.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for result in project.glob("validations/**/*.json"):
        found = json.loads(result.read_text(encoding="utf-8"))
        spec = found["meta"].get("batch_spec") or {}
        if "path" in spec:
            spec["path"] = _rebase_path(spec["path"], before, after)
            result.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _rebase_path(path: str, before: Path, after: Path) -> str:
    inside = Path(path).is_relative_to(before)
    return str(after / Path(path).relative_to(before)) if inside else path


def _read_suites(suite: str, loaded: LoadedRecipe) -> tuple[Suite, ...]:
    """Lay the default suite beside the recipe where it is not yet; read what is asked for."""
    from siftset.pipeline.gate.suites import read_suites, suite_path

    path = suite_path(suite, loaded.folder, shipped=is_shipped(loaded))
    train = loaded.recipe.train
    return tuple(each.adapt_to_task(train.task if train else None) for each in read_suites(path))
