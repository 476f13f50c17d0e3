"""What came of the decisions of people, counted over the whole set."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from siftset.pipeline.decisions.estimate import RANDOM_KEPT, RANDOM_REJECTED, estimate_share
from siftset.pipeline.decisions.record import Decision, write_moment
from siftset.pipeline.stages.hand_decisions import COVERED
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.schemas.results.review import ReviewMetrics, SetEstimate
from siftset.signals.labels import label_column

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.run_outcome import RunOutcome

_ALL: int = 2**62
"""As good as no limit: how many rows there were to draw from is not known."""


def measure_review(run: CurateRun, outcome: RunOutcome) -> ReviewMetrics | None:
    """Count what people decided; None where the recipe names no decisions."""
    log, table = run.job.log, run.job.review
    if log is None or table is None or outcome.reviewed is None:
        return None
    met = outcome.reviewed
    state, verdict, ended = pl.col("state"), pl.col("verdict"), pl.col("ended")
    applied = met.filter(state == "applied")
    counts = dict(met.group_by("state").len().iter_rows())
    kept = applied.filter((verdict == "keep") & (ended == "candidates"))
    dropped = applied.filter((verdict == "drop") & (ended == "rejected"))
    overruled = kept.filter(~pl.col("formula").fill_null(False)).height
    overruled += dropped.filter(pl.col("formula").fill_null(False)).height
    lost = table.ids.filter(pl.col("otherwise") == "stale").join(met, on="row_id", how="anti")
    partly = run.options.limit is not None or run.options.sample is not None
    said = [log.said(row_id) for row_id in applied["row_id"]]
    last = [decisions[-1] for decisions in said]
    judged = [one for decisions in said for one in decisions if one.queue is not None]
    incremental = outcome.added is not None
    return ReviewMetrics(
        kept=kept.height,
        dropped=dropped.height,
        relabelled=int(applied["relabelled"].sum()),
        edited=int(applied["edited"].sum()),
        overruled=overruled,
        covered=outcome.kinds.get(COVERED, 0),
        stale=counts.get("stale", 0),
        orphaned=None if partly else lost.height,
        disputed=counts.get("disputed", 0),
        skipped=counts.get("skip", 0),
        new_labels=_find_new_labels(applied.filter("relabelled")["row_id"], outcome),
        reviewers=dict(Counter(one.by for one in last).most_common()),
        until=write_moment(max(one.at for one in last)) if last else "",
        files=tuple(path.name for path in log.files),
        kept_right=_estimate(run, judged, RANDOM_KEPT, outcome.set_rows),
        rejected_right=_estimate(
            run, judged, RANDOM_REJECTED, _ALL if incremental else outcome.balance.rejected
        ),
    )


def _find_new_labels(relabelled: pl.Series, outcome: RunOutcome) -> dict[str, int]:
    """Return the labels that relabelled rows of the set alone have, with how many have them."""
    if relabelled.is_empty() or not outcome.files:
        return {}
    rows = pl.scan_parquet([file.path for file in outcome.files])
    by_hand = pl.col("row_id").is_in(relabelled.implode())
    counted = (
        rows.group_by(label_column(rows).alias("label"))
        .agg(by_hand=by_hand.sum(), others=(~by_hand).sum())
        .filter((pl.col("others") == 0) & pl.col("label").is_not_null())
        .sort("label")
        .collect(engine="streaming")
    )
    others: set[str] = set()
    aside = [*outcome.parts["rejected"], *outcome.parts["quarantine"], *outcome.duplicates]
    for part in aside if counted.height else ():
        frame = pl.scan_parquet(part.path)
        if "label" in frame.collect_schema():
            others.update(frame.select(label_column(frame)).unique().collect().to_series())
    return {name: rows for name, rows in counted.select("label", "by_hand").iter_rows()
            if name not in others}  # fmt: skip


def _estimate(run: CurateRun, judged: list[Decision], queue: str, among: int) -> SetEstimate | None:
    """Estimate from rows that were drawn from a run of the formula of today."""

    @cache
    def formula_of(run_id: str | None) -> object:
        folder = RunFolder(run.store.output, run_id or "")
        if run_id is None or not (folder.path / MANIFEST).is_file():
            return None
        said = folder.manifest().get("formula")
        return said.get("hash") if isinstance(said, dict) else None

    once = {one.row_id: one for one in judged if one.queue == queue}
    return estimate_share(
        once.values(),
        queue,
        among=among,
        is_current=lambda one: formula_of(one.run_id) == run.job.decider.hash,
    )
