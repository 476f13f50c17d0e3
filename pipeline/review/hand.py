"""What was decided by hand, row by row, as the decision files say it now."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from pydantic import JsonValue

from siftset.pipeline.decisions.estimate import estimate_share
from siftset.pipeline.decisions.files import open_log, reviewer_file
from siftset.pipeline.decisions.log import DecisionLog, StandingDecision
from siftset.pipeline.decisions.record import RANDOM_REJECTED, Decision, Undo
from siftset.pipeline.review.columns import CodedColumn
from siftset.pipeline.review.queues import Queue
from siftset.pipeline.review.rows import SEEN, ReviewRows

STALE: Final = "stale"
DISPUTED: Final = "disputed"
WORDS: Final = {
    "keep": "kept",
    "drop": "dropped",
    "relabel": "relabelled",
    "edit": "edited",
    "skip": "left for later",
}
"""What a decision is called once it was made."""
_VALUES: Final = (*WORDS.values(), STALE, DISPUTED)


class SampleShare(NamedTuple):
    """A share of the rows drawn at random that a person looked at, with its 95 % interval."""

    part: int
    seen: int
    low: float
    high: float


class HandDecisions:
    """Decisions about the rows of a recipe; safe to use from several threads."""

    def __init__(self, rows: ReviewRows, by: str) -> None:
        self.rows = rows
        self.by = by
        self.path: Path = reviewer_file(rows.loaded, by)
        self.log: DecisionLog = open_log(rows.loaded)
        self.states = CodedColumn(_VALUES, np.full(rows.count, len(_VALUES), np.uint16))
        """What is in force for each row, as a facet."""
        self._places: dict[str, int] = {}
        """Rows of the source about which anything was ever said."""
        self.orphaned = 0
        self._known = -1
        self._lock = threading.RLock()
        self.refresh()

    def refresh(self) -> None:
        """Take what other reviewers, or another page, wrote since."""
        with self._lock:
            self.log.update()
            if len(self.log) == self._known:
                return
            ids = pl.DataFrame({"row_id": self.log.row_ids}, schema={"row_id": pl.String})
            found = (
                self.rows.frame.select("row_id")
                .with_row_index("at")
                .join(ids, on="row_id", how="semi")
            )
            self._places.update(zip(found["row_id"], found["at"], strict=True))
            self.orphaned = ids.height - found.height
            self._settle(self._places)

    def standing(self, row: int) -> StandingDecision | None:
        """Return what holds for a row, None where nothing was said of it."""
        row_id = self.rows.frame["row_id"][row]
        return self.log.standing(row_id, self.rows.frame[SEEN][row])

    def describe(self, row: int) -> dict[str, JsonValue] | None:
        """Return the decision about a row as a page shows it, None where nothing was said."""
        found = self.standing(row)
        if found is None or found.decision is None:
            return None
        return {**describe_decision(found.decision), "state": found.state}

    def decide(self, rows: Sequence[int], decisions: Sequence[Decision]) -> None:
        """Write a decision for each row; they are on the disk when this returns."""
        with self._lock:
            self.refresh()
            self.log.append(self.path, decisions)
            self._places.update((d.row_id, row) for d, row in zip(decisions, rows, strict=True))
            self._settle([decision.row_id for decision in decisions])

    def undo(self) -> list[int]:
        """Take back the last thing that this reviewer did; return the rows that it was about."""
        with self._lock:
            self.refresh()
            last = set(self.log.last_step(self.by))
            if not last:
                return []
            about = [
                event.row_id
                for event in self.log.events
                if isinstance(event, Decision) and event.event in last
            ]
            self.log.append(self.path, [Undo(undo=tuple(sorted(last)), by=self.by)])
            self._settle(about)
            return [self._places[row_id] for row_id in about if row_id in self._places]

    def count(self) -> dict[str, int]:
        """Count the rows by what is in force for them."""
        return {value: rows for value, rows in self.states.count(None) if value is not None}

    def count_done(self, queue: Queue) -> int:
        """Count the rows of a queue about which something was said."""
        return int(np.count_nonzero(self.states.codes[queue.rows] < len(_VALUES)))

    def rows_in(self, state: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the rows that are in a state."""
        return np.flatnonzero(self.states.mask([state]))

    def estimate(self, queue: Queue, among: int) -> SampleShare | None:
        """Return the share that rows drawn at random have, of those looked at one by one.

        Of kept rows it is those that are right as they stand; of rejected ones those that somebody
        wants. `among` is how many rows the sample was drawn from. None where nobody looked yet.
        """
        judged = (
            found.decision
            for found in map(self.standing, queue.rows.tolist())
            if found is not None and found.state == "applied" and found.decision is not None
        )
        found = estimate_share(judged, queue.name, among=among)
        if found is None:
            return None
        if queue.name == RANDOM_REJECTED:
            wanted = found.judged - found.right
            return SampleShare(wanted, found.judged, 1 - found.high, 1 - found.low)
        return SampleShare(found.right, found.judged, found.low, found.high)

    def _settle(self, row_ids: Iterable[str]) -> None:
        self._known = len(self.log)
        for row_id in row_ids:
            row = self._places.get(row_id)
            if row is not None:
                self.states.codes[row] = self._code_of(self.standing(row))

    def _code_of(self, found: StandingDecision | None) -> int:
        if found is None or found.decision is None:
            return len(_VALUES)
        if found.state in (STALE, DISPUTED):
            return _VALUES.index(found.state)
        verb = "skip" if found.state == "skip" else found.decision.decision
        return list(WORDS).index(verb)


def describe_decision(decision: Decision) -> dict[str, JsonValue]:
    """Return a decision as a page shows it."""
    label = decision.label
    shown = ", ".join(map(str, label)) if isinstance(label, tuple) else label
    return {
        "decision": decision.decision,
        "label": None if shown is None else str(shown),
        "text": decision.text,
        "reason": decision.reason,
        "how": decision.how,
        "queue": decision.queue,
        "by": decision.by,
        "at": decision.model_dump(mode="json")["at"],
    }
