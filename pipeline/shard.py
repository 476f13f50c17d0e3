"""What is done to one shard: every row read ends in exactly one part file.

A shard knows nothing of the others, so that threads or machines may work on them in any order.
Duplicates need all shards, and are found afterwards among the candidates.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import polars as pl

from pipeline.dedupe import id_keys, text_key
from pipeline.delta_types import storable
from pipeline.parts import Part, PartWriter
from pipeline.split import check_official
from schemas.results import Balance

if TYPE_CHECKING:
    from signals.decide import Decider, Decisions, Fault

    from pipeline.rules import RowRuleSet

Outcome = Literal["candidates", "rejected", "quarantine", "unreadable", "ids"]
OUTCOMES: Final[tuple[Outcome, ...]] = (
    "candidates",
    "rejected",
    "quarantine",
    "unreadable",
    "ids",
)
FAULTS_KEPT: Final = 100
FAULT_REASON: Final = "signal fault"


class Batch(Protocol):
    """Some records of a source: those that are rows, and those that cannot be read."""

    @property
    def frame(self) -> pl.DataFrame: ...  # noqa: D102
    @property
    def unreadable(self) -> pl.DataFrame: ...  # noqa: D102


class Shard(Protocol):
    """A part of the input that can be worked on by itself."""

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""


class Watch(Protocol):
    """Whoever wants to see the rows, such as the profile; one for each shard."""

    def read(self, frame: pl.DataFrame) -> None:
        """See rows as they were read."""

    def decided(self, frame: pl.DataFrame, decisions: Decisions) -> None:
        """See rows that met the formula, with what it said of them."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every shard needs to know; the same for all of them."""

    decider: Decider
    rules: RowRuleSet
    columns: tuple[str, ...]
    split: pl.Expr
    official_split: bool
    record: Literal["full", "decisions", "none"]
    track_ids: bool
    folder: Path
    key: str
    watch: Callable[[], Watch]
    stop: threading.Event
    """Set when the run ends early; a shard under way then gives up at its next batch."""


class Stopped(Exception):  # noqa: N818
    """A shard gave up because its run ends early."""


@dataclass(slots=True)
class ShardResult:
    """Where the rows of a shard went; `balance.kept` counts candidates, duplicates included."""

    balance: Balance
    parts: dict[Outcome, tuple[Part, ...]]
    watch: Watch
    unknown: int = 0
    faulted: int = 0
    faults: list[Fault] = field(default_factory=list)
    rule_counts: Counter[tuple[str, ...]] = field(default_factory=Counter)


class _Sorted(NamedTuple):
    frames: dict[Outcome, pl.DataFrame]
    rejected: int
    unknown: int
    faulted: int
    faults: tuple[Fault, ...]


def work_on(shard: Shard, index: int, work: Work) -> ShardResult:
    """Read a shard and put every one of its rows aside."""
    name = hashlib.sha256(f"{work.key}:{index}".encode()).hexdigest()[:16]
    writers = {o: PartWriter(work.folder / o, f"{index:06d}-{name}") for o in OUTCOMES}
    result = ShardResult(Balance(), {}, work.watch())
    for batch in shard.batches():
        if work.stop.is_set():
            raise Stopped
        result.watch.read(batch.frame)
        _count_rules(batch.frame, work.rules, result.rule_counts)
        done = _sort_rows(batch.frame, work, result.watch)
        done.frames["unreadable"] = batch.unreadable
        for outcome, frame in done.frames.items():
            writers[outcome].add(frame)
        result.balance += _balance(batch, done)
        result.unknown += done.unknown
        result.faulted += done.faulted
        result.faults.extend(done.faults[: FAULTS_KEPT - len(result.faults)])
    result.parts = {outcome: writer.close() for outcome, writer in writers.items()}
    if work.record == "none":
        result.parts["rejected"] = ()
    return result


def _sort_rows(frame: pl.DataFrame, work: Work, watch: Watch) -> _Sorted:
    """Send every row of a batch to where it belongs."""
    bad, good = _by_rules(frame, work.rules)
    decisions = work.decider.decide(good)
    watch.decided(good, decisions)
    open_by_fault = decisions.faulted & decisions.keep.is_null()
    kept = decisions.keep.fill_null(False)
    refused = ~kept & ~open_by_fault
    decided = good.with_columns(_codes(decisions))
    frames: dict[Outcome, pl.DataFrame] = {
        "candidates": _candidates(decided.filter(kept), work),
        "rejected": _rejected(decided, decisions, refused, work),
        "quarantine": pl.concat([bad, _faulty(good.filter(open_by_fault))]),
    }
    if work.track_ids:
        frames["ids"] = _ids(good, kept, bad, work)
    unknown = int((decisions.keep.is_null() & refused).sum())
    return _Sorted(frames, int(refused.sum()), unknown, int(open_by_fault.sum()), decisions.faults)


def _by_rules(frame: pl.DataFrame, rules: RowRuleSet) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows to quarantine, with their reasons, and the others."""
    if not rules.columns or not frame.height:
        return _with_reasons(frame.clear(), pl.lit([], dtype=pl.List(pl.String))), frame
    failing = frame.select(failing=rules.failing()).to_series()
    if not failing.any():
        return _with_reasons(frame.clear(), rules.reasons()), frame
    return _with_reasons(frame.filter(failing), rules.reasons()), frame.filter(~failing)


def _with_reasons(frame: pl.DataFrame, reasons: pl.Expr) -> pl.DataFrame:
    return storable(frame.with_columns(_reasons=reasons))


def _faulty(frame: pl.DataFrame) -> pl.DataFrame:
    reasons = pl.lit([FAULT_REASON], dtype=pl.List(pl.String))
    return _with_reasons(frame, reasons)


def _codes(decisions: Decisions) -> list[pl.Series]:
    """Return the columns signals and, where there are any, scores as they are stored."""
    names = decisions.signals.struct.fields
    codes = decisions.signals.cast(pl.Struct(dict.fromkeys(names, pl.String))).alias("signals")
    return [codes] if decisions.scores is None else [codes, decisions.scores.alias("scores")]


def _candidates(frame: pl.DataFrame, work: Work) -> pl.DataFrame:
    scores = ["scores"] if "scores" in frame.columns else []
    split = frame.with_columns(work.split)
    if work.official_split:
        split = split.with_columns(check_official(split["split"]))
    keyed = split.with_columns(text_key())
    own = ["row_id", "split", "signals", *scores, "source"]
    return storable(keyed.select(*work.columns, *own, text_key().meta.output_name()))


def _rejected(
    decided: pl.DataFrame, decisions: Decisions, refused: pl.Series, work: Work
) -> pl.DataFrame:
    if work.record == "none":
        return decided.clear()
    scores = ["scores"] if "scores" in decided.columns else []
    text = ["text"] if work.record == "full" and "text" in decided.columns else []
    with_clause = decided.with_columns(clause=decisions.clause)
    columns = ["row_id", "source", "signals", *scores, "clause", *text]
    return with_clause.select(columns).filter(refused)


def _ids(good: pl.DataFrame, kept: pl.Series, bad: pl.DataFrame, work: Work) -> pl.DataFrame:
    """Return what tells repeated ids, in the order of the input among kept rows."""
    frames = [
        good.with_columns(candidate=kept),
        bad.drop("_reasons").cast(good.schema).with_columns(candidate=pl.lit(False)),
    ]
    keyed = pl.concat(frames).with_columns(id_keys(work.columns))
    return keyed.select("row_id", "key", "content", "candidate")


def _count_rules(frame: pl.DataFrame, rules: RowRuleSet, counts: Counter[tuple[str, ...]]) -> None:
    if rules.columns:
        for *rule, rows in rules.counts(frame).iter_rows():
            counts[tuple(rule)] += rows


def _balance(batch: Batch, done: _Sorted) -> Balance:
    """Count what became of a batch; each figure is counted by itself, so that a slip shows."""
    return Balance(
        read=batch.frame.height + batch.unreadable.height,
        kept=done.frames["candidates"].height,
        rejected=done.rejected,
        quarantined=done.frames["quarantine"].height,
        unreadable=batch.unreadable.height,
    )


def merge_results(results: Iterable[ShardResult]) -> tuple[Balance, Counter[tuple[str, ...]]]:
    """Return the balance and the counts of row rules of all shards together."""
    balance, counts = Balance(), Counter[tuple[str, ...]]()
    for result in results:
        balance += result.balance
        counts.update(result.rule_counts)
    return balance, counts
