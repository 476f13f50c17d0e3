"""How many rows may be left open by signals that fail, and how many records may be unreadable."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from siftset.pipeline.profile.shares import is_above
from siftset.pipeline.stages.process_shard import WHOLE_SHARD
from siftset.pipeline.storage.part_files import sample_parts
from siftset.schemas.errors import FaultBudgetExceeded, SiftsetError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.metrics import Check
from siftset.schemas.results.metrics_part import Example

if TYPE_CHECKING:
    from siftset.pipeline.run.context import CurateRun
    from siftset.pipeline.stages.run_outcome import RunOutcome

_SHOWN: Final = 8
_CUT: Final = 160


class BudgetReport(NamedTuple):
    """What the page says of rows that were lost to faults, and the budget that was overdrawn."""

    checks: tuple[Check, ...]
    refusal: SiftsetError | None


def hold_budgets(
    run: CurateRun, outcome: RunOutcome, faults: Sequence[dict[str, str]]
) -> BudgetReport:
    """Hold undecided rows and unreadable records against what the recipe allows of them."""
    recipe, balance = run.job.recipe, outcome.balance
    read = max(1, balance.read)
    checks: list[Check] = []
    if is_above(Fraction(outcome.faulted, read), recipe.max_fault_rate):
        first = faults[0]
        refusal: SiftsetError | None = FaultBudgetExceeded(
            f"{outcome.faulted:,} of {format_count(balance.read, 'row')} cannot be decided "
            f"because a signal fails on them, more than max_fault_rate {recipe.max_fault_rate:g} "
            f"allows; first: signal '{first['signal']}' on row {first['row_id']}: "
            f"{first['error']}; nothing was published: fix the signal or raise max_fault_rate"
        )
    elif is_above(Fraction(balance.unreadable, read), recipe.max_unreadable_share):
        refusal = FaultBudgetExceeded(
            f"{balance.unreadable:,} of {format_count(balance.read, 'record')} "
            f"{conjugate(balance.unreadable, 'are')} unreadable, more than max_unreadable_share "
            f"{recipe.max_unreadable_share:g} allows; nothing was published: fix the input or "
            "raise max_unreadable_share"
        )
        checks.append(_check_unreadable(run, outcome))
    else:
        refusal = None
    own = [fault for fault in faults if fault["signal"] != WHOLE_SHARD]
    if own:
        checks.append(_check_faults(run, outcome, own, refused=refusal is not None))
    return BudgetReport(tuple(checks), refusal)


def _check_faults(
    run: CurateRun, outcome: RunOutcome, faults: Sequence[dict[str, str]], *, refused: bool
) -> Check:
    """Tell which signals failed on undecided rows, and with which exceptions."""
    causes: dict[tuple[str, str], dict[str, str]] = {}
    for fault in faults:
        causes.setdefault((fault["signal"], fault["error"]), fault)
    first = faults[0]
    return Check(
        name="signal faults",
        stage="input",
        passed=False,
        severity="critical" if refused else "warning",
        failed=outcome.faulted,
        rows=outcome.balance.read,
        threshold=f"max_fault_rate {run.job.recipe.max_fault_rate:g}",
        message=f"signal faults: {outcome.faulted:,} of "
        f"{format_count(outcome.balance.read, 'row')} {conjugate(outcome.faulted, 'are')} left "
        f"open; first: signal '{first['signal']}' raised {first['error']}",
        advice=f"run  siftset explain {run.job.loaded.path} --row {first['row_id']}  for the "
        "traceback; all of them lie in faults.json beside this page",
        examples=tuple(
            Example(
                row_id=fault["row_id"],
                value=fault["text"][:_CUT],
                reason=f"{signal}: {error}",
            )
            for (signal, error), fault in list(causes.items())[:_SHOWN]
        ),
    )


def _check_unreadable(run: CurateRun, outcome: RunOutcome) -> Check:
    """Tell what is wrong with the first unreadable records."""
    rows = sample_parts(outcome.parts["unreadable"]).head(_SHOWN)
    source = pl.col("source").struct
    place = pl.format("{} record {}", source.field("file"), source.field("record"))
    few = rows.select("row_id", place=place, reason="reason").collect()
    return Check(
        name="unreadable records",
        stage="input",
        passed=False,
        failed=outcome.balance.unreadable,
        rows=outcome.balance.read,
        threshold=f"max_unreadable_share {run.job.recipe.max_unreadable_share:g}",
        message=f"unreadable records: {outcome.balance.unreadable:,} of {outcome.balance.read:,}; "
        f"first: {few['place'][0]}: {few['reason'][0]}",
        advice="see unreadable/ for the file, record and reason of each; fix them at the source",
        examples=tuple(
            Example(row_id=row_id or "", value=place, reason=reason)
            for row_id, place, reason in few.iter_rows()
        ),
    )
