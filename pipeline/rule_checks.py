"""The rules that set rows aside or warn of them, as checks of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from schemas.metrics import Check, Severity

if TYPE_CHECKING:
    from pipeline.assess import Judgement
    from pipeline.shard import ShardResult

_SEVERITY: Final[dict[str, Severity]] = {"quarantine": "info", "block": "critical"}
_DONE: Final = {"quarantine": "such rows are quarantined", "block": "such rows block publishing"}
_ADVICE: Final = {
    "quarantine": "look at them under quarantine/; mend the source to get them back",
    "block": "mend the source, or let the rule quarantine them",
    "warn": "mend the source, or let the rule quarantine them",
}


def checks_of(results: Sequence[ShardResult], judged: Judgement, rows: int) -> tuple[Check, ...]:
    """Return what the row rules counted, unless the judgement has it, and what was judged.

    `rows` counts what could be read, the denominator of the row rules.
    """
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
            message=f"({reason.removeprefix(f'{column}: ')}; {_DONE.get(action, action)})",
            advice="" if not failed else _ADVICE.get(action, ""),
        )
        for (column, rule, action, reason), failed in counted.items()
    ]
    return (*rules, *_set_aside(results), *judged.checks)


def _set_aside(results: Sequence[ShardResult]) -> Iterator[Check]:
    """Yield what the suite set aside of the rows that the formula kept."""
    counted = sum((result.out_counts for result in results), Counter[tuple[str, ...]]())
    asked = sum(result.asked_out for result in results)
    for (column, kind, _action, _reason), failed in counted.items():
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
        )
