"""Why rows are kept or not: the plan of a recipe, one row, or what a change lets in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.decisions.files import open_log
from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.decisions.table import CLAUSE, DROPPED
from siftset.pipeline.decisions.tell import describe_row_decisions
from siftset.pipeline.difference.compare import compare_states
from siftset.pipeline.difference.state import folder_state, version_state
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.reports.difference import describe_difference
from siftset.pipeline.reports.run.votes import list_votes
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.run.examples import UNSELECTED, describe_selection
from siftset.pipeline.run.job import SECTIONS, bind_formula, load_job
from siftset.pipeline.run.label_votes import CONTRADICTED
from siftset.pipeline.run.row_sample import SAMPLE_ROWS
from siftset.pipeline.sources.row_ids import mapped_ids
from siftset.pipeline.stages.publish import FAULTS, PREVIEW
from siftset.pipeline.storage.atomic_files import read_json
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.run_folder import RUNS, RunFolder, run_folders
from siftset.pipeline.storage.table import Store
from siftset.schemas.conversations import COLUMN
from siftset.schemas.errors import OutputError, SiftsetError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.progress import Progress, Silent
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.results.columns import CUT, SELECT
from siftset.schemas.results.label_metrics import VoteMetrics
from siftset.signals.evaluation.explain import explain, explain_row
from siftset.signals.evaluation.spec import one_cell
from siftset.signals.label_votes.voters import AGREEMENT, LABEL, VOTES, add_metrics

_ID_DIGITS: Final = 32
_PLACES: Final = ("rejected", "quarantine", "duplicates", "unreadable")


@dataclass(frozen=True, slots=True)
class Explained:
    """An answer to a person and to a program."""

    text: str
    facts: dict[str, JsonValue] = field(default_factory=dict)


def explain_recipe(
    recipe: RecipeLike,
    row_id: str | None = None,
    *,
    analyze: bool = False,
    version: int | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Explained:
    """Tell the plan of a recipe and what each signal costs, or why one row was kept or not.

    `analyze` decides all rows for the plan, not the first 20,000; `version` says in which version
    the row is looked for first. Raises a SiftsetError.
    """
    if row_id is not None:
        return explain_one(recipe, row_id, overrides=overrides, version=version)
    return explain_plan(recipe, analyze=analyze, overrides=overrides, progress=progress)


def explain_plan(
    recipe: RecipeLike,
    *,
    analyze: bool = False,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Explained:
    """Decide rows (the first 20,000, or all with `analyze`) and tell how that was done."""
    job = load_job(recipe, overrides=overrides, limit=None if analyze else SAMPLE_ROWS)
    votes: list[VoteMetrics] = []
    with (progress or Silent()).stage("decide", job.sources.records) as stage:
        for frame in job.read_frames(votes=votes):
            good = frame.filter(~job.rules.failing()) if job.rules.columns else frame
            job.decider.decide(good)
            stage.advance(frame.height)
    job.decider.close()
    statistics = job.decider.statistics()
    looked = "all rows" if analyze else f"the first {SAMPLE_ROWS:,} rows at most"
    lines, facts = [explain(statistics)], statistics.to_json()
    if votes:
        together = reduce(add_metrics, votes)
        lines += list_votes(together)
        facts["votes"] = together.model_dump(mode="json")
    lines.append(f"measured on {looked}")
    select, examples = job.recipe.select, job.examples
    if select is not None and examples is not None:
        chosen = describe_selection(select, examples)
        lines.append(f"then, of what the formula keeps and repeats no other row: {chosen}")
        facts["select"] = {**select.model_dump(mode="json"), "examples": len(examples.texts)}
    return Explained("\n".join(lines), facts)


def explain_one(
    recipe: RecipeLike,
    row_id: str,
    *,
    overrides: Sequence[str] = (),
    version: int | None = None,
) -> Explained:
    """Tell where a row ended in the latest run that has it, and why; else ask the source.

    A row is named by its own id, where the source has an `id` column, or by its row_id, whose
    beginning will do where no other begins so. With a version, the set as it was then is looked at
    first.
    """
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS)
    given, own = row_id, _make_row_ids(loaded.recipe, row_id)
    recorded_frames = (frame for _, _, frame in _scan_recorded(store, version))
    row_id = _complete_row_id(given, own, recorded_frames)
    for where, run_id, recorded in _scan_recorded(store, version):
        for one in recorded.filter(pl.col("row_id") == row_id).collect().to_dicts():
            row = one if run_id is None else {**one, "run_id": run_id}
            if where == "rejected":
                row |= _attribute_rejection(loaded, store, row)
            faults = _find_faults(store, str(row["run_id"]), row_id)
            by_hand, decisions = _tell_decisions(loaded, row_id)
            lines = [_describe_row(where, row), *by_hand]
            lines += [f"  {fault['traceback']}" for fault in faults]
            facts: dict[str, JsonValue] = {"where": where, "row": _to_json(row)}
            if decisions:
                facts["decisions"] = decisions
            if faults:
                facts["faults"] = list(faults)
            return Explained("\n".join(lines), facts)
    job = load_job(loaded)
    row_id = _complete_row_id(given, own, (frame.lazy() for frame in job.read_frames()))
    for frame in job.read_frames():
        found = frame.filter(pl.col("row_id") == row_id)
        if found.height:
            told = explain_row(job.decider.as_written(), found)
            by_hand, decisions = _tell_decisions(loaded, row_id)
            text = "\n".join([f"in no run yet; decided now\n{told}", *by_hand])
            facts = {"where": "source", "row": _to_json(found.row(0, named=True))}
            return Explained(text, facts | ({"decisions": decisions} if decisions else {}))
    raise OutputError(
        f"row {row_id}: neither the set, the runs under {store.output} nor the source has it: "
        "give the id that the record has in the source's `id` column, or a row_id of the set or of "
        "a run's rejected/ folder"
    )


def _tell_decisions(loaded: LoadedRecipe, row_id: str) -> tuple[list[str], list[JsonValue]]:
    """Return what people said of a row, held against its record as it reads now."""
    if loaded.recipe.review is None:
        return [], []
    log = open_log(loaded)
    if not describe_row_decisions(log, row_id, None)[0]:
        return [], []
    job = load_job(loaded)
    for shard in job.shards:
        for batch in shard.read_batches():
            found = batch.frame.filter(pl.col("row_id") == row_id)
            if found.height:
                seen = hash_records(found, job.read_schema)[-1]
                return describe_row_decisions(log, row_id, seen)
    return describe_row_decisions(log, row_id, None)


def explain_difference(
    recipe: RecipeLike,
    *,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
    version: int | None = None,
) -> Explained:
    """Compare what a run would publish with a version (the current one): which rows, and why."""
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS)
    version = store.version() if version is None else version
    if version is None:
        raise OutputError(f"{store.path} holds no version to compare with: run  siftset curate")
    options = CurateOptions(dry_run=True)
    result = curate(loaded, options=options, progress=progress)
    folder = result.output / PREVIEW
    after = folder_state(folder, sorted((folder / "set").glob("*.parquet")), name="this recipe")
    found = compare_states(version_state(store, version), after, recipe=loaded.recipe.name)
    facts: dict[str, JsonValue] = found.model_dump(mode="json")
    return Explained("\n".join(describe_difference(found)), facts)


def _scan_recorded(
    store: Store, version: int | None
) -> Iterator[tuple[str, str | None, pl.LazyFrame]]:
    """Yield where rows ended, the run, and the rows: a version, then the runs, latest first."""
    if store.version() is not None:
        yield "kept", None, store.scan(version)
    for folder in run_folders(store.output):
        for place in _PLACES:
            fetch_below(folder.output, f"{RUNS}/{folder.run_id}/{place}")
            files = sorted((folder.path / place).glob("*.parquet"))
            if files:
                yield place, folder.run_id, pl.scan_parquet(files)


def _attribute_rejection(
    loaded: LoadedRecipe, store: Store, row: dict[str, object]
) -> dict[str, object]:
    """Name the first clause as written that does not hold, which every run of the row would name.

    The run recorded the clause that its plan met first. The row is asked again where the formula
    means what it meant then and reads the text alone, which is what the record holds of the row;
    else the clause of the record stands and is called what it is.
    """
    recorded: dict[str, object] = {"clause_is": "the first that the run asked"}
    manifest = RunFolder(store.output, str(row["run_id"])).manifest()
    if row["clause"] == CLAUSE and manifest.get("review") is not None:
        return {"clause_is": DROPPED}
    if row["clause"] == CUT:
        return {"clause_is": CONTRADICTED}
    if row["clause"] == SELECT and manifest.get("select") is not None:
        return {"clause_is": UNSELECTED}
    try:
        decider = bind_formula(loaded).as_written()
    except SiftsetError:  # a signal's file may have changed, or gone
        return recorded
    formula = manifest.get("formula")
    same = isinstance(formula, dict) and formula.get("hash") == decider.hash
    if not same or "text" not in row or set(decider.columns) != {"text"}:
        return recorded
    clause = decider.decide(pl.DataFrame({"text": one_cell(row["text"])})).clause[0]
    return {"clause": clause or row["clause"], "clause_is": "the first as written"}


def _find_faults(store: Store, run_id: str, row_id: str) -> tuple[dict[str, JsonValue], ...]:
    """Return the exceptions that left a row open, with their tracebacks, as its run kept them."""
    fetch_below(store.output, f"{RUNS}/{run_id}/{FAULTS}")
    path = store.output / RUNS / run_id / FAULTS
    listed = read_json(path)["faults"] if path.is_file() else []
    assert isinstance(listed, list)
    return tuple(one for one in listed if isinstance(one, dict) and one.get("row_id") == row_id)


def _make_row_ids(recipe: Recipe, given: str) -> frozenset[str]:
    """Return the row ids of records that bear the given id in the source's `id` column."""
    named = (one.config.name for one in recipe.source if getattr(one.config, "id", None))
    return frozenset(mapped_ids(pl.Series([given]), name)[0] for name in named)


def _complete_row_id(begun: str, own: frozenset[str], frames: Iterable[pl.LazyFrame]) -> str:
    """Return the one id that begins so, or what was given where none does or it is whole.

    The record that bears the given id in the source goes before row ids that begin with it.
    """
    wanted = pl.col("row_id").is_in(sorted(own))
    if 0 < len(begun) < _ID_DIGITS:
        wanted |= pl.col("row_id").str.starts_with(begun)
    elif not own:
        return begun
    found: set[str] = set()
    for frame in frames:
        found.update(frame.select("row_id").filter(wanted).unique().collect()["row_id"])
    found = found & own or found
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        raise OutputError(
            f"row {begun}: {format_count(len(found), 'row')} {conjugate(len(found), 'begin')} "
            f"so ({some}), expected one: give more of its id"
        )
    return found.pop() if found else begun


def _describe_row(where: str, row: dict[str, object]) -> str:
    source = row.get("source")
    place = f"{source['file']} record {source['record']}" if isinstance(source, dict) else ""
    reasons = row.get("_reasons")
    told = {
        "kept": f"kept, in split {row.get('split')}",
        "rejected": f"rejected, because of  {row.get('clause')}  ({row.get('clause_is')})",
        "duplicates": f"duplicate ({row.get('kind')}) of {row.get('duplicate_of')}",
        "quarantine": "quarantined: "
        + ", ".join(map(str, reasons if isinstance(reasons, list) else ())),
        "unreadable": f"unreadable: {row.get('reason')}",
    }
    lines = [f"{row['row_id']}  {place}  run {row['run_id']}", f"  {told[where]}"]
    signals, scores = row.get("signals"), row.get("scores")
    if isinstance(signals, dict):
        for name, state in signals.items():
            score = scores.get(name) if isinstance(scores, dict) else None
            lines.append(f"  {name}: {state}" + ("" if score is None else f" (score {score:.4g})"))
    if isinstance(row.get(VOTES), list):
        lines.append(f"  {_describe_votes(row)}")
    turns = row.get(COLUMN)
    if isinstance(turns, list) and turns and isinstance(turns[0], dict) and "role" in turns[0]:
        said = [(turn["role"], turn["content"] or turn["extra"] or "") for turn in turns]
        return "\n".join([*lines, *(f"  {role}: {_shorten(text)}" for role, text in said)])
    return "\n".join([*lines, f"  text: {_shorten(row.get('text'))}"])


def _describe_votes(row: dict[str, object]) -> str:
    """Say which label a row got, and who voted for what."""
    by_label: dict[str, list[str]] = {}
    votes = row[VOTES]
    for vote in votes if isinstance(votes, list) else ():
        by_label.setdefault(str(vote["label"]), []).append(str(vote["voter"]))
    told = "; ".join(f"{label} by {', '.join(who)}" for label, who in by_label.items())
    said = f"label: {row.get(LABEL) or 'none'}, votes: {told or 'none'}"
    share = row.get(AGREEMENT)
    return f"{said} (agreement {share:.2f})" if isinstance(share, float) else said


def _shorten(text: object) -> str:
    shown = " ".join(str(text).split())
    return shown if len(shown) <= 100 else shown[:97] + "..."


def _to_json(row: dict[str, object]) -> dict[str, JsonValue]:
    import json

    plain: dict[str, JsonValue] = json.loads(json.dumps(row, default=str))
    return plain
