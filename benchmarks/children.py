"""Children of this process: work that may be killed, and a reader that looks on meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

POLL = 0.02
WRONG = 9


@dataclass
class Looks:
    """How often a reader looked, and whether the last look was at something wrong."""

    made: int = 0
    wrong: bool = False


@contextmanager
def looking(look: Callable[[], int], folder: Path) -> Iterator[Looks]:
    """Have a child look again and again while the block runs, and once at least."""
    looks, stop, marks = Looks(), folder / "stop", folder / "looks"
    reader = spawn(lambda: _look_on(look, stop, marks))
    try:
        yield looks
    finally:
        stop.touch()
        looks.wrong = _code(reader) != 0
        looks.made = marks.stat().st_size if marks.exists() else 0
        stop.unlink()
        marks.unlink(missing_ok=True)


def _look_on(look: Callable[[], int], stop: Path, marks: Path) -> int:
    while True:
        found = look()
        with marks.open("ab") as counted:
            counted.write(b".")
        if found or stop.exists():
            return found
        time.sleep(POLL)


def killed(work: Callable[[], int], moment: float) -> bool:
    """Kill work after so many seconds; return whether it was still under way."""
    runner = spawn(work)
    time.sleep(moment)
    os.kill(runner, signal.SIGKILL)
    return _code(runner) == -signal.SIGKILL


def child(work: Callable[[], int]) -> int:
    """Do `work` in a child to its end; return its exit code."""
    return _code(spawn(work))


def spawn(work: Callable[[], int]) -> int:
    """Begin `work` in a child of this process, which has threads of its own."""
    begun = os.fork()
    if begun:
        return begun
    code = WRONG
    try:
        code = work()
    except BaseException:  # a child must never return into its parent's work
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _code(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
