"""The decision files of a set, read as they grow, and what of them is in force.

A file is only ever appended to. What a reviewer said last about a row holds, whatever file it lies
in; lines of one file are in the order in which they were written, even where a clock went back.
"""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from siftset.pipeline.decisions.record import (
    Decision,
    DecisionState,
    Event,
    Undo,
    read_event,
    step_of,
    write_event,
)
from siftset.pipeline.storage.atomic_files import sync
from siftset.pipeline.storage.lock import hold_file_lock
from siftset.schemas.errors import OutputError, SourceError

_EVER: Final = datetime.min.replace(tzinfo=UTC)
SKEW: Final = timedelta(hours=1)
"""How far ahead of this machine's clock a line may be before anybody is told."""


@dataclass(frozen=True, slots=True)
class StandingDecision:
    """What holds for one row: what every reviewer said last, and what comes of it."""

    state: DecisionState
    decision: Decision | None
    """The decision that applies, or the latest one where none does."""
    said: tuple[Decision, ...]
    """The last decision of every reviewer, earliest first."""


@dataclass(slots=True)
class _ReadFile:
    """How far a file was read."""

    size: int = 0
    lines: int = 0
    latest: datetime = _EVER
    first: bytes = b""
    last: bytes = b""
    """Its first line and the last one read: a file that was replaced has others."""


class _Turn(NamedTuple):
    """When an event was said: no clock puts it before an earlier line of its file."""

    at: datetime
    line: int
    event: str


class DecisionLog:
    """All decision files that a pattern names; safe to use from several threads."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        """An absolute path, perhaps with * and ?."""
        self.warnings: list[str] = []
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._files: dict[Path, _ReadFile] = {}
        self._events: dict[str, tuple[_Turn, Event]] = {}
        self._rows: dict[str, list[tuple[_Turn, Decision]]] = {}
        self._undone: set[str] = set()
        self.warnings.clear()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are there, sorted."""
        found = (Path(name) for name in glob.glob(self.pattern, recursive=True))  # noqa: PTH207  absolute
        return tuple(sorted(path for path in found if path.is_file()))

    def update(self) -> None:
        """Read what was appended since; raises SourceError for a line that is no decision."""
        with self._lock:
            for path in self.files:
                if not self._read_file(path):
                    self._forget()  # a file was replaced: what it said before is not known to hold
                    for each in self.files:
                        self._read_file(each)
                    return

    def _read_file(self, path: Path) -> bool:
        """Take the new lines of a file; return False where it was replaced by another."""
        known = self._files.setdefault(path, _ReadFile())
        new = _read_new(path, known)
        if new is None:
            return False
        soon = datetime.now(UTC) + SKEW
        for line in new.splitlines(keepends=True):
            whole = line.endswith(b"\n")
            number = known.lines + 1
            if line.strip():
                try:
                    event = read_event(line)
                except ValueError as error:
                    if not whole:
                        break  # somebody writes it right now, or died doing so
                    raise SourceError(
                        f"decisions {path}, line {number}: {error}: expected a decision as siftset "
                        "writes it; fix the line or remove it"
                    ) from None
                if event.at > soon:
                    self.warnings.append(
                        f"decisions {path}, line {number}: made at {event.at:%Y-%m-%d %H:%M} UTC, "
                        "which is yet to come: it wins over what its reviewer says elsewhere until "
                        "then"
                    )
                self._take(event, path, number, known)
            if not whole:
                break
            known.first, known.last = known.first or line, line
            known.lines, known.size = number, known.size + len(line)
        return True

    def _take(self, event: Event, path: Path, line: int, known: _ReadFile) -> None:
        known.latest = max(known.latest, event.at)
        turn = _Turn(known.latest, line, event.event)
        before = self._events.get(event.event)
        if before is not None:
            if before[1] != event:
                raise SourceError(
                    f"decisions {path}, line {line}: event '{event.event}' was written before and "
                    "says something else: expected one name an event; remove one of the lines"
                )
            turn = min(turn, before[0])
        self._events[event.event] = (turn, event)
        if isinstance(event, Undo):
            self._undone.update(event.undo)
        else:
            said = self._rows.setdefault(event.row_id, [])
            if before is not None:
                said[:] = [one for one in said if one[1].event != event.event]
            said.append((turn, event))

    def __len__(self) -> int:
        """Return how many events there are, undone ones and undos included."""
        return len(self._events)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events, earliest first."""
        with self._lock:
            return tuple(event for _, event in sorted(self._events.values(), key=lambda e: e[0]))

    @property
    def row_ids(self) -> tuple[str, ...]:
        """The rows about which something is said that was not undone."""
        with self._lock:
            return tuple(
                row_id
                for row_id, said in self._rows.items()
                if any(one.event not in self._undone for _, one in said)
            )

    def said(self, row_id: str) -> tuple[Decision, ...]:
        """Return what every reviewer said last about a row, earliest first."""
        with self._lock:
            open_ = [one for one in self._rows.get(row_id, ()) if one[1].event not in self._undone]
        if len(open_) < 2:  # as of nearly all rows
            return tuple(decision for _, decision in open_)
        last: dict[str, Decision] = {}
        for _, decision in sorted(open_, key=lambda one: one[0]):
            last.pop(decision.by, None)
            last[decision.by] = decision
        return tuple(last.values())

    def list_said(self) -> Iterator[tuple[str, tuple[Decision, ...]]]:
        """Yield every row about which something holds, with what every reviewer said last."""
        for row_id in tuple(self._rows):
            said = self.said(row_id)
            if said:
                yield row_id, said

    def standing(self, row_id: str, seen: str | None) -> StandingDecision | None:
        """Return what holds for a row that reads `seen` now, None where nothing was said.

        `seen` is None for a row that is no longer there.
        """
        said = self.said(row_id)
        return decide_row(said, seen) if said else None

    def last_step(self, by: str) -> tuple[str, ...]:
        """Return the events of the last thing that a reviewer did and that was not undone."""
        with self._lock:
            open_ = [
                (turn, event.event)
                for turn, event in self._events.values()
                if isinstance(event, Decision)
                and event.by == by
                and event.event not in self._undone
            ]
        if not open_:
            return ()
        step = step_of(max(open_)[1])
        return tuple(event for _, event in sorted(open_) if step_of(event) == step)

    def append(self, path: Path, events: Sequence[Event]) -> None:
        """Write events to a file of this log, on the disk when this returns, and take them."""
        with self._lock:
            append_events(path, events)
            self.update()


def _read_new(path: Path, known: _ReadFile) -> bytes | None:
    """Return what was appended to a file; None where it is no longer the one that was read."""
    try:
        size = path.stat().st_size
        if size == known.size:
            return b""
        with path.open("rb") as handle:
            if size < known.size or handle.read(len(known.first)) != known.first:
                return None
            handle.seek(known.size - len(known.last))
            return None if handle.read(len(known.last)) != known.last else handle.read()
    except OSError as error:
        raise SourceError(f"decisions {path} cannot be read: {error.strerror}") from error


def decide_row(said: Sequence[Decision], seen: str | None) -> StandingDecision:
    """Return what comes of what every reviewer said last about a row.

    Only what was said of the record as it reads now counts: a reviewer who saw another one neither
    applies nor disputes.
    """
    everyone = tuple(said)
    latest = everyone[-1]
    if seen is None:
        return StandingDecision("orphaned", latest, everyone)
    if len(everyone) == 1 and latest.seen == seen:
        return StandingDecision(
            "skip" if latest.decision == "skip" else "applied", latest, everyone
        )
    fresh = [one for one in everyone if one.seen == seen]
    decided = [one for one in fresh if one.effect is not None]
    if not decided:
        put_off = bool(fresh) or all(one.effect is None for one in everyone)
        return StandingDecision("skip" if put_off else "stale", latest, everyone)
    if len({one.effect for one in decided}) > 1:
        return StandingDecision("disputed", decided[-1], everyone)
    return StandingDecision("applied", decided[-1], everyone)


def append_events(path: Path, events: Iterable[Event]) -> None:
    """Append events to a file in one write; they are on the disk when this returns.

    A line that an earlier writer left unfinished was never acknowledged, and is cut off. Several
    processes may append to one file. Raises OutputError where it cannot be written.
    """
    data = b"".join(write_event(event) for event in events)
    try:
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as handle, hold_file_lock(handle):
            _end_last_line(handle.fileno())
            view = memoryview(data)
            while view:
                view = view[os.write(handle.fileno(), view) :]
            os.fsync(handle.fileno())
        if is_new:
            sync(path.parent)
    except OSError as error:
        raise OutputError(
            f"decisions {path} cannot be written ({error.strerror}): nothing was decided"
        ) from error


def _end_last_line(handle: int) -> None:
    """Finish the last line where it is whole, and cut it off where it is not."""
    size = os.fstat(handle).st_size
    start, tail = size, b""
    while start and b"\n" not in tail:
        step = min(start, 1 << 16)
        start -= step
        os.lseek(handle, start, os.SEEK_SET)
        tail = os.read(handle, step) + tail
    torn = tail[tail.rfind(b"\n") + 1 :]
    if not torn:
        return
    try:
        read_event(torn)
    except ValueError:
        os.ftruncate(handle, size - len(torn))
    else:
        os.lseek(handle, 0, os.SEEK_END)
        os.write(handle, b"\n")
