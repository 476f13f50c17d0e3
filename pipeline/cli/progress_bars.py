"""Progress bars for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from siftset.pipeline.reports.markup import show_controls
from siftset.schemas.progress import Stage


@dataclass(slots=True)
class _Bar:
    progress: Progress
    task: TaskID

    def advance(self, done: int, note: str = "") -> None:
        """Move the bar."""
        self.progress.update(self.task, advance=done)
        if note:
            self.progress.update(self.task, note=escape(show_controls(note)))


class Bars:
    """One bar a stage, on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextmanager
    def stage(self, label: str, total: int | None = None) -> Iterator[Stage]:
        """Show a bar while the stage is open."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(escape(show_controls(label)), total=total, note="")
            yield _Bar(progress, task)

    def say(self, line: str) -> None:
        """Show one line."""
        self._console.print(show_controls(line), markup=False, highlight=False)
