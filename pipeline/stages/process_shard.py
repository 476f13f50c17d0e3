"""What is done to one shard: every row read ends in exactly one part file.

A shard knows nothing of the others, so that threads or machines may work on them in any order.
Duplicates need all shards, and are found afterwards among the candidates.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import numpy as np
import polars as pl

from siftset.pipeline.decisions.table import BEFORE, CLAUSE, DecidedRows, DecisionTable
from siftset.pipeline.profile.funnel import analyse_frame
from siftset.pipeline.run.changed_rows import change_rows
from siftset.pipeline.run.content_key import TEXT_KEY
from siftset.pipeline.run.split import check_official
from siftset.pipeline.stages.dedupe import ids_of
from siftset.pipeline.stages.hand_decisions import (
    Routing,
    describe_reviewed,
    route_rows,
)
from siftset.pipeline.storage.delta_types import cast_storable
from siftset.pipeline.storage.part_files import Part, PartWriter
from siftset.schemas.results.label_metrics import VoteMetrics
from siftset.schemas.results.summary import Balance
from siftset.signals.kernels.arrays import to_series
from siftset.signals.label_votes.voters import COLUMNS as VOTED
from siftset.signals.label_votes.voters import Voters, add_metrics

if TYPE_CHECKING:
    from siftset.pipeline.gate.row_rules import RowRuleSet, Rules
    from siftset.pipeline.sources.batch import Batch, Shard
    from siftset.signals.analysis import Analysis
    from siftset.signals.decider import Decider
from siftset.signals.evaluation.decisions import Decisions

Outcome = Literal["candidates", "rejected", "quarantine", "unreadable", "ids", "input", "reviewed"]
OUTCOMES: Final[tuple[Outcome, ...]] = (
    "candidates",
    "rejected",
    "quarantine",
    "unreadable",
    "ids",
    "input",
    "reviewed",
)
TEMPORARY: Final[tuple[Outcome, ...]] = ("candidates", "ids", "input", "reviewed")
"""Rows that are read once more by this run, and then gone."""
FAULTS_KEPT: Final = 100
FAULT_REASON: Final = "signal fault"
WHOLE_SHARD: Final = "(all)"
"""What a fault has in place of a signal's name where a shard was set aside."""


class RowSample(Protocol):
    """Whoever wants to see the rows as they pass; one for each shard."""

    def read(self, frame: pl.DataFrame) -> None:
        """See rows as they were read."""

    @property
    def frames(self) -> tuple[pl.DataFrame, ...]:
        """The rows remembered, in order."""


@dataclass(frozen=True, slots=True)
class ShardContext:
    """What every shard needs to know; the same for all of them."""

    decider: Decider
    rules: RowRuleSet
    output_rules: Rules
    """Rules for the rows that the formula kept."""
    columns: tuple[str, ...]
    split: pl.Expr
    official_split: bool
    record: Literal["full", "decisions", "none"]
    content_key: pl.Expr | None
    """What exact duplicates share, if they are looked for."""
    track_ids: bool
    analyse: bool
    """Whether every signal is asked about every row, to count what each contributes."""
    keep_input: bool
    """Whether the rows are put aside as they came, for a suite that runs on them."""
    folder: Path
    key: str
    watch: Callable[[], RowSample]
    stop: threading.Event
    """Set when the run ends early; a shard under way then gives up at its next batch."""
    advance: Callable[[int], None]
    """Told how many records were done; called from several threads."""
    tally: Callable[[Balance], None]
    """Told where the rows of each batch went; called from several threads."""
    voters: Voters | None = None
    """Who gives rows their labels, where signals vote on them."""
    strata: tuple[pl.Expr, ...] = ()
    """Further columns of candidates, for a stratified split."""
    review: DecisionTable | None = None
    """What people decided of rows."""
    packed: bool = True
    """Whether rows that this run reads once more are compressed: they travel, or a refresh keeps
    them."""
    clauses: pl.Enum | None = None
    """The type of what rejects rows, where more than clauses of the formula does."""


class Stopped(Exception):  # noqa: N818
    """A shard gave up because its run ends early."""


@dataclass(slots=True)
class ShardResult:
    """Where the rows of a shard went; `balance.kept` counts candidates, duplicates included."""

    balance: Balance
    parts: dict[Outcome, tuple[Part, ...]]
    watch: RowSample
    unknown: int = 0
    faulted: int = 0
    faults: list[dict[str, str]] = field(default_factory=list)
    rule_counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    out_counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Rows that the formula kept and a rule of the suite sets aside."""
    asked_out: int = 0
    """Rows that those rules looked at."""
    analysis: Analysis | None = None
    clauses: Counter[str] = field(default_factory=Counter)
    """Rejected rows by the clause that did not hold."""
    votes: VoteMetrics | None = None
    """What the votes on labels came to, of all rows read."""


class _RoutedRows(NamedTuple):
    frames: dict[Outcome, pl.DataFrame]
    rejected: int
    unknown: int
    faulted: int
    faults: tuple[dict[str, str], ...]
    clauses: Counter[str]
    analysis: Analysis | None


def process_shard(shard: Shard, index: int, context: ShardContext) -> ShardResult:
    """Read a shard and put every one of its rows aside."""
    name = hashlib.sha256(f"{context.key}:{shard.fingerprint}".encode()).hexdigest()[:16]
    writers = {
        o: PartWriter(
            context.folder / o,
            f"{index:06d}-{name}",
            even_empty=index == 0,
            lasting=o not in TEMPORARY,
            packed=context.packed,
        )
        for o in OUTCOMES
    }
    result = ShardResult(Balance(), {}, context.watch())
    for read in shard.read_batches():
        # before anything else, so that rules, formula and split see text and label
        changed = change_rows(read.frame, context.review, context.voters)
        batch, by_hand, votes = replace(read, frame=changed.frame), changed.by_hand, changed.votes
        if votes is not None:
            result.votes = votes if result.votes is None else add_metrics(result.votes, votes)
        result.watch.read(batch.frame)
        _count_rules(batch.frame, context.rules, result.rule_counts)
        done = _route_rows(batch, by_hand, context, result)
        if context.stop.is_set():
            raise Stopped
        for outcome, frame in done.frames.items():
            writers[outcome].add(frame)
        balance = _make_balance(batch, done)
        result.balance += balance
        context.tally(balance)
        result.unknown += done.unknown
        result.faulted += done.faulted
        result.clauses.update(done.clauses)
        if done.analysis is not None:
            before = result.analysis
            result.analysis = done.analysis if before is None else before + done.analysis
        context.advance(batch.frame.height + batch.unreadable.height)
        result.faults.extend(done.faults[: FAULTS_KEPT - len(result.faults)])
    result.parts = {outcome: writer.close() for outcome, writer in writers.items()}
    return result


def _route_rows(
    batch: Batch, by_hand: DecidedRows | None, context: ShardContext, result: ShardResult
) -> _RoutedRows:
    """Send every row of a batch to where it belongs."""
    failing = _mark_failing(batch.frame, context.rules)
    good = batch.frame if failing is None else batch.frame.filter(~failing)
    decisions = context.decider.decide(good)
    told = pl.DataFrame() if by_hand is None else by_hand.by_hand
    told = told if failing is None or by_hand is None else told.filter(~failing)
    routing = route_rows(decisions, None if by_hand is None else told["verdict"])
    kept, refused, open_by_fault = routing.kept, routing.refused, routing.open_by_fault
    asked = [decisions.signals.alias("signals")]
    if BEFORE in told.columns:
        asked.append(told[BEFORE])
    if decisions.scores is not None:
        asked.append(decisions.scores.alias("scores"))
    decided = good.with_columns(asked)
    bad = batch.frame.clear() if failing is None else batch.frame.filter(failing)
    found = decided.filter(kept)
    candidates = _make_candidates(found, context)
    barred = _mark_barred(candidates, context.output_rules, result)
    kept = kept.scatter(kept.arg_true().filter(barred), False)
    frames: dict[Outcome, pl.DataFrame] = {
        "candidates": candidates.filter(~barred) if barred.any() else candidates,
        "rejected": _make_rejected(decided, routing, context),
        "quarantine": pl.concat(
            [
                _with_reasons(bad, context.rules.reasons()),
                _with_reasons(
                    good.filter(open_by_fault), pl.lit([FAULT_REASON], dtype=pl.List(pl.String))
                ),
                _quarantine_barred(found.select(batch.frame.columns), candidates, barred, context),
            ]
        ),
        "unreadable": batch.unreadable,
    }
    if context.keep_input:
        frames["input"] = cast_storable(batch.frame)
    if context.track_ids:
        frames["ids"] = _make_ids(batch, failing, kept)
    if by_hand is not None:
        routing = replace(routing, kept=kept)
        frames["reviewed"] = describe_reviewed(
            by_hand, failing, decisions.keep, routing, context.content_key
        )
    return _RoutedRows(
        frames,
        rejected=int(refused.sum()),
        unknown=int((decisions.keep.is_null() & refused & (routing.clause != CLAUSE)).sum()),
        faulted=int(open_by_fault.sum()),
        faults=_describe_faults(decisions, good),
        clauses=Counter(
            {
                str(clause): int(rows)
                for clause, rows in routing.clause.filter(refused).value_counts().iter_rows()
            }
        ),
        analysis=analyse_frame(context.decider, good) if context.analyse else None,
    )


def _mark_failing(frame: pl.DataFrame, rules: RowRuleSet) -> pl.Series | None:
    """Mark the rows to quarantine; None where there is none."""
    if not rules.columns or not frame.height:
        return None
    failing = frame.select(failing=rules.failing()).to_series()
    return failing if failing.any() else None


def _mark_barred(candidates: pl.DataFrame, rules: Rules, result: ShardResult) -> pl.Series:
    """Mark and count the kept rows to quarantine."""
    if not rules.rules:
        return pl.repeat(False, candidates.height, eager=True)
    _count_rules(candidates, rules, result.out_counts)
    result.asked_out += candidates.height
    return candidates.select(barred=rules.failing()).to_series()


def _quarantine_barred(
    originals: pl.DataFrame, candidates: pl.DataFrame, barred: pl.Series, context: ShardContext
) -> pl.DataFrame:
    reasons = candidates.filter(barred).with_columns(_reasons=context.output_rules.reasons())
    return cast_storable(originals.filter(barred).hstack(reasons.select("_reasons")))


def _describe_faults(decisions: Decisions, good: pl.DataFrame) -> tuple[dict[str, str], ...]:
    return tuple(
        {
            "signal": fault.signal,
            "row_id": str(good["row_id"][fault.row]),
            "text": fault.excerpt,
            "error": fault.error,
            "traceback": fault.traceback,
        }
        for fault in decisions.faults[:FAULTS_KEPT]
    )


def _with_reasons(frame: pl.DataFrame, reasons: pl.Expr) -> pl.DataFrame:
    return cast_storable(frame.with_columns(_reasons=reasons))


def _make_candidates(frame: pl.DataFrame, context: ShardContext) -> pl.DataFrame:
    scores = ["scores"] if "scores" in frame.columns else []
    split = frame.with_columns(context.split)
    if context.official_split:
        split = split.with_columns(check_official(split["split"]))
    key = context.content_key
    if key is None:
        key = pl.lit(None, pl.UInt128).alias(TEXT_KEY)
    own = ["row_id", "split", "signals", *scores, "source"]
    own += [BEFORE] if BEFORE in frame.columns else []
    return cast_storable(split.select(*context.columns, *own, key, *context.strata))


def _make_rejected(decided: pl.DataFrame, routing: Routing, context: ShardContext) -> pl.DataFrame:
    clause = routing.clause
    if context.clauses is not None:  # Parquet files are read together by one type
        clause = clause.cast(pl.String).cast(context.clauses)
    refused = routing.refused
    return rejected_rows(decided.filter(refused), clause.filter(refused), context.record)


def rejected_rows(
    frame: pl.DataFrame, clause: pl.Series | pl.Expr, record: Literal["full", "decisions", "none"]
) -> pl.DataFrame:
    """Return what is recorded of rows that something rejects."""
    scores = ["scores"] if "scores" in frame.columns else []
    text = ["text"] if record == "full" and "text" in frame.columns else []
    named = [column for column in ("id", *VOTED) if column in frame.columns]
    columns = ["row_id", *named, "source", "signals", *scores, "clause", *text]
    rows = frame.with_columns(*cast_storable(frame.select(named)), clause=clause).select(columns)
    return rows.clear() if record == "none" else rows


def _make_ids(batch: Batch, failing: pl.Series | None, kept: pl.Series) -> pl.DataFrame:
    """Return the ids of every row in order, and whether it was kept."""
    candidate = kept.to_numpy()
    if failing is not None:
        candidate = np.zeros(batch.frame.height, bool)
        candidate[~failing.to_numpy()] = kept.to_numpy()
    return ids_of(batch, to_series("candidate", candidate))


def _count_rules(frame: pl.DataFrame, rules: Rules, counts: Counter[tuple[str, ...]]) -> None:
    if rules.rules:
        for *rule, rows in rules.counts(frame).iter_rows():
            counts[tuple(rule)] += rows


def _make_balance(batch: Batch, done: _RoutedRows) -> Balance:
    """Count what became of a batch; each figure is counted by itself, so that a slip shows."""
    return Balance(
        read=batch.frame.height + batch.unreadable.height,
        kept=done.frames["candidates"].height,
        rejected=done.rejected,
        quarantined=done.frames["quarantine"].height,
        unreadable=batch.unreadable.height,
    )
