"""Faults: an exception on a row makes that row unknown, and no other."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import polars as pl

from siftset.schemas.errors import SignalError, as_exception, describe_error, first_line

T = TypeVar("T")

TRACEBACKS = 50
"""Faults of one signal in one batch that keep their traceback; the others keep the error."""

_AT_ONCE = (
    pl.exceptions.ColumnNotFoundError,
    pl.exceptions.SchemaError,
    pl.exceptions.ShapeError,
    pl.exceptions.DuplicateError,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong in a signal on a row."""

    signal: str
    row: int
    """Position of the row in its frame."""
    excerpt: str
    error: str
    traceback: str

    def __str__(self) -> str:
        return f"signal '{self.signal}' failed on row {self.row} ({self.excerpt}): {self.error}"


@dataclass(frozen=True, slots=True)
class IsolatedParts(Generic[T]):
    """Parts that worked, each from a start to an end, and the rows that raised."""

    parts: list[tuple[int, int, T]]
    raised: dict[int, Exception]


def isolate_faults(call: Callable[[int, int], T], size: int, *, signal: str) -> IsolatedParts[T]:
    """Call for rows 0 to `size`, halving what raises until only the guilty rows are left out."""
    done: list[tuple[int, int, T]] = []
    raised: dict[int, Exception] = {}
    waiting = [(0, size)]
    while waiting:
        start, end = waiting.pop()
        try:
            done.append((start, end, call(start, end)))
        except BaseException as caught:
            error = blame_row(caught, signal)
            if end - start == 1:
                raised[start] = error
            elif end > start:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
    return IsolatedParts(sorted(done, key=lambda part: part[0]), raised)


def blame_row(caught: BaseException, signal: str) -> Exception:
    """Return what a row is to blame for; raise SignalError for what none is.

    Whatever would end the process, such as SystemExit, is the fault of its row like any other.
    """
    if isinstance(caught, MemoryError):
        caught.add_note(f"in signal '{signal}'")
    error = as_exception(caught)
    if isinstance(error, ImportError):
        missing = f"'{error.name}'" if error.name else first_line(error)
        raise SignalError(
            f"signal '{signal}' imports {missing}, which cannot be imported: install it, "
            "or import a helper of your own at the top of the file"
        ) from error
    if isinstance(error, _AT_ONCE):
        raise SignalError(
            f"signal '{signal}' does not fit the data: {first_line(error)}"
        ) from error
    return error


def describe_fault(signal: str, row: int, value: object, error: Exception, *, full: bool) -> Fault:
    """Describe a fault; `full` keeps the traceback."""
    trace = traceback.format_exception(error) if full else traceback.format_exception_only(error)
    return Fault(
        signal=signal,
        row=row,
        excerpt=excerpt(value),
        error=describe_error(error),
        traceback="".join(trace),
    )


def excerpt(value: object, width: int = 80) -> str:
    """Show the beginning of a value on one line."""
    text = value[: width + 1] if isinstance(value, str) else repr(value)
    shown = repr(text)[1:-1] if isinstance(value, str) else text
    return shown if len(shown) <= width else shown[: width - 3] + "..."
