"""Tells a file how far a run has come, for `siftset serve` to show."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from siftset.schemas.progress import Progress, Stage
from siftset.schemas.results.summary import Balance

_EVERY: Final = 0.5


@dataclass(slots=True)
class ProgressFile:
    """A Progress that passes everything on and writes what it hears to a file.

    It may be called from several threads. The file appears all at once, at most twice a second,
    and a disk that refuses it never stops the run.
    """

    inner: Progress
    path: Path
    run_id: str
    recipe: str
    _said: dict[str, str | int | None] = field(default_factory=dict)
    _balance: Balance = field(default_factory=Balance)
    _written: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, line: str) -> None:
        """Pass a line on."""
        self.inner.say(line)

    @contextmanager
    def stage(self, label: str, total: int | None = None) -> Iterator[Stage]:
        """Open a stage here and in the progress that is shown."""
        with self._lock:
            self._said = {"stage": label, "total": total, "done": 0, "note": ""}
            self._write_file(time.monotonic())
        with self.inner.stage(label, total) as inner:
            yield _LiveStage(self, inner)

    def add_balance(self, balance: Balance) -> None:
        """Add rows that ended somewhere: kept ones still with their duplicates."""
        with self._lock:
            self._balance += balance

    @property
    def balance(self) -> Balance:
        """Where the rows that are done so far ended."""
        return self._balance

    def add_progress(self, done: int, note: str) -> None:
        """Note work that was done."""
        with self._lock:
            self._said["done"] = int(self._said.get("done") or 0) + done
            self._said["note"] = note
            now = time.monotonic()
            if now - self._written >= _EVERY:
                self._write_file(now)

    def _write_file(self, now: float) -> None:
        self._written = now
        said = {"run_id": self.run_id, "recipe": self.recipe, "seconds": int(now - self._began)}
        who = {"process": os.getpid()}
        text = json.dumps({**who, **said, **self._said, **self._balance.to_json()})
        draft = self.path.with_suffix(".tmp")
        with suppress(OSError):
            draft.write_text(text, encoding="utf-8")
            draft.replace(self.path)


@dataclass(frozen=True, slots=True)
class _LiveStage:
    live: ProgressFile
    inner: Stage

    def advance(self, done: int, note: str = "") -> None:
        """Note work that was done, here and in the progress that is shown."""
        self.live.add_progress(done, note)
        self.inner.advance(done, note)
