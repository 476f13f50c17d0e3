"""The figures of a recipe's last run in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.run_folder import run_folders
from siftset.schemas.errors import OutputError
from siftset.schemas.recipe.loading import RecipeLike
from siftset.schemas.results.metrics import RunMetrics

_VERDICTS: Final = ("pass", "warn", "fail")
_OUTCOMES: Final = ("kept", "rejected", "quarantined", "duplicate", "unreadable")


@dataclass(frozen=True, slots=True)
class _Sample:
    """One value of a metric: its name without the prefix, its labels, what it is."""

    name: str
    value: float
    about: str
    labels: Mapping[str, str]


def prometheus_text(recipe: RecipeLike, *, overrides: Sequence[str] = ()) -> str:
    """Return the figures of a recipe's last run as text that Prometheus' textfile collector reads.

    All are gauges of one run, with its recipe as a label, in base units: seconds, ratios from 0 to
    1, rows. There are no timestamps: the collector refuses them, and the run's start is a metric.
    Raises OutputError where no run has left figures.
    """
    _, store = open_store(recipe, overrides=overrides)
    runs = (read_metrics(run.path / METRICS) for run in run_folders(store.output))
    metrics = next((one for one in runs if one is not None), None)
    if metrics is None:
        raise OutputError(f"{store.output} has no run yet: run  siftset curate {recipe}")
    lines: list[str] = []
    told: set[str] = set()
    for sample in _list_samples(metrics, store.version()):
        name = f"siftset_{sample.name}"
        if name not in told:
            told.add(name)
            lines += [f"# HELP {name} {sample.about}", f"# TYPE {name} gauge"]
        labels = {"recipe": metrics.run.recipe, **sample.labels}
        inside = ",".join(f'{key}="{_escape_label(value)}"' for key, value in labels.items())
        lines.append(f"{name}{{{inside}}} {_write_number(sample.value)}")
    return "\n".join(lines) + "\n"


def write_prometheus(text: str, out: Path) -> None:
    """Write metrics to a file at once, so that a collector never reads half of it.

    Raises OutputError for a name that the textfile collector does not read.
    """
    if out.suffix != ".prom":
        raise OutputError(f"{out}: the textfile collector reads *.prom alone, expected that ending")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as draft:
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o644)  # the collector runs as another user
    except OSError as error:
        why = error.strerror or error
        raise OutputError(f"{out} cannot be written ({why}): choose another --out") from error


def _say(name: str, value: float, about: str, **labels: str) -> _Sample:
    return _Sample(name, value, about, labels)


def _list_samples(metrics: RunMetrics, version: int | None) -> Iterator[_Sample]:
    """Yield every sample; those of one metric follow each other, as the format asks."""
    run = metrics.run
    yield _say(
        "run_info", 1, "The last run, by its labels.", run_id=run.run_id, command=run.command
    )
    if run.started:
        started = datetime.fromisoformat(run.started).timestamp()
        yield _say("run_start_timestamp_seconds", started, "When the last run began.")
    yield _say("run_duration_seconds", run.seconds, "How long the last run took.")
    for verdict in _VERDICTS:
        holds = float(metrics.verdict == verdict)
        yield _say("run_verdict", holds, "1 for the last run's verdict, else 0.", verdict=verdict)
    yield _say("run_published", float(run.version is not None), "Whether it published a version.")
    yield from _count_rows(metrics, version)
    yield from _count_checks(metrics)
    for leak in metrics.leakage:
        labels = {"kind": leak.kind, "left": leak.left, "right": leak.right}
        yield _say("leaked_rows", leak.rows, "Rows of one part that another has too.", **labels)
    for one in metrics.drift:
        labels = {"measure": one.key or one.name, "against": one.against}
        yield _say("drift", one.value, "Distance from an earlier version or reference.", **labels)


def _count_rows(metrics: RunMetrics, version: int | None) -> Iterator[_Sample]:
    rows = metrics.rows
    yield _say("run_rows_read", rows.read, "Rows that the last run read.")
    counts = {outcome: getattr(rows, outcome) for outcome in _OUTCOMES}
    about = "Rows of the last run, by what became of them."
    for outcome, count in counts.items():
        yield _say("run_rows", count, about, outcome=outcome)
    for outcome, count in counts.items():
        share = count / rows.read if rows.read else 0.0
        yield _say("run_rows_ratio", share, "The same as shares of the rows read.", outcome=outcome)
    if version is not None:
        yield _say("set_version", version, "The current version of the set.")
    for split, count in rows.splits.items() if metrics.run.version is not None else ():
        yield _say("set_rows", count, "Rows of the version that the last run made.", split=split)


def _count_checks(metrics: RunMetrics) -> Iterator[_Sample]:
    failed = [one.severity for one in metrics.checks if not one.passed]
    for severity in ("critical", "warning", "info"):
        count = failed.count(severity)
        yield _say("checks_failed", count, "Checks that failed in the last run.", severity=severity)
    yield _say("checks", len(metrics.checks), "Checks of the last run.")
    precision = metrics.label_precision
    if precision is not None and precision.labelled:
        share = precision.right / precision.labelled
        about = "Share of the labelled rows kept whose label is wanted."
        yield _say("label_precision_ratio", share, about)


def _escape_label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _write_number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
