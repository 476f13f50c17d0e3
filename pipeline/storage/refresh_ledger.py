"""What a refresh remembers of the version before, so that only what is new is read again.

    ledger/<run_id>/list.json        the shards of a version, in order, and how they were decided
    ledger/<run_id>/dropped.parquet  their candidates that repeat another row
    ledger/rows/<key>/               the candidates of one shard, with what tells repeats apart

A candidate is a row that the formula kept; it is in the set unless it repeats another one. The
commit names its list. Everything here may be deleted: the next refresh then reads everything again,
and takes rows whose input is gone from the set itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue

from siftset.pipeline.storage.atomic_files import read_json, sync, write_json
from siftset.pipeline.storage.part_files import Part
from siftset.schemas.errors import OutputError

LEDGER: Final = "ledger"
METADATA: Final = "siftset_ledger"
"""The entry of a commit that names its list."""
ROWS: Final = "rows"
_LIST: Final = "list.json"
_DROPPED: Final = "dropped.parquet"
_FORMAT: Final = 1
_NAMES: Final = ("key", "source", "origin", "file")

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One shard: where it was read, and its candidates."""

    key: str
    """Hash of the input and of everything that decided its rows."""
    source: str
    """The name of the source."""
    origin: str
    """The input within the source, without format and compression."""
    file: str
    """The input's name as rows have it."""
    candidates: tuple[Part, ...] = ()
    ids: tuple[Part, ...] = ()
    reviewed: tuple[Part, ...] = ()
    """What is said of its rows that people decided about."""
    gone: bool = False
    """Whether the input is no longer there and its rows are kept."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All files of the entry."""
        return (*self.candidates, *self.ids, *self.reviewed)

    @property
    def rows(self) -> int:
        """How many candidates there are."""
        return sum(part.rows for part in self.candidates)

    @property
    def input(self) -> tuple[str, str]:
        """What identifies the input across its versions."""
        return self.source, self.origin


@dataclass(frozen=True, slots=True)
class ShardList:
    """The shards behind a version, in order."""

    signature: str
    """Hash of everything but the input that decides rows."""
    entries: tuple[ShardEntry, ...] = ()
    dropped: Mapping[str, Places] = field(default_factory=dict)
    """For each shard the numbers of its candidates that repeat another row."""


@dataclass(frozen=True, slots=True)
class RefreshLedger:
    """The ledger under an output folder."""

    output: Path

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.output / LEDGER

    def read(self, name: str | None) -> ShardList | None:
        """Return the book that a commit names; None where it, or a part of it, is missing."""
        book = self.read_list(name)
        return book if book is not None and self.has_rows(book) else None

    def has_rows(self, book: ShardList) -> bool:
        """Return whether all candidates of a book lie here."""
        return all(part.path.is_file() for entry in book.entries for part in entry.parts)

    def read_list(self, name: str | None) -> ShardList | None:
        """Return the book that a commit names, whose rows may lie in a store alone."""
        if not name or not (self.path / name / _LIST).is_file():
            return None
        try:
            said = read_json(self.path / name / _LIST)
            if said.get("format") != _FORMAT:
                return None
            entries = tuple(
                self._read_entry(one) for one in json.loads(json.dumps(said["entries"]))
            )
            dropped = pl.read_parquet(self.path / name / _DROPPED)
        except (OutputError, OSError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError):
            return None
        groups = dropped.partition_by("shard", as_dict=True)
        places = {entries[int(str(i))].key: rows["row"].to_numpy() for (i,), rows in groups.items()}
        return ShardList(str(said["signature"]), entries, places)

    def store(self, name: str, book: ShardList) -> ShardList:
        """Write a book; parts that lie elsewhere move into the ledger. Return it as it lies."""
        entries = tuple(self._keep_parts(entry) for entry in book.entries)
        draft = self.path / f".{name}.part"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        dropped = [(at, book.dropped.get(entry.key, ())) for at, entry in enumerate(entries)]
        empty = np.empty(0, dtype=np.int64)
        shards = [np.full(len(rows), at, dtype=np.int64) for at, rows in dropped]
        rows = [rows for _, rows in dropped if len(rows)]
        pl.DataFrame(
            {"shard": np.concatenate([empty, *shards]), "row": np.concatenate([empty, *rows])}
        ).write_parquet(draft / _DROPPED)
        write_json(
            draft / _LIST,
            {
                "format": _FORMAT,
                "signature": book.signature,
                "entries": [
                    {
                        **{name: getattr(entry, name) for name in _NAMES},
                        "candidates": [part.rows for part in entry.candidates],
                        "ids": [part.rows for part in entry.ids],
                        "gone": entry.gone,
                        **_count_reviewed(entry),
                    }
                    for entry in entries
                ],
            },
        )
        sync(draft / _DROPPED)
        sync(draft)
        draft.replace(self.path / name)
        sync(self.path)
        return replace(book, entries=entries)

    def sweep(self, name: str, book: ShardList) -> None:
        """Remove what neither the book `name` nor its shards need."""
        wanted = {entry.key for entry in book.entries}
        for folder in self.path.iterdir():
            if folder.name not in (name, ROWS, "scans"):
                shutil.rmtree(folder, ignore_errors=True)
        rows = self.path / ROWS
        for folder in rows.iterdir() if rows.is_dir() else ():
            if folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def _read_entry(self, said: dict[str, object]) -> ShardEntry:
        folder = self.path / ROWS / str(said["key"])

        def parts(name: str) -> tuple[Part, ...]:
            found = said.get(name, [])
            assert isinstance(found, list)
            return tuple(Part(folder / f"{name}-{at:05d}.parquet", n) for at, n in enumerate(found))

        key, source, origin, file = (str(said[name]) for name in _NAMES)
        return ShardEntry(
            key,
            source,
            origin,
            file,
            candidates=parts("candidates"),
            ids=parts("ids"),
            reviewed=parts("reviewed"),
            gone=bool(said["gone"]),
        )

    def _keep_parts(self, entry: ShardEntry) -> ShardEntry:
        """Move the parts of an entry to where they stay, unless they are there."""
        folder = self.path / ROWS / entry.key
        if folder.is_dir() and all(part.path.parent == folder for part in entry.parts):
            return entry
        draft = folder.with_name(f".{entry.key}.part")
        for path in (draft, folder):
            shutil.rmtree(path, ignore_errors=True)
        draft.mkdir(parents=True)
        candidates = _move_parts(entry.candidates, draft, folder, "candidates")
        ids = _move_parts(entry.ids, draft, folder, "ids")
        reviewed = _move_parts(entry.reviewed, draft, folder, "reviewed")
        sync(draft)
        draft.replace(folder)
        sync(folder.parent)
        return replace(entry, candidates=candidates, ids=ids, reviewed=reviewed)


def _count_reviewed(entry: ShardEntry) -> dict[str, JsonValue]:
    """Return the entry of a list for these rows; none without any, so that lists stay as before."""
    return {"reviewed": [part.rows for part in entry.reviewed]} if entry.reviewed else {}


def _move_parts(parts: Sequence[Part], draft: Path, folder: Path, name: str) -> tuple[Part, ...]:
    found = []
    for at, part in enumerate(parts):
        file = f"{name}-{at:05d}.parquet"
        part.path.replace(draft / file)
        sync(draft / file)
        found.append(Part(folder / file, part.rows))
    return tuple(found)
