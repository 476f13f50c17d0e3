"""Scores and answers of expensive signals under `<output>/scores/`, so that no row is scored twice.

    scores/<fingerprint>/<time>-<checksum>.parquet

The fingerprint covers the signal's function, parameters, resources and the software beneath it, but
no threshold and no formula. The folder may be deleted at any time. Only what costs more
than looking it up is stored: `WORTH` is five times what storing, reading and searching cost
together, which is 0.3 to 0.9 microseconds a row where 100,000 to 8,000,000 answers are stored.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from siftset.pipeline.run.score_segments import (
    DRAFT,
    ENDING,
    BadSegment,
    SortedAnswers,
    merge_answers,
    push_answers,
    read_segment,
    search_answers,
    sort_answers,
    write_segment,
)
from siftset.signals.definition import Bound
from siftset.signals.evaluation.bodies import Codes, Scores
from siftset.signals.evaluation.score_cache import Recalled, RowKeys
from siftset.signals.evaluation.spec import SignalSpec
from siftset.signals.formula.tree import digest

SCORES: Final = "scores"
WORTH: Final = 5e-6
"""Seconds a row from which a body is expensive enough to store its answers."""
SAVES: Final = 1e-3
"""Seconds that a signal must have taken before the first file is written for it."""
ANSWERS: Final = 8_000_000
"""Answers that a run holds in memory, 160 MB of scores; its signals share them, newest first."""
BYTES: Final = 1 << 30
"""Bytes under `scores/`; files that were read longest ago go first."""
SEGMENT_ROWS: Final = 1_000_000
FLUSH_SECONDS: Final = 60.0
"""New answers are written when they fill a segment or are so old: a killed run leaves them."""
SMALL_SEGMENTS: Final = 8
"""Files of a signal, each smaller than a segment may be, from which they become one."""

_FAMILIES_USE: Final = frozenset(
    {"siftset", "polars", "numpy", "nltk", "vadersentiment", "numba", "py3langid", "torch",
     "transformers", "tokenizers", "safetensors"}
)  # fmt: skip


class StoredScores:
    """The score cache of one output folder; shared by threads, closed at the end of a run.

    `signals` is how many share the memory. Nothing is written where the output folder does not
    exist. No trouble with a file ends a run: `warnings` tells of it, and rows are scored again.
    """

    def __init__(self, output: Path, *, signals: int = 1, worth: float = WORTH) -> None:
        self.folder = output / SCORES
        self.limit = ANSWERS // max(signals, 1)
        self.worth = worth
        self.warnings: list[str] = []
        self._shelves: dict[str, StoredShelf | None] = {}
        self._lock = threading.Lock()

    def shelf(self, signal: SignalSpec) -> StoredShelf | None:
        """The shelf of a signal; None for expressions, whose bodies are cheaper than a look-up."""
        with self._lock:
            if signal.name not in self._shelves:
                self._shelves[signal.name] = self._open_shelf(signal)
            return self._shelves[signal.name]

    def _open_shelf(self, signal: SignalSpec) -> StoredShelf | None:
        if not signal.identity or (signal.kind == "expression" and not signal.preprocessors):
            return None
        fingerprint = digest(signal.score_fingerprint, _describe_software(signal))
        dtype = np.dtype(np.float64 if signal.returns == "score" else np.uint8)
        return StoredShelf(self, self.folder / fingerprint, dtype)

    def forget(self, signals: Iterable[SignalSpec]) -> None:
        """Remove what is stored of signals, so that their rows are scored again."""
        for signal in signals:
            shelf = self.shelf(signal)
            if shelf is not None:
                shutil.rmtree(shelf.folder, ignore_errors=True)

    def close(self) -> tuple[str, ...]:
        """Write what is new, keep the folder within its bounds, and tell what went wrong."""
        for shelf in self._shelves.values():
            if shelf is not None:
                shelf.close()
        if self.folder.is_dir():
            shrink_folder(self.folder)
        return tuple(self.warnings)


class StoredShelf:
    """The stored answers of one signal; shared by threads."""

    def __init__(self, owner: StoredScores, folder: Path, dtype: np.dtype[np.generic]) -> None:
        self.owner, self.folder, self.dtype = owner, folder, dtype
        self._runs: tuple[SortedAnswers, ...] = ()
        self._unwritten: list[SortedAnswers] = []
        self._small: list[Path] = []
        self._first = self._later = (0, 0.0)
        self._loaded = False
        self._flushed = time.monotonic()
        self._lock = threading.Lock()

    @property
    def pays(self) -> bool:
        """Whether looking an answer up is expected to be cheaper than the body."""
        if 0 < self._row_cost() < self.owner.worth:
            return False
        with self._lock:
            if not self._loaded:
                self._load_segments()
                self._loaded = True
        return bool(self._runs)

    def find(self, keys: RowKeys) -> Recalled:
        """Look rows up."""
        known, answers = search_answers(self._runs, keys, self.dtype)
        return Recalled(known, answers[known])

    def ran(self, rows: int, seconds: float) -> bool:
        """Take what the body cost; say whether its answers are worth storing."""
        with self._lock:
            if not self._first[0]:
                self._first = (rows, seconds)
            else:
                self._later = (self._later[0] + rows, self._later[1] + seconds)
        return self._row_cost() >= self.owner.worth

    def _row_cost(self) -> float:
        """Seconds a row, 0 before the first; the first call counts if alone: it loads things."""
        rows, seconds = self._later if self._later[0] else self._first
        return max(seconds / rows, 1e-12) if rows else 0.0

    def add(self, keys: RowKeys, answers: Codes | Scores) -> None:
        """Store answers; rows on which the body raised are not among them."""
        new = sort_answers(keys, answers)
        with self._lock:
            if sum(run.rows for run in self._runs) + new.rows <= self.owner.limit:
                self._runs = push_answers(self._runs, new)
            self._unwritten.append(new)
            full = sum(run.rows for run in self._unwritten) >= SEGMENT_ROWS
            old = time.monotonic() - self._flushed > FLUSH_SECONDS
            batch = self._take_unwritten() if full or old else ()
        self._write_batch(batch)

    def _take_unwritten(self) -> tuple[SortedAnswers, ...]:
        batch = tuple(self._unwritten)
        self._unwritten, self._flushed = [], time.monotonic()
        return batch

    def _load_segments(self) -> None:
        """Read segments, the latest first, as far as they fit."""
        found: list[SortedAnswers] = []
        room = self.owner.limit - sum(run.rows for run in self._runs)
        for path in sorted(self.folder.glob(f"*{ENDING}"), reverse=True):
            read = self._read_known(path) if room > 0 else None
            if read is None:
                continue
            found.append(read if read.rows <= room else read.first(room))
            room -= read.rows
            if read.rows < SEGMENT_ROWS:
                self._small.append(path)
        if found:
            self._runs = push_answers(self._runs, merge_answers(tuple(found)))

    def _read_known(self, path: Path) -> SortedAnswers | None:
        try:
            found = read_segment(path, self.dtype)
            os.utime(path)  # `touch` would make an empty file of one that another run has removed
        except FileNotFoundError:
            return None
        except (BadSegment, OSError) as error:
            where = path.relative_to(self.folder.parent.parent)
            self.owner.warnings.append(f"{where} is ignored, {error}: its rows are scored again")
            with suppress(OSError):
                path.unlink()
            return None
        return found

    def _write_batch(self, batch: tuple[SortedAnswers, ...]) -> None:
        if not batch or not self.owner.folder.parent.is_dir():
            return
        try:
            write_segment(self.folder, merge_answers(batch))
        except OSError as error:
            self.owner.warnings.append(
                f"scores cannot be stored ({error.strerror}): a later run scores these rows again"
            )

    def close(self) -> None:
        """Write what is new; make one file of many small ones."""
        with self._lock:
            batch = self._take_unwritten()
        if 0 < self._row_cost() < self.owner.worth and self._later[0] >= SEGMENT_ROWS // 1000:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        if self._first[1] + self._later[1] >= SAVES or self.folder.is_dir():
            self._write_batch(batch)
        if len(self._small) >= SMALL_SEGMENTS:
            # written as one first, then removed: two runs at once may both do so
            read = [
                (path, found)
                for path in self._small
                if (found := self._read_known(path)) is not None
            ]
            self._write_batch(tuple(found for _, found in read))
            for path, _ in read:
                with suppress(OSError):
                    path.unlink()


def shrink_folder(folder: Path, *, limit: int = BYTES) -> None:
    """Remove the segments that were read longest ago until `limit` bytes are left.

    What killed runs left half written goes too, and so do folders that are empty.
    """
    with suppress(OSError):
        found = [(path, path.stat()) for path in folder.glob(f"*/*{ENDING}")]
        used = 0
        for path, stat in sorted(found, key=lambda item: item[1].st_mtime, reverse=True):
            used += stat.st_size
            if used > limit:
                path.unlink(missing_ok=True)
        for draft in folder.glob(f"*/.*{DRAFT}"):
            if time.time() - draft.stat().st_mtime > 3600:
                draft.unlink(missing_ok=True)
        for shelf in folder.iterdir():
            with suppress(OSError):
                shelf.rmdir()


def _describe_software(signal: SignalSpec) -> str:
    """Name what may change a score although the signal stays: for users' code, all packages."""
    users = isinstance(signal.function, Bound) or bool(signal.preprocessors)
    named = [entry for name, entry in _list_packages() if users or name in _FAMILIES_USE]
    return "\n".join([f"python {sys.version_info.major}.{sys.version_info.minor}", *named])


@cache
def _list_packages() -> tuple[tuple[str, str], ...]:
    """The installed packages, each with its name in lower case, from the names of their folders."""
    entries: dict[str, None] = {}
    for place in sys.path:
        with suppress(OSError):
            entries.update(dict.fromkeys(p.name for p in Path(place).glob("*.dist-info")))
    return tuple((entry.partition("-")[0].lower(), entry) for entry in sorted(entries))
