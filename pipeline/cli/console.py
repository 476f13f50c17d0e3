"""What a command shows: lines for people, or one JSON object for programs."""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

from siftset.pipeline.reports.markup import show_controls
from siftset.schemas.errors import OutputError, RecipeError, SiftsetError
from siftset.schemas.progress import LineProgress, Silent
from siftset.schemas.recipe.environment import hide_values

if TYPE_CHECKING:
    from pydantic import JsonValue

    from siftset.schemas.progress import Progress


_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")
"""What JSON leaves as it is and a terminal, or an encoder, does not."""


@dataclass(slots=True)
class Screen:
    """Where a command writes: results on stdout, everything else on stderr."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    broken: bool = False
    """Whether stdout can be written no more."""

    def show(self, text: str = "") -> None:
        """Show a result to people; nothing of it under --json or -q."""
        if not self.json and not self.quiet:
            self._write_answer(show_controls(text))

    def answer(self, text: str) -> None:
        """Show what was asked for, also under -q."""
        if not self.json:
            self._write_answer(show_controls(text))

    def result(self, value: Mapping[str, JsonValue]) -> None:
        """Write the one JSON object of --json."""
        if self.json:
            written = json.dumps(value, ensure_ascii=False)
            self._write_answer(_UNPRINTABLE.sub(lambda one: f"\\u{ord(one[0]):04x}", written))

    def note(self, text: str) -> None:
        """Say something beside the result."""
        if not self.quiet:
            self._write_note(text)

    def detail(self, text: str) -> None:
        """Say something that only -v wants."""
        if self.verbose:
            self._write_note(text)

    def failure(self, error: BaseException, code: int) -> None:
        """Tell an error: a line where the user can fix it, a traceback where it is our defect."""
        known = isinstance(error, SiftsetError)
        stands = "; ".join(reversed(getattr(error, "__notes__", [])))
        message = str(error) if known else f"{type(error).__name__}: {error}"
        if known and not isinstance(error, RecipeError):  # which has a line for each mistake
            message = message.replace("\n", "\N{SYMBOL FOR LINE FEED}")
        message = hide_values(f"{message} ({stands})" if stands else message)
        if not self.broken:
            self.result({"error": message, "exit_code": code})
        if self.verbose or not known:
            self._write_note("".join(traceback.format_exception(error)).rstrip())
        self._write_note(f"error: {message}" if known else message)

    def _write_answer(self, text: str) -> None:
        """Write to stdout, which is not sys.stdout where users' code prints elsewhere.

        Raises OutputError where it cannot be written, BrokenPipeError where its reader has gone.
        """
        if self.broken:
            return
        try:
            print(text, file=self.out, flush=True)
        except OSError as error:
            self.broken = True
            # What waits to be written goes nowhere, so that the end of the process is no error.
            with suppress(OSError, ValueError, AttributeError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.out.fileno())
                os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputError(
                f"stdout cannot be written ({error.strerror}): what the command made stands, only "
                "its answer is lost; run it again with stdout elsewhere to see it"
            ) from error

    def _write_note(self, text: str) -> None:
        # A log that nobody reads any more ends no run.
        with suppress(OSError):
            print(show_controls(hide_values(text)), file=sys.stderr, flush=True)  # noqa: T201

    def progress(self) -> Progress:
        """Return bars on a terminal, plain lines elsewhere, nothing under -q."""
        if self.quiet:
            return Silent()
        if sys.stderr.isatty():
            from siftset.pipeline.cli.progress_bars import Bars

            return Bars()
        return LineProgress(self.note)
