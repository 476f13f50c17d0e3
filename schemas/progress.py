"""The seam between work that takes long and whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


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
