"""The rules that set rows aside or warn of them, as checks of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.gate.check_words import describe_rule
from siftset.pipeline.storage.part_files import Part, sample_parts
from siftset.schemas.results.metrics import Check, Severity
from siftset.schemas.results.metrics_part import Example

if TYPE_CHECKING:
    from siftset.pipeline.stages.judgement import Judgement
    from siftset.pipeline.stages.process_shard import ShardResult
    from siftset.pipeline.stages.run_outcome import RunOutcome

_SHOWN: Final = 5
_CUT: Final = 160
_SEVERITY: Final[dict[str, Severity]] = {"quarantine": "info", "block": "critical"}
_DONE: Final = {"quarantine": "such rows are quarantined", "block": "such rows block publishing"}
_ADVICE: Final = {
    "quarantine": "see quarantine/ for these rows; fix the source to get them back",
    "block": "fix the source, or let the rule quarantine them",
    "warn": "fix the source, or let the rule quarantine them",
}


def make_checks(
    results: Sequence[ShardResult], judged: Judgement, outcome: RunOutcome
) -> tuple[Check, ...]:
    """Return what the row rules counted, unless the judgement has it, and what was judged."""
    rows = outcome.balance.read - outcome.balance.unreadable
    aside = outcome.parts["quarantine"]
    counted = sum((result.rule_counts for result in results), Counter[tuple[str, ...]]())
    for result in results:
        for rule in result.rule_counts:
            counted.setdefault(rule, 0)
    if any(check.stage == "row rules" for check in judged.checks):
        counted.clear()
    rules = [
        Check(
            name=rule,
            column=column,
            stage="row rules",
            passed=not failed,
            severity=_SEVERITY.get(action, "warning"),
            failed=failed,
            rows=rows,
            words=describe_rule(column, rule, reason),
            message=f"({reason.removeprefix(f'{column}: ')}; {_DONE.get(action, action)})",
            advice="" if not failed else _ADVICE.get(action, ""),
            examples=_find_examples(aside, column, reason)
            if failed and action == "quarantine"
            else (),
        )
        for (column, rule, action, reason), failed in counted.items()
    ]
    return (*rules, *_make_output_checks(results, aside), *judged.checks)


def _make_output_checks(results: Sequence[ShardResult], aside: Sequence[Part]) -> Iterator[Check]:
    """Yield what the suite set aside of the rows that the formula kept."""
    counted = sum((result.out_counts for result in results), Counter[tuple[str, ...]]())
    asked = sum(result.asked_out for result in results)
    for (column, kind, _action, reason), failed in counted.items():
        yield Check(
            name=kind,
            column=column,
            stage="output",
            passed=not failed,
            severity="info",
            failed=failed,
            rows=asked,
            message="(rows that the formula kept; such rows are quarantined)",
            advice=_ADVICE["quarantine"] if failed else "",
            examples=_find_examples(aside, column, reason) if failed else (),
        )


def _find_examples(aside: Sequence[Part], column: str, reason: str) -> tuple[Example, ...]:
    """Return a few of the rows that were set aside for a reason."""
    if not any(part.rows for part in aside):
        return ()
    rows = sample_parts(aside)
    schema = rows.collect_schema()
    shown = column in schema and not schema[column].is_nested()
    value = pl.col(column).cast(pl.String).str.head(_CUT) if shown else pl.lit(None, pl.String)
    because = rows.filter(pl.col("_reasons").list.contains(reason))
    lowest = because.select("row_id", value=value).bottom_k(_SHOWN, by="row_id")
    few = lowest.sort("row_id").collect(engine="streaming")
    return tuple(Example(reason=reason, **row) for row in few.iter_rows(named=True))
