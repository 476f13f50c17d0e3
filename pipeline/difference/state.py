"""One state of a set: its rows, where its runs put the others, and what decided them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.storage.atomic_files import read_json
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.run_folder import MANIFEST, REVIEWED, RUNS, RunFolder
from siftset.pipeline.storage.table import Commit, Store
from siftset.schemas.errors import OutputError
from siftset.schemas.results.difference import Side

PLACES: Final = ("rejected", "duplicates", "quarantine", "unreadable")
"""Where runs put the rows that they do not keep."""

Records = Mapping[str, Sequence[Path]]
"""The Parquet files with the rows of a run that were not kept, by place."""


@dataclass(frozen=True, slots=True)
class SetState:
    """The files of a set, and what its runs recorded."""

    side: Side
    files: tuple[Path, ...]
    records: tuple[Records, ...] = ()
    """Of every run that counts, the latest first."""
    manifest: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the latest run says of its recipe, its signals and its input."""
    reviewed: Path | None = None
    """What it says of the rows that people decided about, if they did."""

    def count_rows(self) -> int:
        """Return how many rows the set has."""
        return count_file_rows(self.files)

    def scan_records(self) -> Iterator[tuple[str, pl.LazyFrame]]:
        """Yield place and rows that were not kept, the latest run first."""
        for records in self.records:
            for place in PLACES:
                files = list(records.get(place, ()))
                if files:
                    yield place, pl.scan_parquet(files, missing_columns="insert")


def count_file_rows(files: Sequence[Path]) -> int:
    """Return the rows of Parquet files, from their footers."""
    return int(pl.scan_parquet(list(files)).select(pl.len()).collect().item()) if files else 0


def version_state(store: Store, version: int, name: str | None = None) -> SetState:
    """Return the state of a set at a version, with what the runs up to it put aside."""
    commits = [commit for commit in store.history() if commit.version <= version]
    made = next((one for one in commits if one.version == version), None)
    if made is None:
        store.commit_of(version)  # says which versions there are
        raise OutputError(f"{store.path} has no version {version}")
    records: list[Records] = []
    reviewed: Path | None = None
    manifest: Mapping[str, JsonValue] = {}
    # a version that was brought back has no run of its own: that of the same key decided its rows
    first = next((c for c in commits if c.key == made.key and _has_run(store, c)), made)
    for commit in (one for one in commits if one.version <= first.version):
        folder = RunFolder(store.output, commit.run_id)
        if not _has_run(store, commit):
            continue
        said = folder.manifest()
        if not manifest:
            manifest, reviewed = said, _find_reviewed(folder.path)
        for place in PLACES:
            fetch_below(store.output, f"{RUNS}/{commit.run_id}/{place}")
        records.append(find_records(folder.path))
        if said.get("command") == "curate":  # it read everything: older runs say nothing more
            break
    files = tuple(store.local_files(version))
    side = Side(
        name=name or f"version {version}",
        version=version,
        run_id=made.run_id,
        rows=count_file_rows(files),
        formula=made.metadata.get("siftset_formula_text", ""),
    )
    return SetState(side, files, tuple(records), manifest, reviewed)


def folder_state(folder: Path, files: Sequence[Path], *, name: str, run_id: str = "") -> SetState:
    """Return the state of a set that a plan or a preview would make, from its folder."""
    manifest = read_json(folder / MANIFEST)
    formula = manifest.get("formula")
    side = Side(
        name=name,
        run_id=run_id,
        rows=count_file_rows(files),
        formula=str(formula.get("text", "")) if isinstance(formula, dict) else "",
    )
    records = (find_records(folder),)
    return SetState(side, tuple(files), records, manifest, _find_reviewed(folder))


def current_state(store: Store) -> SetState:
    """Return the state of a set at its current version; one without rows where there is none."""
    current = store.current()
    if current is None:
        return SetState(Side(name="no version yet"), ())
    return version_state(store, current.version)


def _find_reviewed(folder: Path) -> Path | None:
    path = folder / REVIEWED
    return path if path.is_file() else None


def _has_run(store: Store, commit: Commit) -> bool:
    return (RunFolder(store.output, commit.run_id).path / MANIFEST).is_file()


def find_records(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of a run's folder with the rows that were not kept, by place."""
    found = {place: tuple(sorted((folder / place).glob("*.parquet"))) for place in PLACES}
    return {place: files for place, files in found.items() if files}
