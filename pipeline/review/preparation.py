"""What takes long to make of the rows, made in the background while a person looks already."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from siftset.pipeline.reports.markup import show_controls
from siftset.pipeline.review.cache import FOLDER
from siftset.pipeline.review.doubt import RowDoubts, assess_labels
from siftset.pipeline.review.queues import Queue, find_one_clause_away, quick_queues
from siftset.pipeline.review.rows import ReviewRows
from siftset.pipeline.review.vectors import TextVectors, make_vectors
from siftset.schemas.errors import SiftsetError

if TYPE_CHECKING:
    from siftset.pipeline.review.map import TextMap

_VECTORS: Final = "the rows most alike"
_CLAUSES: Final = "one clause away"
_DOUBT: Final = "doubtful labels"
_MAP: Final = "the map"


class Preparation:
    """Queues, vectors, doubts and a map of rows; each is there as soon as it is made."""

    def __init__(self, rows: ReviewRows, *, with_map: bool = False) -> None:
        self.rows = rows
        self.queues: list[Queue] = quick_queues(rows)
        self.vectors: TextVectors | None = None
        self.doubt: RowDoubts | None = None
        self.map: TextMap | None = None
        self.notes: list[str] = []
        """What could not be made, and why."""
        self._cache: Path = rows.job.output / FOLDER
        self._steps: list[tuple[str, Callable[[], None]]] = [
            (_VECTORS, self._make_vectors),
            (_CLAUSES, self._find_clauses),
        ]
        if "label" in rows.facets:
            self._steps.append((_DOUBT, self._assess_labels))
        if with_map:
            self._steps.append((_MAP, self._draw_map))
        self._done = 0
        self._share = 0.0

    def start(self) -> threading.Thread:
        """Make everything in a thread of its own."""
        thread = threading.Thread(target=self.make, daemon=True, name="review")
        thread.start()
        return thread

    def make(self) -> None:
        """Make one thing after the other; what fails is told and stops nothing else."""
        for name, make in self._steps:
            self._share = 0.0
            try:
                make()
            except SiftsetError as error:
                self.notes.append(f"{name}: {error}")
            except Exception as error:  # a defect of one step leaves the page usable
                sys.stderr.write(show_controls(traceback.format_exc()))
                self.notes.append(f"{name}: failed with {type(error).__name__}")
            self._done += 1

    def progress(self) -> dict[str, JsonValue] | None:
        """Return what is being made, None when all is there."""
        if self._done >= len(self._steps):
            return None
        return {
            "step": self._steps[self._done][0],
            "done": self._done,
            "of": len(self._steps),
            "share": round(self._share, 2),
        }

    def _make_vectors(self) -> None:
        self.vectors = make_vectors(self.rows.frame["text"])

    def _find_clauses(self) -> None:
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            self._share = done / max(1, self.rows.count)

        self.queues.append(find_one_clause_away(self.rows, advance))

    def _assess_labels(self) -> None:
        self.doubt = assess_labels(self.rows, self._cache)
        self.queues.append(self.doubt.to_queue())

    def _draw_map(self) -> None:
        from siftset.pipeline.review.map import draw_map

        if self.vectors is None:
            return

        def advance(share: float) -> None:
            self._share = share

        self.map = draw_map(self.rows, self.vectors, self._cache, advance)
