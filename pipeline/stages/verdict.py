"""What a run amounts to: its metrics, its verdict, and whether it may be published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from siftset.pipeline.gate.prepare import threshold_counts
from siftset.pipeline.gate.thresholds import apply_thresholds, unmeasured_check, verdict_of
from siftset.pipeline.profile.scalars import list_scalars
from siftset.pipeline.stages.budgets import hold_budgets
from siftset.pipeline.stages.judgement import Assessment, Judgement
from siftset.pipeline.stages.measures.measure import measure
from siftset.pipeline.stages.process_shard import WHOLE_SHARD
from siftset.pipeline.stages.run_gate import run_suites
from siftset.schemas.errors import GateFailed
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.integrity import Threshold
from siftset.schemas.results.metrics import Check, Verdict

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.process_shard import ShardResult
    from siftset.pipeline.stages.run_outcome import RunOutcome

_ORDER: Final[tuple[Verdict, ...]] = ("pass", "warn", "fail")


def assess_run(run: CurateRun, results: Sequence[ShardResult], outcome: RunOutcome) -> Assessment:
    """Measure a run and judge it: budgets first, then row rules that block, then the gate."""
    faults = tuple(fault for result in results for fault in result.faults)
    checks, excess = hold_budgets(run, outcome, faults)
    judged = Judgement("fail", refusal=excess) if excess else _judge_run(run, results, outcome)
    judged = _add_checks(judged, (*_find_lost_shards(results), *checks))
    metrics = measure(run, results, outcome, judged)
    measured = Assessment(metrics, judged.refusal, faults, judged.data_docs)
    return measured if judged.refusal else _hold_thresholds(run, outcome, measured)


def _hold_thresholds(run: CurateRun, outcome: RunOutcome, measured: Assessment) -> Assessment:
    """Hold what was measured against the recipe's thresholds; a critical one refuses the run."""
    metrics = measured.metrics
    known = {**threshold_counts(outcome.balance, outcome.unknown), **list_scalars(metrics)}
    limits = dict(run.job.recipe.integrity.thresholds)
    if run.job.recipe.dedupe.relabelled == "block" and "relabelled_rows" in known:
        limits["relabelled_rows"] = Threshold(critical=0)
    checks = apply_thresholds(known, {name: limits[name] for name in limits if name in known})
    checks += [unmeasured_check(name) for name in limits if name not in known]
    verdict = verdict_of(checks)
    failed = [c.message for c in checks if not c.passed and c.severity == "critical"]
    refusal = None
    if verdict == "fail":
        refusal = GateFailed(f"the gate failed: {'; '.join(failed)}; nothing was published")
    found = (metrics.verdict, verdict_of(metrics.checks), verdict)
    worst = max(found, key=_ORDER.index)
    judged = metrics.model_copy(update={"verdict": worst, "checks": (*metrics.checks, *checks)})
    return replace(measured, metrics=judged, refusal=refusal)


def _find_lost_shards(results: Sequence[ShardResult]) -> tuple[Check, ...]:
    """Return a warning for every shard whose rows were set aside because no node got it done."""
    return tuple(
        Check(
            name="shard done",
            stage="input",
            passed=False,
            severity="warning",
            failed=result.faulted,
            rows=result.balance.read,
            arguments=fault["text"],
            message=f"({fault['error']})",
            advice="its rows are in quarantine/; fix what ended the workers and run again",
        )
        for result in results
        for fault in result.faults
        if fault["signal"] == WHOLE_SHARD
    )


def _add_checks(judged: Judgement, checks: tuple[Check, ...]) -> Judgement:
    worst = max((judged.verdict, verdict_of(checks)), key=_ORDER.index)
    return replace(judged, verdict=worst, checks=(*checks, *judged.checks))


def _judge_run(run: CurateRun, results: Sequence[ShardResult], outcome: RunOutcome) -> Judgement:
    recipe = run.job.recipe
    counted: dict[str, int] = {}
    for result in results:
        for (_column, _rule, action, reason), rows in result.rule_counts.items():
            if action == "block" and rows:
                counted[reason] = counted.get(reason, 0) + rows
    if counted:
        blocked = ", ".join(
            f"{reason} in {format_count(rows, 'row')}" for reason, rows in counted.items()
        )
        return Judgement("fail", refusal=GateFailed(f"{blocked}; nothing was published"))
    if not outcome.set_rows and not recipe.allow_empty:
        return Judgement(
            "fail",
            refusal=GateFailed(
                f"no row of {outcome.balance.read:,} was kept by  {recipe.keep} ; nothing was "
                "published: loosen the formula (siftset explain shows what each signal says), or "
                "set allow_empty: true"
            ),
        )
    gates = run_suites(run, results, outcome)
    checks = tuple(check for gate in gates for check in gate.checks)
    docs = next((gate.data_docs for gate in reversed(gates) if gate.data_docs), None)
    verdict = verdict_of(checks)
    if verdict != "fail":
        return Judgement(verdict, checks, None, docs)
    failed = [c for c in checks if not c.passed and c.severity == "critical"]
    told = "; ".join(c.message or c.name for c in failed)
    refusal = GateFailed(f"the gate failed: {told}; nothing was published")
    return Judgement(verdict, checks, refusal, docs)
