"""How a function becomes a command: common options, plain errors, exit codes, signals."""

from __future__ import annotations

import atexit
import gc
import inspect
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from types import FrameType
from typing import Annotated, Final, TextIO, get_type_hints

import typer

from siftset.pipeline.cli.console import Screen
from siftset.pipeline.model_registry.ranks import is_main_process
from siftset.pipeline.storage.store_waits import listen_to_waits
from siftset.schemas.errors import Interrupted, SiftsetError, Terminated, describe_error

INTERRUPTED: Final = 130
TERMINATED: Final = 143

_COMMON: Final[dict[str, object]] = {
    "json_": Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")],
    "quiet": Annotated[
        bool, typer.Option("--quiet", "-q", help="Print errors and the result only.")
    ],
    "verbose": Annotated[
        bool, typer.Option("--verbose", "-v", help="Print more, with tracebacks.")
    ],
}


def add_command(
    app: typer.Typer, name: str, *, example: str, hidden: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function whose first parameter is a Screen as the command `name`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def run(**given: object) -> None:
            flags = {key: bool(given.pop(key)) for key in _COMMON}
            speaks = is_main_process()
            screen = Screen(
                flags["json_"] and speaks, flags["quiet"] or not speaks, flags["verbose"]
            )
            with (
                _keep_stdout(screen),
                _show_warnings(screen),
                listen_to_waits(screen.note),
            ):
                _run_command(screen, lambda: function(screen, **given))

        _copy_signature(run, function)
        epilog = f"Example:  {example}"
        app.command(name, epilog=epilog, hidden=hidden)(run)
        return function

    return register


def _copy_signature(run: Callable[..., None], function: Callable[..., None]) -> None:
    """Give `run` the parameters of `function` and the common options."""
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    own = [
        p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for p in list(signature.parameters.values())[1:]
    ]
    common = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=hint)
        for key, hint in _COMMON.items()
    ]
    parameters = [*own, *common]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__, run.__name__ = function.__doc__, function.__name__


def _run_command(screen: Screen, work: Callable[[], None]) -> None:
    # Spare a short process most of the collector's work: modules are not garbage.
    gc.set_threshold(50_000, 20, 50)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    try:
        with _catch_sigterm():
            work()
    except SiftsetError as error:
        # All processes of a launcher stop at one step: the first of them says so.
        if is_main_process() or not isinstance(error, Interrupted):
            screen.failure(error, error.exit_code)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt as stop:
        code = TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
        # Notes name what stands, the outermost last: a version, a checkpoint, what was not sent.
        stands = "; ".join(reversed(getattr(stop, "__notes__", ["nothing was published"])))
        screen.result({"error": f"interrupted; {stands}", "exit_code": code})
        screen.note(f"interrupted; {stands}")
        if any(thread.name.startswith("shard") for thread in threading.enumerate()):
            # Threads are still busy: end at once; the kernel frees the lock.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        raise typer.Exit(code) from None
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        if not screen.broken:
            raise
        # Whoever read stdout has seen enough, as in  siftset explain nike | head.
        raise typer.Exit from None
    except BaseException as error:
        known = _explain_ending(error)
        screen.failure(known or error, known.exit_code if known else 1)
        raise typer.Exit(known.exit_code if known else 1) from None


def _explain_ending(error: BaseException) -> SiftsetError | None:
    """Return the error that tells a user what to do; None for a defect of ours."""
    if isinstance(error, MemoryError):
        # Every worker holds a shard of its own.
        message = (
            "the memory is used up: give the process more, or let fewer shards be worked on at "
            "once (SIFTSET_WORKERS)"
        )
    elif isinstance(error, SystemExit):
        message = f"your code called sys.exit({error.code!r}): remove that call"
    elif isinstance(error, Exception) or type(error).__module__ == "pyo3_runtime":
        return None  # a panic of polars is nobody's intention
    else:
        message = (
            f"your code ended the run with {describe_error(error)}: raise an Exception instead"
        )
    known = SiftsetError(message)
    for note in getattr(error, "__notes__", ()):
        known.add_note(note)
    known.__cause__ = error
    return known


@contextmanager
def _keep_stdout(screen: Screen) -> Iterator[None]:
    """Under --json, send what users' code writes to stderr: stdout holds one object alone.

    What C libraries and processes of the users' own write goes by the descriptor, past Python.
    """
    if not screen.json:
        yield
        return
    with redirect_stdout(sys.stderr), ExitStack() as stack:
        # Without descriptors of their own, as in tests, stdout and stderr are Python's alone.
        with suppress(OSError, AttributeError):
            stack.enter_context(_divert_descriptor(screen))
        yield


@contextmanager
def _divert_descriptor(screen: Screen) -> Iterator[None]:
    """Let descriptor 1 be stderr, and the screen write to what it was."""
    before, number = screen.out, screen.out.fileno()
    before.flush()
    screen.out = os.fdopen(os.dup(number), "w", encoding=before.encoding, errors=before.errors)
    os.dup2(sys.stderr.fileno(), number)
    try:
        yield
    finally:
        # what waits in the buffer of the C library was not meant for stdout either
        import ctypes

        ctypes.CDLL(None).fflush(None)
        os.dup2(screen.out.fileno(), number)


@contextmanager
def _show_warnings(screen: Screen) -> Iterator[None]:
    """Tell a warning of ours in a line, as all others are told; those of packages stay as they are.

    Python would show the file and line of the code that warns, which says nothing to a user.
    """
    shown = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category.__module__.startswith("siftset."):
            screen.note(f"warning: {message}")
        else:
            shown(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


@contextmanager
def _catch_sigterm() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, with what was begun put in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        numbers.append(signal.SIGHUP)  # nohup ignores it, and so do we then
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
