"""The page of one run: thirteen parts, in the order in which a reviewer asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from siftset.pipeline.reports.page import PagePart, render_page
from siftset.pipeline.reports.run import checks, drift, funnel, summary, texts
from siftset.pipeline.reports.run.findings import find_statements, list_warnings
from siftset.pipeline.reports.run.label_doubts import label_doubts_part
from siftset.pipeline.reports.run.statement import part_status, rank_statements
from siftset.pipeline.reports.run.votes import votes_part
from siftset.schemas.plurals import format_count
from siftset.schemas.results.metrics import RunMetrics

if TYPE_CHECKING:
    from siftset.schemas.results.proof import Proof

__all__ = ["find_statements", "list_warnings", "rank_statements", "run_report"]


def run_report(
    metrics: RunMetrics, history: Sequence[RunMetrics] = (), proof: Proof | None = None
) -> str:
    """Return the page of a run; `history` holds earlier runs of the recipe, the oldest first.

    `proof` says whether the rows of this run teach more than others, once that was measured.
    """
    found = find_statements(metrics)
    profiled = bool(metrics.profiles)
    repeats, precision, votes = metrics.duplicates, metrics.label_precision, metrics.votes
    doubts = label_doubts_part(metrics.label_doubts)
    labels = [texts.labels_part(metrics), votes_part(metrics), doubts]
    parts = [
        ("balance", "Balance and signals", funnel.balance_part(metrics), True),
        ("checks", "Checks", checks.checks_part(metrics, history), bool(metrics.checks)),
        ("columns", "Null, empty, blank", checks.columns_part(metrics), profiled),
        ("duplicates", "Duplicates", checks.duplicates_part(metrics), repeats is not None),
        ("lengths", "Lengths", texts.lengths_part(metrics), profiled),
        ("encoding", "Encoding and contents", texts.contents_part(metrics), profiled),
        ("languages", "Languages and scripts", texts.languages_part(metrics), profiled),
        ("labels", "Labels by source", labels, precision is not None or votes is not None),
        ("leakage", "Leakage between splits", drift.leakage_part(metrics), bool(metrics.leakage)),
        ("drift", "Drift", drift.drift_part(metrics), bool(metrics.drift)),
        ("samples", "Samples", drift.samples_part(metrics), False),
    ]
    shown = [summary.summary_part(metrics, found, history)]
    for anchor, title, body, measured in parts:
        points = sum(one.part == anchor and one.level != "note" for one in found)
        badge = format_count(points, "finding") if points else ""
        status = part_status(found, anchor, measured=measured)
        shown.append(PagePart(anchor, title, body, status, badge=badge))
    if proof is not None:
        from siftset.pipeline.reports.proof import proof_part

        shown.append(proof_part(proof))
    return render_page(summary.run_header(metrics, found), [*shown, summary.links_part(metrics)])
