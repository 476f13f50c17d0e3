"""What is known of files from before, so that an old one is not read for its digest or types."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from siftset.pipeline.refresh.file_digests import DIGESTS, Digest, FileDigests
from siftset.pipeline.sources.types import Types
from siftset.pipeline.storage.atomic_files import atomic_write

SCANS: Final = "scans"
_ENDING: Final = ".arrow"


@dataclass(slots=True)
class StoredScans:
    """Columns and number of records by the hash of a file and of how it is read."""

    folder: Path
    _digests: FileDigests = field(init=False)
    _known: dict[str, Path] | None = None
    _used: set[str] = field(default_factory=set)
    _new: dict[str, Types] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._digests = FileDigests(self.folder.with_name(DIGESTS))

    def digest(self, file: Path, read: Callable[[], Digest]) -> Digest:
        """Return the digest and the marks of a file, which is read unless it is as it was."""
        return self._digests.digest(file, read)

    def find(self, digest: str, how: str) -> tuple[Types, int] | None:
        """Return what an earlier scan found; None where it is not known."""
        if self._known is None:
            files = sorted(self.folder.glob(f"*{_ENDING}"))
            self._known = {path.stem.partition("-")[0]: path for path in files}
        path = self._known.get(_scan_key(digest, how))
        if path is None:
            return None
        with suppress(OSError, ValueError, pl.exceptions.PolarsError):
            found = dict(pl.read_ipc_schema(path)), int(path.stem.partition("-")[2])
            self._used.add(path.name)
            return found
        return None

    def add(self, digest: str, how: str, types: Types, rows: int) -> None:
        """Take a scan; it is written by `keep`."""
        self._new[f"{_scan_key(digest, how)}-{rows}{_ENDING}"] = types

    def keep(self) -> None:
        """Write what is new and forget what nobody asked for; no trouble with a file ends a run."""
        self._digests.keep()
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, types in self._new.items():
                with atomic_write(self.folder / name) as draft:
                    pl.DataFrame(schema=types).write_ipc(draft)
            wanted = {*self._new, *self._used}
            for path in self.folder.glob(f"*{_ENDING}"):
                if path.name not in wanted:
                    path.unlink(missing_ok=True)


def _scan_key(digest: str, how: str) -> str:
    return hashlib.sha256(f"{digest}\0{how}".encode()).hexdigest()[:32]
