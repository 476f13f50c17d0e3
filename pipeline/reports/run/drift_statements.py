"""How far a run moved from the version before and from a reference: one finding for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from siftset.pipeline.profile.shares import format_figure
from siftset.pipeline.reports.page import Level
from siftset.pipeline.reports.run.actions import write_command
from siftset.pipeline.reports.run.statement import ReportFinding
from siftset.schemas.results.metrics import Drift, RunMetrics


def judge_drift(metrics: RunMetrics) -> Iterator[ReportFinding]:
    """Yield what is beyond its limits, in one finding for each population it was compared with."""
    command = _compare_versions(metrics)
    for against in dict.fromkeys(one.against for one in metrics.drift):
        measured = [one for one in metrics.drift if one.against == against]
        far = sorted((one for one in measured if one.level != "pass"), key=lambda o: o.level)
        if not far:
            continue
        level: Level = "fail" if far[0].level == "fail" else "warn"
        other = "the reference" if "reference" in against else "the earlier version"
        if len(far) == 1:
            value = f"{far[0].value:.3g} {far[0].unit}".strip()
            claim = far[0].message or f"{far[0].name}: {value} against {against}."
            todo = f"limits: {far[0].limits}; compare samples with {other}"
        else:
            claim = (
                f"{len(far)} of {len(measured)} measures of drift against {against} are above "
                f"their limits: {_name_measures(far)}."
            )
            todo = f"see values and limits under Drift in the report; compare samples with {other}"
        yield ReportFinding(
            "drift", level, claim, todo, command=command, about=f"drift against {against}"
        )
    for alert in metrics.alerts:
        todo = "see whether the source or the recipe changed"
        yield ReportFinding("drift", "warn", alert, todo, command=command)


def _name_measures(far: Sequence[Drift]) -> str:
    """Return what moved in words, each thing once, whichever measures found it."""
    return ", ".join(dict.fromkeys(_name_measure(one) for one in far))


def _name_measure(one: Drift) -> str:
    told = one.name.partition(" (")[2].rpartition(")")[0]
    match one.key:
        case "length_psi" | "length_emd":
            return "lengths"
        case "label_js":
            return f"labels ({told})" if told else "labels"
        case "source_js":
            return "source files"
        case "new_words":
            return "new words"
        case "topic":
            return f"topics ({told})" if told else "topics"
        case "popularity":
            return "how evenly words are used"
        case "rows" if one.before is not None and one.after is not None:
            return f"rows ({format_figure(one.before)} before, {format_figure(one.after)} now)"
    return one.name.removesuffix(", change")


def _compare_versions(metrics: RunMetrics) -> str:
    before, now = metrics.run.base_version, metrics.run.version
    if before is None or now is None:
        return write_command(metrics, "history")
    return write_command(metrics, "diff", "--from", str(before), "--to", str(now))
