"""Says that a store keeps a command waiting, as one does that is asked again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE: Final = 5.0
"""Seconds after which a wait is told, once for each call."""
_listeners: list[Callable[[str], None]] = []


@contextmanager
def listen_to_waits(say: Callable[[str], None]) -> Iterator[None]:
    """Say what is waited for, as long as the block lasts."""
    _listeners.append(say)
    try:
        yield
    finally:
        _listeners.remove(say)


@contextmanager
def tell_wait(what: str) -> Iterator[None]:
    """Tell whoever listens where the block takes longer than the patience of a user."""
    if not _listeners:
        yield
        return
    line = f"waiting for {what}, {PATIENCE:g} s so far; a request that fails is made again"
    timer = threading.Timer(PATIENCE, lambda: [say(line) for say in _listeners])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
