"""The folder in which a run works."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from siftset.pipeline.storage.atomic_files import disk_full_errors
from siftset.schemas.errors import OutputError

WORK: Final = ".work"
DRAFTS: Final = (
    ".*.part",
    "versions/.*.part",
    "ledger/.*.part",
    "ledger/rows/.*.part",
    "runs/*/.*.part",
)
GRACE: Final = 3600.0
"""Seconds after which a draft is one of a killed run: a training may be writing another."""


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """Give a folder of our own, and take away it and what killed runs left of theirs."""
    root = output / WORK
    if root.is_symlink() or root.is_file():
        raise OutputError(
            f"{root} is a link or a file, expected a folder that only siftset uses: remove it (to "
            "work on another disk, let the whole output be a link)"
        )
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    before = time.time() - GRACE
    for draft in (draft for pattern in DRAFTS for draft in output.glob(pattern)):
        with suppress(OSError):
            if draft.lstat().st_mtime >= before:
                continue
            if draft.is_dir() and not draft.is_symlink():
                shutil.rmtree(draft)
            else:
                draft.unlink()
    try:
        with disk_full_errors(output):
            yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
