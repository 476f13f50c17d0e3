"""What a command shows: lines for people, or one JSON object for programs."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from siftset.schemas.errors import SiftsetError
from siftset.schemas.progress import LineProgress, Silent

if TYPE_CHECKING:
    from pydantic import JsonValue

    from siftset.schemas.progress import Progress


@dataclass(slots=True)
class Screen:
    """Where a command writes: results on stdout, everything else on stderr."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)

    def show(self, text: str = "") -> None:
        """Show a result to people; nothing of it under --json or -q."""
        if not self.json and not self.quiet:
            print(text, flush=True)  # noqa: T201  the command line's own voice

    def answer(self, text: str) -> None:
        """Show what was asked for, also under -q."""
        if not self.json:
            print(text, flush=True)  # noqa: T201

    def result(self, value: Mapping[str, JsonValue]) -> None:
        """Write the one JSON object of --json."""
        if self.json:
            # not sys.stdout, which what users' code prints is kept from
            print(json.dumps(value, ensure_ascii=False), file=self.out, flush=True)

    def note(self, text: str) -> None:
        """Say something beside the result."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def detail(self, text: str) -> None:
        """Say something that only -v wants."""
        if self.verbose:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def failure(self, error: BaseException, code: int) -> None:
        """Tell an error: a line where the user can mend it, a traceback where it is our defect."""
        known = isinstance(error, SiftsetError)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        self.result({"error": message, "exit_code": code})
        if self.verbose or not known:
            traceback.print_exception(error)
        print(f"error: {message}" if known else message, file=sys.stderr)  # noqa: T201

    def progress(self) -> Progress:
        """Return bars on a terminal, plain lines elsewhere, nothing under -q."""
        if self.quiet:
            return Silent()
        if sys.stderr.isatty():
            from siftset.pipeline.cli.progress_bars import Bars

            return Bars()
        return LineProgress(self.note)
