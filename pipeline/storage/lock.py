"""One run at a time in an output folder: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from siftset.schemas.errors import Locked

LOCK_NAME: Final = ".lock"
_POLL_SECONDS: Final = 0.1
_SHORT_POLL: Final = 0.002


@contextmanager
def hold_lock(folder: Path, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold the lock of `folder`, waiting up to `timeout` seconds; raises Locked after that."""
    path = folder / LOCK_NAME
    with path.open("a+", encoding="utf-8") as handle:
        deadline = time.monotonic() + timeout
        while not _try_lock(handle):
            if time.monotonic() >= deadline:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
                raise Locked(
                    f"another run (process {holder}) holds {path}: wait for it, "
                    "or give --lock-timeout SECONDS to queue behind it"
                )
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        try:
            handle.seek(0)
            handle.truncate()
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            yield
        finally:
            _free_lock(handle)


@contextmanager
def hold_file_lock(handle: IO[bytes], *, timeout: float = 30.0) -> Iterator[None]:
    """Hold the lock of an open file for the moment of a write; raises Locked after `timeout`."""
    deadline = time.monotonic() + timeout
    while not _try_lock(handle):
        if time.monotonic() >= deadline:
            raise Locked(
                f"another process holds {handle.name}: expected it to be free within "
                f"{timeout:g} seconds; end that process and try again"
            )
        time.sleep(_SHORT_POLL)
    try:
        yield
    finally:
        _free_lock(handle)


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _try_lock(handle: IO[Any]) -> bool:
        try:
            handle.seek(1 << 30)  # beyond the text, so that the holder stays readable
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _free_lock(handle: IO[Any]) -> None:
        handle.seek(1 << 30)
        msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _try_lock(handle: IO[Any]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _free_lock(handle: IO[Any]) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
