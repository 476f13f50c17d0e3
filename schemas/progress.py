"""The seam between work that takes long and whoever shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol


class Stage(Protocol):
    """One stage of a run that is under way."""

    def advance(self, done: int, note: str = "") -> None:
        """Add `done` units of work; `note` is shown beside the bar."""


class Progress(Protocol):
    """Whoever shows the stages of a run."""

    def stage(self, label: str, total: int | None = None) -> AbstractContextManager[Stage]:
        """Open a stage of `total` units (None: unknown) as a context manager."""

    def say(self, line: str) -> None:
        """Show one line to the user."""


class _Quiet:
    def advance(self, done: int, note: str = "") -> None:
        pass


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, label: str, total: int | None = None) -> Iterator[Stage]:
        """Open a stage that shows nothing."""
        yield _Quiet()

    def say(self, line: str) -> None:
        """Drop the line."""


EVERY: Final = 30.0
"""Seconds between the lines of a long stage where there is no terminal."""


@dataclass(slots=True)
class _LineStage:
    write: Callable[[str], None]
    label: str
    total: int | None
    done: int = 0
    note: str = ""
    told: float = field(default_factory=time.monotonic)

    def advance(self, done: int, note: str = "") -> None:
        """Count `done` units more; say so now and then, as a log has no bar that moves."""
        self.done += done
        self.note = note or self.note
        if time.monotonic() - self.told >= EVERY:
            self.tell()

    def tell(self) -> None:
        """Say how far it has come."""
        self.told = time.monotonic()
        counted = f"{self.done:,}" if self.done else "done"
        done = counted if self.total is None else f"{self.done:,} of {self.total:,}"
        self.write(f"{self.label}: {done}{'  ' + self.note if self.note else ''}")


@dataclass(frozen=True, slots=True)
class LineProgress:
    """A plain line when a stage ends, and every half minute of a long one."""

    write: Callable[[str], None]

    @contextmanager
    def stage(self, label: str, total: int | None = None) -> Iterator[Stage]:
        """Open a stage and say so at its end."""
        stage = _LineStage(self.write, label, total)
        yield stage
        stage.tell()

    def say(self, line: str) -> None:
        """Show one line."""
        self.write(line)
