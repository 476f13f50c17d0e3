"""The tree of errors.

SiftsetError                 exit 2: the user can fix it
├── RecipeError              the recipe: a key, a value, its place in the file
├── FormulaError             the text of a formula
├── SignalError              a signal: definition, parameters, type, length, import
├── SourceError              an input that cannot be opened, read or understood
│   └── EmptySourceError     a source without a file, an object or a row
├── SuiteError               an integrity suite: a misspelt expectation or column
├── OutputError              an output folder or file that cannot be written or read
│   └── OvertakenError       another machine published in the store first
├── MissingExtraError        an optional package that is not installed
├── ModelError               a model that cannot be found, is refused, or does not fit the task
├── TrainingError            training data or settings that cannot work (one class, no labels, ...)
│   └── Interrupted          exit 143: SIGTERM stopped the training; it can be resumed
│       └── StoppedByHand    exit 130: Ctrl-C did
├── GateFailed               exit 3: the integrity gate failed; nothing was published
├── FaultBudgetExceeded      exit 4: faults of signals or bad records beyond the budget
├── Locked                   exit 5: another run holds the lock
└── BalanceError             exit 1: rows do not add up; a defect of siftset, never of the user

A message is one line: what, where, what was expected, what to do.
Only the command line catches them; everything else keeps its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from subprocess import CompletedProcess


class SiftsetError(Exception):
    """Anything that siftset raises on purpose."""

    exit_code: ClassVar[int] = 2


class RecipeError(SiftsetError):
    """The recipe is not valid."""


class FormulaError(SiftsetError):
    """The text of a formula is not valid."""


class SignalError(SiftsetError):
    """A signal is wrongly defined or does not fit the data."""


class SourceError(SiftsetError):
    """An input cannot be opened, read or understood."""


class EmptySourceError(SourceError):
    """A source holds no file, no object or no row."""


class SuiteError(SiftsetError):
    """An integrity suite cannot be loaded or does not fit the data."""


class OutputError(SiftsetError):
    """An output cannot be written, or what lies there cannot be read."""


class OvertakenError(OutputError):
    """Another machine published first: what this one published is not in the store."""


class ModelError(SiftsetError):
    """A model cannot be found, is refused or does not fit the task."""


class TrainingError(SiftsetError):
    """The training data or settings cannot work."""


class Interrupted(TrainingError):  # noqa: N818  the name of what happened
    """SIGTERM stopped the training; it can be resumed."""

    exit_code = 143


class StoppedByHand(Interrupted):
    """Ctrl-C stopped the training; it can be resumed."""

    exit_code = 130


class MissingExtraError(SiftsetError):
    """An optional package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra '{extra}', which is not installed: "
            f'run  pip install "siftset[{extra}]"'
        )
        self.extra = extra


class GateFailed(SiftsetError):  # noqa: N818  the verdict's own name
    """The integrity gate failed; nothing was published."""

    exit_code = 3


class FaultBudgetExceeded(SiftsetError):  # noqa: N818
    """More rows or records were faulty than the recipe allows."""

    exit_code = 4


class Locked(SiftsetError):  # noqa: N818
    """Another run holds the lock of this output folder."""

    exit_code = 5


class BalanceError(SiftsetError):
    """Rows read and rows accounted for differ: a defect of siftset."""

    exit_code = 1


def error_named(kind: str, message: str) -> SiftsetError:
    """Return the error that another process raised, from the name of its class and its message."""
    found = globals().get(kind)
    if not (isinstance(found, type) and issubclass(found, SiftsetError)):
        found = SiftsetError
    error: SiftsetError = found.__new__(found)  # some classes are made of other things than text
    error.args = (message,)
    return error


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came."""


def as_exception(error: BaseException) -> Exception:
    """Return what a user's code raised as an error that ends no process.

    Raises it again where it is Ctrl-C, SIGTERM, want of memory or one of our own.
    """
    if isinstance(error, KeyboardInterrupt | MemoryError | SiftsetError):
        raise error
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"it raised {type(error).__name__}, which ends a process: {error!r:.100}")


def describe_error(error: BaseException) -> str:
    """Say which error it is and what it says, in one line."""
    kind = type(error).__name__
    return f"{kind}: {first_line(error)}" if str(error).strip() else kind


def first_line(error: BaseException) -> str:
    """Say what an error says, in one line of at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def name_some(names: Iterable[str], most: int = 30) -> str:
    """Name the first of some columns or words, and say how many more there are."""
    found = list(names)
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def explain_pip(done: CompletedProcess[str]) -> str:
    """Say why pip fetched nothing, from what it wrote to stderr."""
    if "No module named pip" in done.stderr:
        return "this environment has no pip (add it, such as by  uvx --with pip)"
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return lines[-1] if lines else f"pip ended with code {done.returncode}"
