"""What differs between two states of a set: how many rows, why, and what that does to the whole.

Counts are of all rows; only samples and languages are of some, and say so.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from siftset.schemas.results.plan import RowChanges

Kind = Literal["added", "removed", "changed"]
KINDS: tuple[Kind, ...] = ("added", "removed", "changed")

NULL = "(null)"
"""The value of a distribution or a slice that stands for none."""

Reason = Literal[
    "new input",
    "gone input",
    "formula",
    "threshold",
    "list",
    "code",
    "rule",
    "split",
    "correction",
    "duplicate",
    "selection",
    "by hand",
]
"""Why a row differs: what came or went, what was decided otherwise, or which copy is kept."""

REASON_WORDS: dict[str, str] = {
    "new input": "new in the input",
    "gone input": "no longer in the input",
    "formula": "another formula",
    "threshold": "a changed threshold",
    "list": "a changed list of words",
    "code": "changed code of a signal",
    "rule": "a changed rule",
    "split": "another split",
    "correction": "the input says something else of it",
    "duplicate": "another copy of its text is kept",
    "by hand": "somebody decided otherwise",
    "selection": "another choice of the rows most like the examples",
}


class DifferencePart(BaseModel):
    """A frozen part of diff.json; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class Side(DifferencePart):
    """One of the two states."""

    name: str = Field(description="Such as `version 3` or `plan 20261130T185910623Z-c767`.")
    version: int | None = None
    run_id: str = ""
    rows: int = 0
    formula: str = ""


class ReasonCount(DifferencePart):
    """Rows that differ for one reason."""

    kind: Kind
    reason: Reason
    detail: str = Field("", description="The clause, the signal or the column that is behind it.")
    rows: int


class RecipeChange(DifferencePart):
    """One key of the recipe that decides rows and differs; empty where a side does not set it."""

    key: str = Field(description="Such as `signals.positive.sentiment.min`.")
    before: str = ""
    after: str = ""


class Slice(DifferencePart):
    """One value of a column that divides the set: its rows on both sides, and how many differ."""

    column: str
    value: str
    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0


class Distribution(DifferencePart):
    """Rows by value, or by range of a number, on both sides."""

    name: str
    bins: tuple[str, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    is_sample: bool = False
    """Whether rows of a sample were counted."""


class RowSide(DifferencePart):
    """A row on one side, cut to what a page can show."""

    text: str | None = None
    label: str | None = None
    split: str | None = None


class RowChange(DifferencePart):
    """One row that differs, and why."""

    row_id: str
    kind: Kind
    reason: Reason
    source: str = ""
    place: str | None = Field(None, description="Where it is on the side that does not keep it.")
    clause: str | None = Field(None, description="The clause that rejects it there.")
    signal: str | None = Field(None, description="The signal that decided, where one did.")
    states: tuple[str | None, str | None] = (None, None)
    scores: tuple[float | None, float | None] = (None, None)
    columns: tuple[str, ...] = Field((), description="Columns that differ.")
    before: RowSide | None = None
    after: RowSide | None = None


class SetDifference(DifferencePart):
    """Everything that is said of two states of a set."""

    recipe: str = ""
    arguments: tuple[str, ...] = Field(
        (), description="The recipe's file and the changes of it, as one types them."
    )
    before: Side
    after: Side
    changes: RowChanges = RowChanges()
    verdict: Literal["pass", "warn", "fail"] | None = None
    recipe_changes: tuple[RecipeChange, ...] = ()
    reasons: tuple[ReasonCount, ...] = ()
    slices: tuple[Slice, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    samples: tuple[RowChange, ...] = ()

    def of_column(self, column: str) -> list[Slice]:
        """Return the slices by one column that hold rows which differ, the most first."""
        found = [s for s in self.slices if s.column == column and s.added + s.removed + s.changed]
        return sorted(found, key=lambda s: (-(s.added + s.removed + s.changed), s.value))
