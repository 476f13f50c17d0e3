"""FileDigests of files by what the file system says of them, so that an old file is not read again.

A digest is trusted while size, times of change, inode and device are those of when the bytes were
read. Whoever writes to a file changes its ctime, also where the mtime is set back. A file that was
written to within seconds of being read may change again within the clock's grain: that one is not
remembered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from siftset.pipeline.storage.atomic_files import atomic_write

DIGESTS: Final = "digests.json"
GRAIN: Final = 2.0
"""Seconds that a file must have been left alone before it was read."""

Digest = tuple[str, tuple[str, ...]]
_Facts = list[int]


@dataclass(slots=True)
class FileDigests:
    """The digest of each file, and its marks, kept in one file."""

    path: Path
    _known: dict[str, tuple[_Facts, Digest]] | None = None
    _asked: dict[str, tuple[_Facts, Digest]] = field(default_factory=dict)

    def digest(self, file: Path, read: Callable[[], Digest]) -> Digest:
        """Return the digest of a file, which is read unless it is as it was."""
        began, facts = time.time(), _read_facts(file)
        known = self._read_known().get(str(file))
        if known is not None and known[0] == facts:
            self._asked[str(file)] = known
            return known[1]
        found = read()
        if began - max(facts[1], facts[2]) / 1e9 > GRAIN and facts == _read_facts(file):
            self._asked[str(file)] = (facts, found)
        return found

    def keep(self) -> None:
        """Write what was asked for and forget the rest."""
        if self._asked == self._read_known():
            return
        said = {name: [facts, *digest] for name, (facts, digest) in sorted(self._asked.items())}
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.path) as draft:
                draft.write_text(json.dumps(said, separators=(",", ":")), encoding="utf-8")

    def _read_known(self) -> dict[str, tuple[_Facts, Digest]]:
        if self._known is None:
            self._known = {}
            with suppress(OSError, ValueError, TypeError, AttributeError):
                self._known = {
                    name: (facts, (str(digest), tuple(marks)))
                    for name, (facts, digest, marks) in json.loads(self.path.read_bytes()).items()
                }
        return self._known


def _read_facts(file: Path) -> _Facts:
    """Return what changes whenever a file does."""
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
