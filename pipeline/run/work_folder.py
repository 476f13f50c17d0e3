"""The folder in which a run works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from siftset.pipeline.storage.atomic_files import disk_full_errors

WORK: Final = ".work"


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """Give a folder of our own, and take away it and what killed runs left of theirs."""
    root = output / WORK
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    try:
        with disk_full_errors(output):
            yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
