"""The end of a run: its folder under `runs/`, and the commit that makes its rows the set.

The order of steps is such that a crash at any moment leaves the old version or the new one:
the run's folder appears (state: prepared), the commit is made, and what follows from the commit
(`versions/<N>/`, the number in the manifest, the report, the index) is made by `complete`, which
every later run calls first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from siftset.pipeline.decisions.table import MET
from siftset.pipeline.run.job import describe_recipe
from siftset.pipeline.storage.atomic_files import atomic_write, disk_full_errors, sync, write_json
from siftset.pipeline.storage.object_store import is_address
from siftset.pipeline.storage.ownership import OWNER
from siftset.pipeline.storage.plan_folder import DIFF_HTML, DIFF_JSON, PlanFolder
from siftset.pipeline.storage.run_folder import (
    MANIFEST,
    REVIEWED,
    RunFolder,
    State,
    recipe_hash,
    software_versions,
)
from siftset.schemas.errors import OutputError, OvertakenError, SiftsetError
from siftset.schemas.recipe.environment import hide_in_json, hide_values
from siftset.schemas.results.summary import Balance, CurateResult

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.judgement import Assessment
    from siftset.pipeline.stages.run_outcome import RunOutcome
    from siftset.pipeline.storage.table import Commit, DataFile, Mode, Store
    from siftset.schemas.recipe.loading import LoadedRecipe
    from siftset.schemas.results.metrics import RunMetrics
    from siftset.schemas.results.proof import Proof

PREVIEW: Final = "preview"
FAULTS: Final = "faults.json"
REPORT: Final = "report.html"
GATE_FOLDERS: Final = ("data_docs", "gx")
_RESULT: Final = "siftset_result"


@dataclass(frozen=True, slots=True)
class Addition:
    """The files of a commit, and whether they join those of the version before or replace them."""

    files: tuple[DataFile, ...]
    mode: Mode = "overwrite"
    metadata: Mapping[str, str] = field(default_factory=dict)


def publish(
    run: CurateRun, outcome: RunOutcome, assessment: Assessment, addition: Addition | None = None
) -> CurateResult:
    """Make the run's rows the next version of the set, or what is added by an earlier one."""
    # Read before anything is written: the commit fails where another process published meanwhile.
    base = run.store.version()
    assessment = fix_seconds(run, assessment)
    result = make_result(run, outcome, assessment, version=None)
    # The run's folder comes first. A crash between it and the commit leaves a prepared run, which
    # nobody takes for a version; the other order would leave a version that nothing explains.
    _place_run(run, assemble_run(run, outcome, assessment, state="prepared", base=base))
    how = addition or Addition(outcome.files)
    version = run.store.publish(
        how.files,
        run_id=run.run_id,
        key=run.job.key,
        base=base,
        mode=how.mode,
        metadata={**how.metadata, **describe_commit(run, result)},
    )
    # From here the version stands: what follows can be made again from the commit and the folder.
    finish_commit(run.store)
    sync_remote(run.job.loaded, run.store)
    return replace(result, version=version)


def describe_commit(run: CurateRun, result: CurateResult) -> dict[str, str]:
    """Return what a commit says of the run that made it."""
    return {
        OWNER: hide_values(run.job.recipe.name),
        # In the commit itself, so that a repeated run can answer even where its folder was removed.
        _RESULT: json.dumps(hide_in_json(result.to_json())),
        "siftset_recipe": recipe_hash(run.job.recipe),
        "siftset_formula": run.job.decider.hash,
        "siftset_formula_text": hide_values(run.job.decider.formula.text),
    }


@contextmanager
def name_what_stands(store: Store) -> Iterator[None]:
    """Note on whatever stops a run which version it had published, for the last line it says."""
    before = store.version()
    try:
        yield
    except OvertakenError:
        raise
    except BaseException as stop:
        with suppress(OutputError):
            version = store.version()
            if version is not None and version != before:
                stop.add_note(f"version {version} of the set is published")
        raise


def sync_remote(loaded: LoadedRecipe, store: Store) -> int:
    """Bring the output in a store, or the copy of the set, up to date where a recipe names one.

    Return how many versions were sent.
    """
    address = loaded.recipe.output if is_address(loaded.recipe.output) else loaded.recipe.mirror
    if address is None:
        return 0
    with name_unsent(address):
        if is_address(loaded.recipe.output):
            from siftset.pipeline.remote_output.push import push_output

            return push_output(loaded)
        from siftset.pipeline.remote_output.mirror import mirror_set

        return mirror_set(store, address)


@contextmanager
def name_unsent(address: str) -> Iterator[None]:
    """Note on what stops a send, Ctrl-C among it, that the next run sends the rest."""
    try:
        yield
    except OutputError:
        raise
    except BaseException as stop:
        stop.add_note(f"not yet sent to {address}: the next run sends it")
        raise


def preview(run: CurateRun, outcome: RunOutcome, assessment: Assessment) -> CurateResult:
    """Lay what would be published into `preview/`, in place of an earlier preview."""
    assessment = fix_seconds(run, assessment)
    draft = assemble_run(run, outcome, assessment, state="preview", base=run.store.version())
    (draft / "set").mkdir(exist_ok=True)
    for file in outcome.files:
        file.path.replace(draft / "set" / file.path.name)
    render_report(draft)
    target = run.store.output / PREVIEW
    if target.exists() and not (target / MANIFEST).is_file():
        raise OutputError(
            f"{target} is no preview of siftset: expected that name to be free; rename that folder"
        )
    # Two renames: at no moment does `preview/` hold half of one preview and half of another.
    if target.exists():
        target.replace(run.folder / "old")
    draft.replace(target)
    result = make_result(run, outcome, assessment, version=None)
    return replace(result, report=target / REPORT)


def store_refused_run(run: CurateRun, outcome: RunOutcome, assessment: Assessment) -> Path:
    """Keep the folder of a run that was refused, so that the user sees why; return it."""
    from siftset.pipeline.profile.history import read_history
    from siftset.pipeline.reports.index import write_index

    draft = assemble_run(
        run, outcome, fix_seconds(run, assessment), state="refused", base=run.store.version()
    )
    render_report(draft, history=read_history(run.store.output))
    place = _place_run(run, draft).path
    write_index(run.store.output)
    try:
        if is_address(run.job.recipe.output):
            sync_remote(run.job.loaded, run.store)
    except SiftsetError as error:
        run.progress.say(f"warning: the refused run stays on this machine: {error}")
    return place


def existing_result(store: Store, key: str) -> CurateResult | None:
    """Return the result of the current version if it was made under `key`."""
    commit = store.current()
    if commit is None or commit.key != key:
        return None
    return result_of_commit(store, commit)


def finish_commit(store: Store) -> None:
    """Make all that follows from the latest commit, where a run was killed before it could."""
    commit = store.current()
    if commit is None:
        return
    with disk_full_errors(store.output):
        PlanFolder(store.output, commit.run_id).remove()
        store.lay_version(commit.version)
        folder = RunFolder(store.output, commit.run_id)
        # The manifest says `published` last of all, so a kill at any line above makes this run
        # again.
        if not (folder.path / MANIFEST).is_file() or folder.manifest().get("state") == "published":
            return
        from siftset.pipeline.profile.history import METRICS, read_history, read_metrics
        from siftset.pipeline.reports.index import write_index

        metrics = read_metrics(folder.path / METRICS)
        if metrics is not None:
            facts = metrics.run.model_copy(update={"version": commit.version})
            write_metrics(folder.path, metrics.model_copy(update={"run": facts}))
            render_report(folder.path, history=read_history(store.output, before=commit.run_id))
        write_index(store.output)
        folder.amend(state="published", version=commit.version)


def render_report(
    folder: Path, history: Sequence[RunMetrics] = (), proof: Proof | None = None
) -> None:
    """Write report.html from metrics.json, and from a proof of the run's rows."""
    from siftset.pipeline.profile.history import METRICS, read_metrics
    from siftset.pipeline.reports.run import run_report

    metrics = read_metrics(folder / METRICS)
    if metrics is not None:
        with atomic_write(folder / REPORT) as draft:
            draft.write_text(run_report(metrics, history, proof), encoding="utf-8")


def fix_seconds(run: CurateRun, assessment: Assessment) -> Assessment:
    """Fix how long the run took, once for its page, its manifest and its result."""
    facts = assessment.metrics.run.model_copy(update={"seconds": round(run.seconds, 3)})
    return replace(assessment, metrics=assessment.metrics.model_copy(update={"run": facts}))


def assemble_run(
    run: CurateRun, outcome: RunOutcome, assessment: Assessment, *, state: State, base: int | None
) -> Path:
    """Put the folder of the run together, aside."""
    from siftset.pipeline.stages.measures.profiles import PROFILE
    from siftset.pipeline.stages.retractions import RETRACTIONS
    from siftset.pipeline.stages.run_gate import FOLDER, move_project

    draft = run.folder / "run"
    draft.mkdir()
    # Files are moved, not copied, and synced before the folder that names them is put in place.
    for name, parts in (*outcome.parts.items(), ("duplicates", outcome.duplicates)):
        (draft / name).mkdir()
        for part in parts:
            part.path.replace(draft / name / part.path.name)
            sync(draft / name / part.path.name)
    for name in GATE_FOLDERS:
        if (run.folder / FOLDER / name).is_dir():
            (run.folder / FOLDER / name).replace(draft / name)
    places = {
        "prepared": run.store.path / run.run_id,
        "preview": run.store.output / PREVIEW / "set",
        "refused": Path("not stored"),
    }
    move_project(draft / "gx", run.folder / "set", places[state])
    write_metrics(draft, assessment.metrics)
    for name in (PROFILE, RETRACTIONS, DIFF_HTML, DIFF_JSON):
        if (run.folder / name).is_file():
            (run.folder / name).replace(draft / name)
    if outcome.reviewed is not None:
        # what tells a later comparison which rows differ because somebody decided
        outcome.reviewed.select(MET.names()).write_parquet(draft / REVIEWED)
        sync(draft / REVIEWED)
    if assessment.faults:
        faults: list[JsonValue] = [dict(fault) for fault in assessment.faults]
        write_json(draft / FAULTS, {"faults": hide_in_json(faults)})
    result = make_result(run, outcome, assessment, version=None)
    manifest = hide_in_json(_make_manifest(run, outcome, result, state, base))
    assert isinstance(manifest, dict)
    write_json(draft / MANIFEST, manifest)
    return draft


def _make_manifest(
    run: CurateRun, outcome: RunOutcome, result: CurateResult, state: State, base: int | None
) -> dict[str, JsonValue]:
    job = run.job
    options = run.options
    return {
        "schema_version": 1,
        "run_id": run.run_id,
        "command": "preview" if options.is_preview else run.command,
        "state": state,
        "key": job.key,
        "base_version": base,
        "version": None,
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": round(result.seconds, 3),
        "verdict": result.verdict,
        "recipe": describe_recipe(job),
        "formula": {
            "text": job.decider.formula.text,
            "canonical": job.decider.formula.canonical,
            "hash": job.decider.hash,
        },
        "signals": job.fingerprints(),
        "gate": job.gate,
        "inputs": [dict(entry) for entry in job.sources.inputs],
        "mended": None if job.fixes is None else job.fixes.fingerprint,
        "versions": dict(software_versions()),
        "rows": dict(outcome.balance.to_json()),
        "unknown_rows": outcome.unknown,
        "set_rows": result.set_rows,
        "splits": dict(outcome.splits),
        "duplicates": dict(outcome.kinds),
        "limit": options.limit,
        "sample": options.sample,
        **({} if outcome.frozen is None else {"strata": outcome.frozen.to_json()}),
        **({} if outcome.selection is None else {"select": outcome.selection.model_dump()}),
        **_describe_decisions(run, result),
    }


def _describe_decisions(run: CurateRun, result: CurateResult) -> dict[str, JsonValue]:
    log, table = run.job.log, run.job.review
    if log is None or table is None:
        return {}
    files: list[JsonValue] = [path.name for path in log.files]
    by_hand: dict[str, JsonValue] = dict(result.by_hand)
    return {"review": {"files": files, "fingerprint": table.fingerprint, "by_hand": by_hand}}


def make_result(
    run: CurateRun, outcome: RunOutcome, assessment: Assessment, *, version: int | None
) -> CurateResult:
    """Return what a run says of itself, with what a reader must not miss."""
    from siftset.pipeline.reports.run import list_warnings

    return CurateResult(
        run_id=run.run_id,
        version=version,
        rows=outcome.balance,
        report=RunFolder(run.store.output, run.run_id).report,
        seconds=assessment.metrics.run.seconds,
        new=True,
        unknown_rows=outcome.unknown,
        set_rows=outcome.set_rows,
        verdict=assessment.metrics.verdict,
        output=run.store.output,
        splits=outcome.splits,
        notes=list_warnings(assessment.metrics),
        by_hand={} if assessment.metrics.review is None else assessment.metrics.review.by_hand,
    )


def result_of_commit(store: Store, commit: Commit) -> CurateResult:
    """Return what a commit says of its run, so that it is known even without its folder."""
    said = json.loads(commit.metadata[_RESULT])
    return CurateResult(
        run_id=commit.run_id,
        version=commit.version,
        rows=Balance(**said["rows"]),
        report=RunFolder(store.output, commit.run_id).report,
        seconds=float(said["seconds"]),
        new=False,
        unknown_rows=int(said["unknown_rows"]),
        set_rows=int(said["set_rows"]),
        verdict=said["verdict"],
        output=store.output,
        splits={split: int(rows) for split, rows in said["splits"].items()},
        notes=tuple(map(str, said.get("notes", ()))),
        by_hand={name: int(rows) for name, rows in said.get("by_hand", {}).items()},
    )


def _place_run(run: CurateRun, draft: Path) -> RunFolder:
    folder = RunFolder(run.store.output, run.run_id)
    folder.path.parent.mkdir(exist_ok=True)
    # The rename must not reach the disk before what it names.
    sync(draft)
    draft.replace(folder.path)
    sync(folder.path.parent)
    return folder


def write_metrics(folder: Path, metrics: RunMetrics) -> None:
    """Write metrics.json, without the values of environment variables."""
    from siftset.pipeline.profile.history import METRICS

    text = metrics.model_dump_json(indent=1)
    found = json.loads(text)
    hidden = hide_in_json(found)
    if hidden != found:
        text = json.dumps(hidden, indent=1, ensure_ascii=False)
    with atomic_write(folder / METRICS) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
