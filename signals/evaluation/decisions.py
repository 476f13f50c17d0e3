"""What was decided of the rows of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from siftset.schemas.results.columns import STATE
from siftset.signals.evaluation.bodies import SKIPPED, TRUE, UNKNOWN, Codes
from siftset.signals.evaluation.faults import Fault
from siftset.signals.evaluation.workspace import Workspace
from siftset.signals.kernels.arrays import to_series


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided of the rows of a frame, in their order."""

    keep: pl.Series
    """Boolean; null where the formula is unknown. Only true is kept."""
    signals: pl.Series
    """Struct of a STATE for each signal."""
    scores: pl.Series | None
    """Struct of a Float64 for each signal with a score; None where there is none."""
    clause: pl.Series
    """Enum: the top-level clause that did not hold; null where the row is kept."""
    faults: tuple[Fault, ...]
    """The faults on the faulted rows."""
    faulted: pl.Series
    """Boolean: the formula is unknown because a signal raised."""

    def to_frame(self) -> pl.DataFrame:
        """Lay the decisions out as columns."""
        columns = [self.keep, self.signals, self.clause, self.faulted]
        return pl.DataFrame(columns if self.scores is None else [*columns, self.scores])


def to_boolean(name: str, codes: Codes) -> pl.Series:
    """Make codes yes, no and null."""
    kept = to_series(name, codes == TRUE)
    return kept.set(to_series("unknown", codes == UNKNOWN), None)


def to_states(space: Workspace) -> pl.Series:
    """Lay what each signal said out as a struct."""
    columns = []
    for name in space.questions:
        codes = space.codes.get(name)
        if codes is None:
            codes = np.full(space.size, SKIPPED, np.uint8)
        columns.append(to_series(name, codes).cat.to(STATE))
    return pl.DataFrame(columns).to_struct("signals")


def to_scores(space: Workspace) -> pl.Series | None:
    """Lay the scores out as a struct; None where no signal has one."""
    names = [name for name, question in space.questions.items()
             if question.signal.returns == "score"]  # fmt: skip
    if not names:
        return None
    columns = []
    for name in names:
        scores = space.scores.get(name)
        made = to_series(name, np.full(space.size, np.nan) if scores is None else scores)
        columns.append(made.fill_nan(None))
    return pl.DataFrame(columns).to_struct("scores")
