"""What a reviewer asks to see, and the rows that it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from siftset.pipeline.review.columns import CodedColumn, Mask
from siftset.pipeline.review.queues import Queue
from siftset.pipeline.review.rows import ReviewRows
from siftset.schemas.results.columns import STATES

_Found = TypeVar("_Found")

BY_HAND: Final = "by hand"
"""The facet of what was decided of a row."""


class Filter(BaseModel):
    """Conditions that rows must meet, all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: str = ""
    q: str = Field("", max_length=1_000)
    """Text that a row holds, in capitals or not."""
    facets: dict[str, tuple[str | None, ...]] = Field(default_factory=dict)
    """Values of a facet, of which a row holds one."""
    signals: tuple[str, ...] = ()
    """Signals that say yes of a row."""
    selection: str = ""
    region: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every row meets it."""
        return self == Filter()


class Matcher:
    """Finds the rows that meet a filter, and counts facets among them."""

    def __init__(self, rows: ReviewRows, by_hand: CodedColumn) -> None:
        self.rows = rows
        self.by_hand = by_hand
        self.queues: Mapping[str, Queue] = {}
        self.selections: dict[str, Mask] = {}
        self.regions: np.ndarray[tuple[int], np.dtype[np.uint8]] | None = None
        yes = STATES.index("true")
        self._says_yes = {name: rows.states(name) == yes for name in rows.signals}
        self._searched: tuple[str, Mask] = ("", np.zeros(0, bool))

    @property
    def facets(self) -> dict[str, CodedColumn]:
        """The columns that rows can be filtered by."""
        return {**self.rows.facets, BY_HAND: self.by_hand}

    def mask(self, asked: Filter, without: str = "") -> Mask:
        """Mark the rows that meet a filter; `without` names a facet to leave out.

        Raises ValueError for a queue, facet, signal or selection that is not there.
        """
        found = np.ones(self.rows.count, bool)
        for name, values in asked.facets.items():
            if name != without and values:
                found &= _get(self.facets, "facet", name).mask(values)
        for name in asked.signals:
            found &= _get(self._says_yes, "signal", name)
        if asked.q:
            found &= self._search(asked.q)
        if asked.queue:
            inside = np.zeros(self.rows.count, bool)
            inside[_get(self.queues, "queue", asked.queue).rows] = True
            found &= inside
        if asked.selection:
            found &= _get(self.selections, "selection", asked.selection)
        if asked.region is not None and self.regions is not None:
            found &= self.regions == asked.region
        return found

    def order(self, asked: Filter) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the rows that meet a filter: in the order of its queue, else of the source."""
        met = self.mask(asked)
        if not asked.queue:
            return np.flatnonzero(met)
        places = self.queues[asked.queue].rows
        return places[met[places]]

    def count_facets(self, asked: Filter) -> dict[str, list[tuple[str | None, int]]]:
        """Count the values of each facet among the rows that meet all other conditions."""
        met = self.mask(asked)
        counted = {}
        for name, column in self.facets.items():
            among = self.mask(asked, without=name) if asked.facets.get(name) else met
            counted[name] = column.count(None if asked.is_empty else among)
        return counted

    def count_signals(self, asked: Filter) -> dict[str, int]:
        """Count the rows of which each signal says yes, among those that meet a filter."""
        met = self.mask(asked)
        return {name: int(np.count_nonzero(yes & met)) for name, yes in self._says_yes.items()}

    def _search(self, text: str) -> Mask:
        # A page asks for rows, facets and places of one search: the texts are read once.
        before, found = self._searched
        if before != text:
            found = (
                self.rows.lowered.to_frame()
                .lazy()
                .select(pl.first().str.contains(text.lower(), literal=True))
                .collect()
                .to_series()
                .to_numpy()
            )
            self._searched = (text, found)
        return found


def _get(known: Mapping[str, _Found], kind: str, name: str) -> _Found:
    if name not in known:
        raise ValueError(f"no {kind} is called '{name[:80]}'")
    return known[name]
