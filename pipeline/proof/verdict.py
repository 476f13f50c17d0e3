"""The verdict of a proof: one word, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from siftset.pipeline.proof.statistics import Gain, Saving
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.proof import ProofUnit, ProofVerdict

WIDE: Final = 0.06
"""An interval wider than this says nothing of use: 6 points of accuracy, 6 % of the loss."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on; of each kind the headline's strength comes first."""

    blocks: Sequence[Gain]
    halves: Sequence[Gain] = ()
    matched: Gain | None = None
    complete: bool = True
    """Whether blocks and halves were measured at both strengths."""

    def agrees(self, sign: int) -> bool:
        """Say whether all that was measured points the same way."""
        return all(sign * one.value > 0 for one in (*self.blocks, *self.halves))


def judge_evidence(found: Evidence) -> ProofVerdict:
    """Return the verdict: blocks decide, and halves and both strengths must agree in sign."""
    first = found.blocks[0]
    if first.low <= 0 <= first.high:
        return "cannot say" if first.width > WIDE else "no difference"
    if not found.complete:
        return "cannot say"
    sign = 1 if first.low > 0 else -1
    if not found.agrees(sign):
        return "not shown"
    return "yes" if sign > 0 else "hurt"


def write_sentence(verdict: ProofVerdict, found: Evidence, unit: ProofUnit) -> str:
    """Return the sentence that stands on top of the page."""
    first = found.blocks[0]
    said = format_gain(first, unit)
    learn = "teach more than as many random rows"
    if verdict == "yes":
        alone = found.matched is not None and found.matched.low <= 0
        length = (
            " Their length may be all there is to it: against rows of the same lengths "
            f"{format_gain(found.matched, unit)}."
            if alone and found.matched is not None
            else ""
        )
        return f"Yes: the curated rows {learn}: {said}.{length}"
    if verdict == "hurt":
        return f"No, it hurt: as many random rows teach more: {said}."
    if verdict == "no difference":
        most = format_amount(max(0.0, first.high), unit)
        return f"No difference shown: {said}; a gain above {most} is ruled out."
    if verdict == "not shown":
        return f"Not shown: few rows and many disagree, see the curve. With few rows {said}."
    if not found.complete and not first.low <= 0 <= first.high:
        return (
            f"Cannot say yet: {said} with few rows, but the minutes were used up before halves "
            "and the second strength could confirm it. Run it again to go on."
        )
    return f"Cannot say: {said}. Hold out more rows or curate more."


def write_saving(saving: Saving) -> str:
    """Say how many random rows would do as well."""
    if saving.at_least:
        return (
            f"{format_count(saving.rows, 'curated row')} {conjugate(saving.rows, 'teach')} as "
            f"much as at least {saving.equals:,.0f} random ones, all that there are."
        )
    return (
        f"{format_count(saving.rows, 'curated row')} {conjugate(saving.rows, 'teach')} as "
        f"much as {saving.equals:,.0f} random ones ({saving.low:,.0f} to {saving.high:,.0f})."
    )


def format_gain(gain: Gain, unit: ProofUnit) -> str:
    """Return a difference with its interval: +7.4 points (+5.1 to +9.6)."""
    value, low, high = (f"{100 * one:+.1f}" for one in gain)
    return f"{value} {_UNITS[unit]} ({low} to {high})"


def format_amount(value: float, unit: ProofUnit) -> str:
    """Return an amount without its sign: 1.4 points."""
    return f"{100 * abs(value):.1f} {_UNITS[unit]}"


_UNITS: Final[dict[ProofUnit, str]] = {"points": "points", "percent": "% of the loss"}
