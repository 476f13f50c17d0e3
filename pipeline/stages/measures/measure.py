"""The metrics of a run, drawn from what its shards counted and from a sample of its rows."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final, Literal

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.decisions.table import CLAUSE, DROPPED
from siftset.pipeline.profile.chance import even_gini
from siftset.pipeline.profile.custom import ask_metrics, load_metrics
from siftset.pipeline.profile.drift import measure_drift
from siftset.pipeline.profile.funnel import Sifted, analyse_frame, describe_funnel
from siftset.pipeline.profile.history import METRICS, find_alerts, read_history, read_metrics
from siftset.pipeline.profile.leakage import held_out_leaks, split_leaks
from siftset.pipeline.profile.outside import open_outside
from siftset.pipeline.profile.rows import (
    count_disputed,
    count_relabelled,
    duplicate_groups,
    measure_label_precision,
    sample_mislabelled,
    sample_rows,
)
from siftset.pipeline.profile.scalars import PREFIX_SHARE
from siftset.pipeline.profile.state import ProfileState, profile_batches
from siftset.pipeline.run.content_key import content_key
from siftset.pipeline.run.doubt_findings import find_label_doubts
from siftset.pipeline.run.examples import UNSELECTED
from siftset.pipeline.run.label_votes import CONTRADICTED
from siftset.pipeline.run.released_rows import FILE
from siftset.pipeline.stages.measures.measure_review import measure_review
from siftset.pipeline.stages.measures.measure_split import measure_split, open_held_out
from siftset.pipeline.stages.measures.measure_votes import (
    add_votes,
    ask_golden,
    measure_label_worth,
)
from siftset.pipeline.stages.measures.prefixes import count_prefixes
from siftset.pipeline.stages.measures.profiles import PROFILE, profiles, with_languages
from siftset.pipeline.stages.rule_checks import make_checks
from siftset.pipeline.storage.part_files import Part, sample_parts
from siftset.pipeline.storage.run_folder import recipe_hash, software_versions
from siftset.schemas.conversations import COLUMN, MESSAGES, scan_with_views
from siftset.schemas.recipe.source import Synthesize
from siftset.schemas.results.columns import CUT, SELECT
from siftset.schemas.results.funnel_metrics import Funnel
from siftset.schemas.results.label_metrics import LabelDoubts, LabelPrecision
from siftset.schemas.results.metrics import Drift, Duplicates, Input, Leak, Rows, RunMetrics, Sample
from siftset.schemas.results.metrics import Run as RunFacts
from siftset.schemas.results.profile_metrics import Profile
from siftset.signals.labels import label_column

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.run.job import Job
    from siftset.pipeline.stages.judgement import Judgement
    from siftset.pipeline.stages.process_shard import ShardResult
    from siftset.pipeline.stages.run_outcome import RunOutcome
    from siftset.pipeline.storage.table import DataFile

_POPULATIONS: Final[tuple[Literal["input", "kept"], ...]] = ("input", "kept")
_LEAKAGE_ROWS: Final = 1_000_000
_SOURCES: Final = "source_js"
"""The drift that a refresh does not tell: what it reads has always another place."""


def measure(
    run: CurateRun, results: Sequence[ShardResult], outcome: RunOutcome, judged: Judgement
) -> RunMetrics:
    """Return everything that the page of the run shows."""
    looks = run.job.recipe.analysis != "off"
    read, kept = profiles(run, results, outcome) if looks else (ProfileState(), ProfileState())
    train = run.job.recipe.train
    golden = ask_golden(run.job)
    precision = _label_precision(run, outcome.fresh) if looks else None
    same = outcome.fresh == outcome.files
    of_set = precision if same else _label_precision(run, outcome.files)
    shown: dict[Literal["input", "kept"], Profile] = {}
    if looks:
        spoken = with_languages(kept.profile(of=outcome.balance.kept), outcome)
        shown = {"input": read.profile(of=outcome.balance.read), "kept": spoken}
        even = even_gini(read.sketch, kept.sketch)
        for name, gini in zip(_POPULATIONS, even or (), strict=False):
            words = shown[name].vocabulary.model_copy(update={"gini_even": gini})
            shown[name] = shown[name].model_copy(update={"vocabulary": words})
    metrics = RunMetrics(
        verdict=judged.verdict,
        run=describe_run(run, incremental=outcome.fresh != outcome.files),
        inputs=(
            *(describe_input(entry) for entry in run.job.sources.inputs),
            *_describe_fixes(run),
        ),
        rows=Rows(
            **outcome.balance.to_json(),
            unknown=outcome.unknown,
            set=outcome.set_rows,
            splits=outcome.splits,
        ),
        funnel=_make_funnel(run, results),
        checks=make_checks(results, judged, outcome),
        profiles=shown,
        duplicates=_duplicates(run, results, outcome),
        leakage=(*_find_leakage(run, outcome), *_find_contamination(run, outcome)),
        split=measure_split(run, outcome),
        selection=outcome.selection,
        drift=()
        if run.job.recipe.analysis == "off"
        else (*_drift_from_version(run, kept, outcome), *_drift_from_reference(run, kept)),
        label_precision=precision,
        set_label_precision=of_set if looks else None,
        votes=add_votes(results),
        golden_votes=golden.metrics,
        label_cut=outcome.cut,
        label_worth=measure_label_worth(run.job.voters, outcome.files, looks=looks, golden=golden),
        review=measure_review(run, outcome),
        label_doubts=_find_label_doubts(run.job),
        max_length=train.max_length if train else None,
        samples=_take_samples(run, results, outcome, precision),
        links=_make_links(results, outcome, judged),
        custom={**_prefix_share(run, outcome), **_own_metrics(run, outcome)},
        warnings=(
            *run.job.sources.warnings,
            *run.job.decider.statistics().warnings,
            *golden.warnings,
        ),
    )
    found = find_alerts(metrics, read_history(run.store.output, before=run.run_id))
    return metrics.model_copy(update={"alerts": found})


def _find_label_doubts(job: Job) -> LabelDoubts | None:
    if "label" not in job.columns:
        return None
    asked = [question.signal for question in job.questions.values()]
    return find_label_doubts(job.output, job.doubt_key, asked, job.loaded.folder)


def _prefix_share(run: CurateRun, outcome: RunOutcome) -> dict[str, float]:
    """Return the share of the set's conversations that begin a longer one of it."""
    large = outcome.set_rows > _LEAKAGE_ROWS
    talks = run.job.sources.schema.get(COLUMN) == MESSAGES
    if not talks or large or not outcome.set_rows or run.job.recipe.analysis == "off":
        return {}
    found = count_prefixes(file.path for file in outcome.files)
    return {} if found is None else {PREFIX_SHARE: found / outcome.set_rows}


def _own_metrics(run: CurateRun, outcome: RunOutcome) -> dict[str, float | int]:
    named = run.job.recipe.integrity.metrics
    if not named or not outcome.files:
        return {}
    metrics = load_metrics(named, run.job.loaded.folder)
    rows = pl.scan_parquet([file.path for file in outcome.files])
    return ask_metrics(metrics, scan_with_views(rows))


def describe_run(run: CurateRun, *, incremental: bool) -> RunFacts:
    """Return which run this is; `incremental` says that it read what was new only."""
    job = run.job
    return RunFacts(
        run_id=run.run_id,
        command="preview" if run.options.is_preview else run.command,
        recipe=job.recipe.name,
        arguments=name_recipe(job.loaded.arguments),
        recipe_hash=recipe_hash(job.recipe),
        formula=job.decider.formula.text,
        formula_hash=job.decider.hash,
        key=job.key,
        seed=job.recipe.seed,
        suite=job.recipe.integrity.suite,
        base_version=run.store.version(),
        incremental=incremental,
        started=run.started.isoformat(timespec="seconds"),
        seconds=round(run.seconds, 3),
        versions=software_versions(),
    )


def name_recipe(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command without `--set` of webhooks and clusters, which may be secret.

    They change no row.
    """
    recipe, changes = arguments[:1], arguments[2::2]
    shown = (change for change in changes if not change.startswith(("refresh", "ray")))
    return (*recipe, *(word for change in shown for word in ("--set", change)))


def _label_precision(run: CurateRun, files: Sequence[DataFile]) -> LabelPrecision | None:
    """Count the labels of every row of some files of the set."""
    if not files:
        return None
    rows = pl.scan_parquet([file.path for file in files])
    if "label" not in rows.collect_schema():
        return None
    counted = (
        rows.select(label_column(rows).alias("label"))
        .drop_nulls()
        .group_by("label")
        .len()
        .collect(engine="streaming")
    )
    # Labels that a kept row should carry: named ones, else what synthesis praises.
    recipe = run.job.recipe
    made = {type(source.config) for source in recipe.source} == {Synthesize}
    wanted = recipe.integrity.labels or (("positive",) if made else ())
    return measure_label_precision(dict(counted.iter_rows()), wanted)


def _find_contamination(run: CurateRun, outcome: RunOutcome) -> tuple[Leak, ...]:
    named = run.job.recipe.integrity.held_out
    if named is None:
        return ()
    path = run.job.loaded.resolve(named)
    files = pl.scan_parquet([file.path for file in outcome.files])
    return held_out_leaks(files, open_held_out(path), name=path.name)


def _drift_from_reference(run: CurateRun, kept: ProfileState) -> tuple[Drift, ...]:
    named = run.job.recipe.integrity.reference
    if named is None:
        return ()
    path = run.job.loaded.resolve(named)
    before = profile_batches(open_outside(path, "integrity.reference"))
    return measure_drift(kept, before, against=f"the reference {path.name}")


def describe_input(entry: dict[str, JsonValue]) -> Input:
    """Return an input as the page shows it."""

    def text(name: str) -> str:
        value = entry.get(name)
        return "" if value is None else str(value)

    def number(*names: str) -> int | None:
        found = [entry[name] for name in names if isinstance(entry.get(name), int)]
        return int(str(found[0])) if found else None

    return Input(
        name=text("name"),
        kind=text("kind"),
        location=text("location") or text("path"),
        fingerprint=text("fingerprint"),
        rows=number("rows", "records"),
        bytes=number("bytes", "size"),
    )


def _describe_fixes(run: CurateRun) -> tuple[Input, ...]:
    fixes = run.job.fixes
    if fixes is None:
        return ()
    return (
        Input(
            name="fixed rows",
            kind="in place of records",
            location=FILE,
            fingerprint=fixes.fingerprint,
            rows=fixes.rows.height,
        ),
    )


def _make_funnel(run: CurateRun, results: Sequence[ShardResult]) -> Funnel:
    """Show what the formula did; every signal is evaluated on the sample unless that is off."""
    decider = run.job.decider
    clauses = sum((result.clauses for result in results), Counter[str]())
    sifted = Sifted(decider.statistics(), clauses)
    frames = [frame for result in results for frame in result.watch.frames]
    whole = [result.analysis for result in results if result.analysis is not None]
    if whole:
        return describe_funnel(decider, sifted, reduce(operator.add, whole))
    if run.job.recipe.analysis == "off" or not frames:
        return describe_funnel(decider, sifted, None)
    rules = run.job.rules
    read = pl.concat(frames)
    sound = read.filter(~rules.failing()) if rules.columns else read
    return describe_funnel(decider, sifted, analyse_frame(decider, sound))


def _duplicates(run: CurateRun, results: Sequence[ShardResult], outcome: RunOutcome) -> Duplicates:
    """Tell duplicates by kind; None where a kind was not looked for."""
    dedupe, kinds = run.job.recipe.dedupe, outcome.kinds
    repeats = pl.scan_parquet([part.path for part in outcome.duplicates])
    kept = pl.scan_parquet([file.path for file in outcome.files])
    relabelled = count_relabelled(repeats, kept)
    if not dedupe.compares_texts:
        # equal texts all stay: they are found among the kept rows
        key = content_key(dedupe.on, run.job.sources.schema)
        disputed = count_disputed(kept, key) if outcome.files else None
        relabelled = disputed if relabelled is None else relabelled + (disputed or 0)
    return Duplicates(
        exact=kinds.get("exact", 0) if dedupe.exact else None,
        near=kinds.get("near", 0) if dedupe.near is not None else None,
        ids=kinds.get("id", 0) if run.job.has_ids else None,
        rows=sum(result.balance.kept for result in results),
        labels=kinds.get("label", 0) if dedupe.relabelled in ("first", "drop") else None,
        relabelled=relabelled,
        groups=duplicate_groups(repeats, kept),
    )


def _find_leakage(run: CurateRun, outcome: RunOutcome) -> tuple[Leak, ...]:
    """Look for leaks between splits; of our own split a very large set is not looked at.

    Rows that are equal but for case and punctuation never straddle our own split.
    """
    split = run.job.recipe.split
    ours = split.column is None
    talks = run.job.sources.schema.get(COLUMN) == MESSAGES  # of which only some turns decide
    apart = ours and not talks and not split.groups and split.stratify is None
    large = ours and outcome.balance.kept > _LEAKAGE_ROWS
    if run.job.recipe.analysis == "off" or large or len(outcome.splits) < 2:
        return ()
    rows = pl.scan_parquet([file.path for file in outcome.fresh])
    return split_leaks(rows, apart=apart)


def _drift_from_version(
    run: CurateRun, kept: ProfileState, outcome: RunOutcome
) -> tuple[Drift, ...]:
    """Compare the kept rows with those of the version that this run replaces."""
    current = run.store.current()
    if current is None:
        return ()
    path = run.store.output / "runs" / current.run_id / PROFILE
    if not path.is_file():
        return ()
    before = ProfileState.model_validate_json(path.read_bytes())
    earlier = read_metrics(path.with_name(METRICS))
    partly = outcome.added is not None
    some = partly or run.options.limit is not None or run.options.sample is not None
    sizes = None if earlier is None or some else (earlier.rows.kept, outcome.balance.kept)
    found = measure_drift(kept, before, against=f"version {current.version}", sizes=sizes)
    return tuple(one for one in found if not (partly and one.key == _SOURCES))


def _with_clauses_as_written(
    run: CurateRun, results: Sequence[ShardResult], samples: Sequence[Sample]
) -> tuple[Sample, ...]:
    """Name the first clause, as written, that does not hold, whatever the plan asked of a row."""
    frames = [frame for result in results for frame in result.watch.frames]
    if run.job.recipe.analysis == "off" or not frames:
        return tuple(samples)
    ids = [sample.row_id for sample in samples]
    rows = pl.concat([frame.filter(pl.col("row_id").is_in(ids)) for frame in frames])
    clause = run.job.decider.as_written().decide(rows).clause.cast(pl.String)
    named = dict(zip(rows["row_id"].to_list(), clause.to_list(), strict=True))
    return tuple(
        sample.model_copy(update={"why": f"{named[sample.row_id]} does not hold"})
        if named.get(sample.row_id) and sample.why != DROPPED
        else sample
        for sample in samples
    )


def _take_samples(
    run: CurateRun,
    results: Sequence[ShardResult],
    outcome: RunOutcome,
    wrong: LabelPrecision | None,
) -> dict[str, tuple[Sample, ...]]:
    kept = [Part(file.path, file.rows) for file in outcome.fresh]
    sources = {
        "kept": (kept, pl.lit("")),
        "rejected": (
            outcome.parts["rejected"],
            _say_clause(selects=outcome.selection is not None, by_hand=run.job.review is not None),
        ),
        "quarantined": (outcome.parts["quarantine"], pl.col("_reasons").list.join(", ")),
        "duplicate": (outcome.duplicates, "repeats " + pl.col("duplicate_of")),
    }
    shown = {
        name: sample_rows(sample_parts(parts), why)
        for name, (parts, why) in sources.items()
        if any(part.rows for part in parts)
    }
    if "rejected" in shown:
        shown["rejected"] = _with_clauses_as_written(run, results, shown["rejected"])
    if wrong is not None and wrong.right < wrong.labelled:
        files = pl.scan_parquet([part.path for part in kept])
        shown["mislabelled"] = sample_mislabelled(files, wrong.wanted)
    return shown


def _say_clause(*, selects: bool, by_hand: bool) -> pl.Expr:
    """Return why a row is rejected; a formula may have clauses of our own names."""
    clause = pl.col("clause").cast(pl.String)
    why = clause + " does not hold"
    why = pl.when(clause == CUT).then(pl.lit(CONTRADICTED)).otherwise(why)
    if selects:
        why = pl.when(clause == SELECT).then(pl.lit(UNSELECTED)).otherwise(why)
    return pl.when(clause == CLAUSE).then(pl.lit(DROPPED)).otherwise(why) if by_hand else why


def _make_links(
    results: Sequence[ShardResult], outcome: RunOutcome, judged: Judgement
) -> dict[str, str]:
    links = {"Recipe, inputs and software": "manifest.json", "Metrics": "metrics.json"}
    counts = {"rejected": "Rejected rows", "quarantine": "Quarantine", "unreadable": "Unreadable"}
    links |= {title: f"{name}/" for name, title in counts.items()}
    if outcome.duplicates:
        links["Duplicates"] = "duplicates/"
    if any(result.faults for result in results):
        links["Faults of signals"] = "faults.json"
    if judged.data_docs is not None:
        links |= {"Data Docs": "data_docs/index.html", "Suite": "gx/expectations/"}
    return links
