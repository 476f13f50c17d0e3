"""One review under way: what the page asks, answered from memory."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
import polars as pl
from pydantic import JsonValue

from siftset.pipeline.decisions.record import Decision, new_step
from siftset.pipeline.review.changes import can_edit, check_change, list_labels
from siftset.pipeline.review.columns import Mask, Places
from siftset.pipeline.review.filters import Filter, Matcher
from siftset.pipeline.review.hand import DISPUTED, STALE, HandDecisions, describe_decision
from siftset.pipeline.review.preparation import Preparation
from siftset.pipeline.review.queues import Queue, answer_clauses, order_queues
from siftset.pipeline.review.requests import Ask
from siftset.pipeline.review.rows import (
    FILE,
    ID,
    KEPT,
    LABEL,
    PART,
    RECORD,
    REJECTED,
    REPEATS,
    SEEN,
    WHY,
    ReviewRows,
)
from siftset.pipeline.review.rule_book import RuleBook
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.results.columns import STATES
from siftset.signals.formula.tree import Node, Op, show

BULK: Final = 10_000
"""Rows that are decided at once at most: what is more is a rule, and belongs into the recipe."""
PAGE: Final = 60
UNNAMED: Final = (
    "The recipe does not name decisions yet: write  review: {}  into it, so that runs apply them"
)
_LISTED: Final = 400
"""Characters of a text that a list shows."""
ALIKE: Final = 8
_SELECTIONS: Final = 20
_REASONS: Final = 8
SAMPLES: Final = {"random_kept": KEPT, "random_rejected": REJECTED}
"""Queues of rows drawn at random, and the outcome that they were drawn from."""


class ReviewSession:
    """The rows of a recipe, what was decided, and what is being prepared."""

    def __init__(self, rows: ReviewRows, hand: HandDecisions, preparation: Preparation) -> None:
        self.rows = rows
        self.hand = hand
        self.preparation = preparation
        self.matcher = Matcher(rows, hand.states)
        self.rules = RuleBook(rows)
        self.labels = list_labels(rows)

    def queues(self) -> list[Queue]:
        """Return what there is to look at now."""
        hand = self.hand
        found = [
            *self.preparation.queues,
            Queue(DISPUTED, "Disputed", "Reviewers disagree: the formula decides",
                  hand.rows_in(DISPUTED)),
            Queue(STALE, "Stale", "Decided when the row read otherwise: not applied",
                  hand.rows_in(STALE)),
        ]  # fmt: skip
        ordered = order_queues(found)
        self.matcher.queues = {queue.name: queue for queue in ordered}
        if self.preparation.map is not None:
            self.matcher.regions = self.preparation.map.region
        return ordered

    def state(self) -> dict[str, JsonValue]:
        """Return what stands around the rows: queues, tallies, estimates, what is being made."""
        self.hand.refresh()
        rows = self.rows
        return {
            "name": rows.loaded.recipe.name,
            "version": rows.version,
            "run": rows.run_id,
            "rows": rows.count,
            "by": self.hand.by,
            "file": self.hand.path.name,
            "labels": [*self.labels],
            "edits": can_edit(rows),
            "formula": rows.job.decider.formula.text,
            "bulk": BULK,
            "orphaned": self.hand.orphaned,
            "warnings": [*self.hand.log.warnings[:3]],
            "preparing": self.preparation.progress(),
            "notes": [*self._notes()],
            "has_map": self.preparation.map is not None,
            **self.tally(),
        }

    def _notes(self) -> Iterator[str]:
        """Yield what a person should know: what could not be made, what no run will apply."""
        yield from self.preparation.notes
        if self.rows.loaded.recipe.review is None:
            yield UNNAMED

    def tally(self) -> dict[str, JsonValue]:
        """Return the figures that every decision changes."""
        counts = self.hand.count()
        queues = self.queues()
        parts = dict(self.rows.facets["part"].count(None))
        estimates: dict[str, JsonValue] = {}
        for queue in queues:
            if queue.name in SAMPLES:
                found = self.hand.estimate(queue, parts.get(SAMPLES[queue.name], 0))
                if found is not None:
                    estimates[queue.name] = dict(found._asdict())
        return {
            "decided": sum(counts.values()),
            "counts": dict(counts),
            "estimates": estimates,
            "queues": [
                {
                    "name": queue.name,
                    "title": queue.title,
                    "about": queue.about,
                    "rows": int(queue.rows.size),
                    "done": self.hand.count_done(queue),
                }
                for queue in queues
            ],
        }

    def facets(self, asked: Filter) -> dict[str, JsonValue]:
        """Return the counts of every facet and signal under a filter."""
        self.queues()
        counted = self.matcher.count_facets(asked)
        return {
            "facets": [
                {
                    "name": name,
                    "values": [
                        {"value": value, "rows": rows}
                        for value, rows in values[: _REASONS if name == "why" else None]
                        if value is not None or name not in ("why", "by hand")
                    ],
                }
                for name, values in counted.items()
            ],
            "signals": [
                {"name": name, "rows": rows}
                for name, rows in self.matcher.count_signals(asked).items()
            ],
        }

    def page(self, asked: Filter, offset: int = 0, limit: int = PAGE) -> dict[str, JsonValue]:
        """Return some of the rows that meet a filter, and how many there are."""
        self.hand.refresh()
        self.queues()
        order = self.matcher.order(asked)
        shown = order[max(0, offset) : max(0, offset) + min(max(1, limit), 500)]
        return {"total": int(order.size), "rows": self.list_rows(shown)}

    def list_rows(self, places: Places) -> list[JsonValue]:
        """Return rows as a list shows them: texts cut short."""
        frame = self.rows.frame.select("row_id", "text", LABEL, PART)[places]
        found: list[JsonValue] = []
        for row, held in zip(places.tolist(), frame.iter_rows(named=True), strict=True):
            text = held["text"]
            found.append(
                {
                    "row": row,
                    "text": text if text is None else text[:_LISTED],
                    "label": held[LABEL],
                    "part": held[PART],
                    "decision": self.hand.describe(row),
                }
            )
        return found

    def list_row(self, row: int) -> JsonValue:
        """Return one row as a list shows it."""
        return self.list_rows(np.array([self._check_row(row)], np.int64))[0]

    def show_row(self, row: int) -> dict[str, JsonValue]:
        """Return all there is to say of one row: why it was kept or not, and what is like it."""
        self.hand.refresh()
        held = self.rows.frame.row(self._check_row(row), named=True)
        clauses, signals = self._ask_signals(row)
        standing = self.hand.standing(row)
        said = () if standing is None else standing.said
        notes: dict[str, JsonValue] = {}
        for queue in self.queues():
            if row in queue.notes:
                notes[queue.title] = queue.notes[row]
        return {
            "row": row,
            "row_id": held["row_id"],
            "id": held[ID],
            "place": f"{held[FILE]}:{held[RECORD]}",
            "text": held["text"],
            "label": held[LABEL],
            "part": held[PART],
            "why": held[WHY],
            "repeats": held[REPEATS],
            "columns": {
                name: None if held[name] is None else str(held[name])
                for name in self.rows.facets
                if name not in ("part", "label", "why", "file")
            },
            "clauses": clauses,
            "signals": signals,
            "doubt": self._describe_doubt(row),
            "notes": notes,
            "decision": self.hand.describe(row),
            "said": [describe_decision(one) for one in said],
        }

    def find_alike(self, row: int) -> list[JsonValue]:
        """Return the rows most like one, with the cosine of their static vectors."""
        vectors = self.preparation.vectors
        if vectors is None:
            return []
        found = vectors.find_alike(self._check_row(row), ALIKE)
        rows = self.list_rows(np.array([at for at, _ in found], np.int64))
        return [
            {**one, "cosine": round(cosine, 2)}  # type: ignore[dict-item]
            for one, (_, cosine) in zip(rows, found, strict=True)
        ]

    def decide(self, ask: Ask) -> dict[str, JsonValue]:
        """Write what a person decided; raises ValueError for what cannot be meant.

        Of many rows the count must be the one that the person was told: in between another reviewer
        may have decided some of them.
        """
        check_change(self.rows, ask)
        places = self._meant(ask)
        how: Literal["row", "bulk"] = "bulk" if ask.row is None else "row"
        step = new_step()
        frame = self.rows.frame.select("row_id", SEEN, FILE, RECORD)[places]
        decisions = [
            Decision.model_validate(
                {
                    "event": f"{step}-{number}",
                    "row_id": held["row_id"],
                    "source": {"file": held[FILE], "record": held[RECORD]},
                    "seen": held[SEEN],
                    "decision": ask.decision,
                    "label": ask.label,
                    "text": ask.text,
                    "reason": ask.reason or None,
                    "how": how,
                    "queue": ask.filter.queue or None,
                    "by": self.hand.by,
                    "run_id": self.rows.run_id,
                }
            )
            for number, held in enumerate(frame.iter_rows(named=True))
        ]
        self.hand.decide(places.tolist(), decisions)
        return {"done": len(decisions), **self.tally()}

    def undo(self) -> dict[str, JsonValue]:
        """Take back the last step; return the rows that it was about."""
        undone = self.hand.undo()
        return {"undone": [*undone[:1_000]], "count": len(undone), **self.tally()}

    def choose(self, asked: Filter) -> Mask:
        """Mark the rows that meet a filter, as queues are now."""
        self.queues()
        return self.matcher.mask(asked)

    def select_rows(self, bits: bytes) -> dict[str, JsonValue]:
        """Remember rows chosen on the map, a bit for each row; return a name for them."""
        found = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
        if found.size // 8 != -(-self.rows.count // 8):
            raise ValueError(f"expected a bit for each of {format_count(self.rows.count, 'row')}")
        name = secrets.token_hex(4)
        held = self.matcher.selections
        held[name] = found[: self.rows.count].astype(bool)
        while len(held) > _SELECTIONS:
            held.pop(next(iter(held)))
        return {"selection": name, "rows": int(held[name].sum())}

    def _meant(self, ask: Ask) -> Places:
        if ask.row is not None:
            return np.array([self._check_row(ask.row)], np.int64)
        self.queues()
        places = self.matcher.order(ask.filter)
        if ask.rows != places.size:
            raise ValueError(
                f"{format_count(places.size, 'row')} {conjugate(places.size, 'are')} meant "
                f"now, and not the {ask.rows or 0:,} that were shown: look again"
            )
        if not 0 < places.size <= BULK:
            raise ValueError(
                f"{format_count(places.size, 'row')}: between 1 and {BULK:,} can be decided "
                "at once; write a rule into the recipe for more"
            )
        return places

    def _check_row(self, row: int) -> int:
        if not 0 <= row < self.rows.count:
            raise ValueError(f"there is no row {row}")
        return row

    def _ask_signals(self, row: int) -> tuple[list[JsonValue], list[JsonValue]]:
        """Ask every clause and signal about one row, also those that its run could skip."""
        root = self.rows.job.decider.root
        answers, space = answer_clauses(self.rows, self._as_decided(row))
        terms: Sequence[Node] = root.terms if isinstance(root, Op) else (root,)
        clauses: list[JsonValue] = [
            {"text": show(term), "says": STATES[int(answers[term][0])]} for term in terms
        ]
        signals: list[JsonValue] = []
        for name, codes in space.codes.items():
            score = float(space.scores[name][0]) if name in space.scores else None
            told = None if score is None or math.isnan(score) else score
            signals.append({"name": name, "says": STATES[int(codes[0])], "score": told})
        return clauses, signals

    def _as_decided(self, row: int) -> pl.DataFrame:
        """Return a row as a run would see it: with the text and the label that a person gave it."""
        frame, found = self.rows.frame[[row]], self.hand.standing(row)
        if found is None or found.state != "applied" or found.decision is None:
            return frame
        given = found.decision
        if given.text is not None:
            frame = frame.with_columns(text=pl.lit(given.text))
        if given.label is not None and "label" in frame.columns:
            label = pl.Series("label", [given.label], strict=False)
            frame = frame.with_columns(label.cast(frame.schema["label"], strict=False))
        return frame

    def _describe_doubt(self, row: int) -> dict[str, JsonValue] | None:
        doubt = self.preparation.doubt
        if doubt is None or not doubt.doubt[row] > 0.5:
            return None
        return {"own": float(doubt.own[row]), "likelier": doubt.classes[doubt.likelier[row]]}
