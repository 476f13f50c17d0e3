"""The metrics of a run, drawn from what its shards counted and from a sample of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
from pydantic import JsonValue

from pipeline.parts import Part
from pipeline.profile.drift import drift
from pipeline.profile.history import alerts, read_history
from pipeline.profile.leakage import leakage
from pipeline.profile.state import ProfileState, profile
from pipeline.runs import recipe_hash, software
from pipeline.watch import SAMPLE_ROWS
from schemas.metrics import (
    Drift,
    Duplicates,
    Funnel,
    Group,
    Input,
    Leak,
    Rows,
    RunMetrics,
    Sample,
    SignalMetrics,
)
from schemas.metrics import Run as RunFacts

if TYPE_CHECKING:
    from pipeline.assess import Judgement
    from pipeline.context import Run
    from pipeline.settle import Settlement
    from pipeline.shard import ShardResult

PROFILE: Final = "profile.json"
_SHOWN: Final = 12
_CUT: Final = 400
_LEAKAGE_ROWS: Final = 200_000


def measure(
    run: Run, results: Sequence[ShardResult], settlement: Settlement, judged: Judgement
) -> RunMetrics:
    """Return everything that the page of the run shows."""
    read, kept = _profiles(run, results, settlement)
    balance = settlement.balance
    rows = Rows(
        **balance.to_json(), unknown=settlement.unknown, set=balance.kept, splits=settlement.splits
    )
    metrics = RunMetrics(
        verdict=judged.verdict,
        run=_facts(run),
        inputs=tuple(_input(entry) for entry in run.job.sources.inputs),
        rows=rows,
        funnel=_funnel(run, results),
        checks=judged.checks,
        profiles={
            "input": read.profile(of=balance.read),
            "kept": kept.profile(of=balance.kept),
        },
        duplicates=_duplicates(settlement),
        leakage=_leakage(settlement),
        drift=_drift(run, kept),
        samples=_samples(settlement),
        links=_links(settlement, judged),
        warnings=run.job.sources.warnings,
    )
    found = alerts(metrics, read_history(run.store.output, before=run.run_id))
    return metrics.model_copy(update={"alerts": found})


def _facts(run: Run) -> RunFacts:
    job = run.job
    return RunFacts(
        run_id=run.run_id,
        command="preview" if run.options.is_preview else "curate",
        recipe=job.recipe.name,
        recipe_hash=recipe_hash(job.recipe),
        formula=job.decider.formula.text,
        formula_hash=job.decider.hash,
        key=job.key,
        seed=job.recipe.seed,
        suite=job.recipe.integrity.suite,
        base_version=run.store.version(),
        started=run.started.isoformat(timespec="seconds"),
        seconds=round(run.seconds, 3),
        versions=software(),
    )


def _profiles(
    run: Run, results: Sequence[ShardResult], settlement: Settlement
) -> tuple[ProfileState, ProfileState]:
    """Profile a sample of what was read and of what was kept, and keep the latter's state."""
    frames = [frame for result in results for frame in result.watch.frames]
    read = profile(pl.concat(frames)) if frames else ProfileState()
    share = min(1.0, SAMPLE_ROWS / max(settlement.balance.kept, 1))
    kept = profile(_sampled([Part(file.path, file.rows) for file in settlement.files], share))
    (run.folder / PROFILE).write_text(kept.model_dump_json(), encoding="utf-8")
    return read, kept


def _sampled(parts: Sequence[Part], share: float) -> pl.DataFrame:
    rows = pl.scan_parquet([part.path for part in parts])
    if share < 1:
        rows = rows.filter(pl.col("row_id") < f"{int(share * 16**12):012x}")
    return rows.collect()


def _input(entry: dict[str, JsonValue]) -> Input:
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


def _funnel(run: Run, results: Sequence[ShardResult]) -> Funnel:
    decider = run.job.decider
    statistics = decider.statistics()
    signals = []
    for name, found in statistics.signals.items():
        signal = decider.questions[name].signal
        signals.append(
            SignalMetrics(
                name=name,
                kind=signal.defined,
                description=signal.description,
                true=found.true,
                false=found.false,
                unknown=found.unknown,
                evaluated=found.evaluated,
                skipped=found.skipped,
                faults=found.raised,
                seconds=round(found.seconds, 6),
            )
        )
    clauses = sum((result.clauses for result in results), Counter[str]())
    return Funnel(
        formula=decider.formula.text,
        decided=statistics.rows,
        signals=tuple(signals),
        clauses=dict(clauses.most_common()),
    )


def _duplicates(settlement: Settlement) -> Duplicates:
    near = settlement.kinds.get("near")
    found = pl.scan_parquet([part.path for part in settlement.duplicates])
    groups = (
        found.group_by("duplicate_of")
        .agg(repeats=pl.len(), text=pl.col("text").first(), kind=pl.col("kind").first())
        .sort(pl.col("repeats"), "duplicate_of", descending=[True, False])
        .head(_SHOWN)
        .collect()
    )
    return Duplicates(
        exact=settlement.balance.duplicate - (near or 0),
        near=near,
        rows=settlement.balance.kept + settlement.balance.duplicate,
        groups=tuple(
            Group(row_id=row_id, repeats=repeats, text=(text or "")[:_CUT], kind=kind)
            for row_id, repeats, text, kind in groups.iter_rows()
        ),
    )


def _leakage(settlement: Settlement) -> tuple[Leak, ...]:
    """Look for leaks between the splits of a set that is small enough to look at whole."""
    if settlement.balance.kept > _LEAKAGE_ROWS or len(settlement.splits) < 2:
        return ()
    return leakage(pl.scan_parquet([file.path for file in settlement.files]))


def _drift(run: Run, kept: ProfileState) -> tuple[Drift, ...]:
    """Compare the kept rows with those of the version that this run replaces."""
    current = run.store.current()
    if current is None:
        return ()
    path = run.store.output / "runs" / current.run_id / PROFILE
    if not path.is_file():
        return ()
    before = ProfileState.model_validate_json(path.read_bytes())
    return drift(kept, before, against=f"version {current.version}", compare_rows=False)


def _samples(settlement: Settlement) -> dict[str, tuple[Sample, ...]]:
    kept = [Part(file.path, file.rows) for file in settlement.files]
    sources = {
        "kept": (kept, pl.lit("")),
        "rejected": (settlement.parts["rejected"], pl.col("clause")),
        "quarantined": (settlement.parts["quarantine"], pl.col("_reasons").list.join(", ")),
        "duplicate": (settlement.duplicates, "repeats " + pl.col("duplicate_of")),
    }
    return {name: _some(parts, why) for name, (parts, why) in sources.items()}


def _some(parts: Sequence[Part], why: pl.Expr) -> tuple[Sample, ...]:
    """Return a few rows of the first part, drawn by row_id so that they do not stand together."""
    if not parts:
        return ()
    rows = pl.scan_parquet(parts[0].path).bottom_k(_SHOWN, by="row_id")
    columns = rows.collect_schema().names()
    text = pl.col("text").str.slice(0, _CUT) if "text" in columns else pl.lit(None, pl.String)
    label = pl.col("label").cast(pl.String) if "label" in columns else pl.lit(None, pl.String)
    place = pl.format(
        "{} {}", pl.col("source").struct.field("file"), pl.col("source").struct.field("record")
    )
    shown = rows.select("row_id", text=text, why=why, label=label, where=place).collect()
    return tuple(Sample(**row) for row in shown.sort("row_id").iter_rows(named=True))


def _links(settlement: Settlement, judged: Judgement) -> dict[str, str]:
    links = {"Manifest": "manifest.json", "Metrics": "metrics.json"}
    counts = {"rejected": "Rejected rows", "quarantine": "Quarantine", "unreadable": "Unreadable"}
    links |= {title: f"{name}/" for name, title in counts.items()}
    if judged.data_docs is not None:
        links["Data Docs"] = "data_docs/index.html"
    return links
