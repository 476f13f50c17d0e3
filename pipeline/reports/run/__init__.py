"""The page of one run: thirteen parts, in the order in which a reviewer asks."""

from __future__ import annotations

from collections.abc import Sequence

from siftset.pipeline.reports.markup import Child
from siftset.pipeline.reports.page import Part, page
from siftset.pipeline.reports.page import finding as callout
from siftset.pipeline.reports.run import checks, drift, funnel, summary, texts
from siftset.pipeline.reports.run.findings import WORST_FIRST, Finding, findings, status
from siftset.schemas.results.metrics import RunMetrics

__all__ = ["findings", "run_report"]


def run_report(metrics: RunMetrics, history: Sequence[RunMetrics] = ()) -> str:
    """Return the page of a run; `history` holds earlier runs of the recipe, the oldest first."""
    found = findings(metrics)
    profiled = bool(metrics.profiles)
    middle = [
        ("balance", "Balance and signals", funnel.balance(metrics), True),
        ("checks", "Checks", checks.checks(metrics, history), bool(metrics.checks)),
        ("columns", "Null, empty, blank", checks.columns(metrics), profiled),
        ("duplicates", "Duplicates", checks.duplicates(metrics), metrics.duplicates is not None),
        ("lengths", "Lengths", texts.lengths(metrics), profiled),
        ("encoding", "Encoding and contents", texts.encoding(metrics), profiled),
        ("languages", "Languages and scripts", texts.languages(metrics), profiled),
        ("labels", "Labels by source", texts.labels(metrics), metrics.label_precision is not None),
        ("leakage", "Leakage between splits", drift.leakage(metrics), bool(metrics.leakage)),
        ("drift", "Drift", drift.drift(metrics), bool(metrics.drift)),
        ("samples", "Samples", drift.samples(metrics), False),
    ]
    parts = [_part(found, *one) for one in middle]
    first = summary.summary(metrics, found, history)
    return page(summary.header(metrics, found), [first, *parts, summary.links(metrics)])


def _part(found: tuple[Finding, ...], anchor: str, title: str, body: Child, measured: bool) -> Part:
    here = sorted((f for f in found if f.part == anchor), key=lambda one: WORST_FIRST[one.level])
    said = [callout(one.level, one.claim, one.todo) for one in here[:20]]
    return Part(anchor, title, [said, body], status(found, anchor, measured=measured))
