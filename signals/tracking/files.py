"""The user's files: their content, and which of them code reads while it is loaded or asked."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from siftset.signals.tracking.own_code import is_own

_watching = threading.local()
_CODE = {".py", ".pyc", ".so", ".pth"}
_hooked = threading.Event()

READ_AT_LOAD: dict[str, tuple[Path, ...]] = {}
"""The files that a user's file read while it was loaded: they count for all that it defines."""


def file_fingerprint(path: Path) -> str:
    """Hash the content of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:32]


def hash_files(paths: Iterable[Path]) -> dict[Path, str]:
    """Hash the content of files; an empty text stands for one that is not there."""
    return {path: file_fingerprint(path) if path.is_file() else "" for path in paths}


@contextmanager
def watch_opened_files() -> Iterator[dict[Path, None]]:
    """Collect the files that this thread opens to read; those of packages and code are left out.

    Only what Python opens is seen: polars and other compiled libraries open files by themselves.
    """
    if not _hooked.is_set():
        _hooked.set()
        sys.addaudithook(_note_opened)  # never removed: Python offers no way to
    before = getattr(_watching, "found", None)
    found: dict[Path, None] = {}
    _watching.found = found
    try:
        yield found
    finally:
        _watching.found = before


def _note_opened(event: str, details: tuple[object, ...]) -> None:
    found: dict[Path, None] | None = getattr(_watching, "found", None)
    if event != "open" or found is None or not isinstance(details[0], str | os.PathLike):
        return
    mode, flags = details[1], details[2]
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
    if writes or (isinstance(mode, str) and mode.strip("rbt")):
        return
    path = Path(os.path.abspath(os.fspath(details[0])))  # noqa: PTH100  resolve() opens files
    system = path.parts[1:2] in (("proc",), ("dev",), ("sys",), ("etc",))
    if path.suffix not in _CODE and not system and is_own(str(path)):
        found[path] = None
