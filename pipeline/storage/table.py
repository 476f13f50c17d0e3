"""The retraining set: a Delta table whose versions appear whole or not at all.

Data files lie in `set/<run_id>/`, one split a file; a commit names them. Beside the table,
`versions/<N>/` holds the same files as hard links for readers that know no Delta.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from siftset.pipeline.storage.atomic_files import link_or_copy, sync
from siftset.schemas.errors import OutputError
from siftset.schemas.plurals import format_count
from siftset.schemas.results.columns import SPLITS

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable
    from deltalake.transaction import AddAction

SET: Final = "set"
VERSIONS: Final = "versions"
Mode = Literal["overwrite", "append"]
LogEnd = tuple[str, int, int, int]
_OPENED: dict[Path, tuple[LogEnd, DeltaTable]] = {}
"""The table that was opened last, with the end of its log then."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of one split that is ready to be published."""

    path: Path
    split: str
    rows: int


@dataclass(frozen=True, slots=True)
class Commit:
    """What the log says of a version that siftset published."""

    version: int
    run_id: str
    key: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Store:
    """The set, its versions and what was published when, under one output folder."""

    output: Path

    @property
    def path(self) -> Path:
        """Folder of the Delta table."""
        return self.output / SET

    def version(self) -> int | None:
        """Return the current version, None where nothing was published yet.

        Entries of the log that leave the data as it is, as VACUUM makes them, are no versions.
        """
        table = self._open_table()
        if table is None:
            return None
        last = table.version()
        current = self.current()
        return (
            last
            if current is None or self._changed_files(current.version, last)
            else (current.version)
        )

    def current(self) -> Commit | None:
        """Return the latest commit that siftset made, None where nothing was published yet."""
        return next(self.history(limit=1), None) or next(self.history(), None)

    def find_foreign_change(self) -> str:
        """Return what another program did to the data since siftset published; empty for nothing.

        It says how many files came and went, and the rows of those that came.
        """
        current, table = self.current(), self._open_table()
        if current is None or table is None:
            return ""
        changed = self._changed_files(current.version, table.version())
        if not changed:
            return ""
        rows = pl.DataFrame(table.get_add_actions(flatten=True))
        came = rows.filter(pl.col("path").is_in(list(changed)))
        counted = int(came["num_records"].sum()) if "num_records" in came.columns else 0
        gone = len(changed) - came.height
        return (
            f"another program changed the set after version {current.version}: it added "
            f"{format_count(counted, 'row')} in {format_count(came.height, 'file')} and "
            f"removed {format_count(gone, 'file')}"
        )

    def _changed_files(self, version: int, other: int) -> set[str]:
        """Return the data files that only one of two versions has."""
        if version == other:
            return set()
        held = [
            set(pl.DataFrame(table.get_add_actions(flatten=True))["path"])
            for number in (version, other)
            if (table := self._open_table(number)) is not None
        ]
        return held[0] ^ held[1]

    def history(self, limit: int | None = None) -> Iterator[Commit]:
        """Yield the commits that siftset made, latest first."""
        table = self._open_table()
        for entry in () if table is None else table.history(limit):
            if "siftset_run" in entry:
                yield Commit(
                    version=int(entry["version"]),
                    run_id=str(entry["siftset_run"]),
                    key=str(entry["siftset_key"]),
                    metadata={str(k): str(v) for k, v in entry.items()},
                )

    def commit_of(self, version: int) -> Commit:
        """Return the commit of `version`; raises OutputError where there is none."""
        commits = list(self.history())
        for commit in commits:
            if commit.version == version:
                return commit
        known = ", ".join(str(c.version) for c in reversed(commits)) or "none yet"
        raise OutputError(f"{self.path} has no version {version}, expected one of: {known}")

    def files(self, version: int | None = None) -> list[Path]:
        """Return the data files of a version (the current one by default), in order of name."""
        table = self._open_table(version)
        if table is None:
            raise OutputError(f"{self.path} holds no set yet: run  siftset curate  first")
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        return sorted(self.path / name for name in actions["path"])

    def schema(self, version: int | None = None) -> pl.Schema:
        """Return the columns of a version; none where nothing was published yet."""
        import pyarrow as pa

        table = self._open_table(version)
        return pl.Schema() if table is None else pl.Schema(pa.schema(table.schema().to_arrow()))

    def local_files(self, version: int | None = None) -> list[Path]:
        """Return the data files of a version, fetched where they lie in a store only."""
        from siftset.pipeline.storage.remote import fetch_missing

        paths = self.files(version)
        fetch_missing(self.output, paths)
        lost = next((path for path in paths if not path.is_file()), None)
        if lost is not None:
            number = self.version() if version is None else version
            raise OutputError(
                f"{lost}, which version {number} of the set needs, is gone (was the table vacuumed "
                "by another tool?): name another version, or run  siftset curate --fresh-set"
            )
        return paths

    def split_files(self, version: int | None = None) -> dict[str, tuple[Path, ...]]:
        """Return the data files of a version by split, without the splits that have none."""
        found: dict[str, list[Path]] = {name: [] for name in SPLITS}
        for path in self.local_files(version):
            if split_of(path) not in found:
                raise OutputError(
                    f"{path} was not written by siftset (another tool compacted the set): "
                    "name an earlier version, or run  siftset curate --fresh-set"
                )
            found[split_of(path)].append(path)
        return {name: tuple(paths) for name, paths in found.items() if paths}

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        """Return a lazy frame over a version."""
        files = self.local_files(version)
        if not files:
            return pl.LazyFrame(schema=self.schema(version))
        return pl.scan_parquet(files, missing_columns="insert")

    def publish(
        self,
        files: Sequence[DataFile],
        *,
        run_id: str,
        key: str,
        base: int | None,
        mode: Mode = "overwrite",
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Commit `files` as one version on top of `base` and return its number.

        The files move into the table's folder first, so that a crash before the commit leaves the
        old version and nothing that any reader sees. Raises OutputError where another writer
        published in between.
        """
        from deltalake.exceptions import DeltaError

        placed = self._place_files(files, run_id)
        table = self._open_table()
        if table is not None and base is not None and base == self.version():
            # What the log gained since without changing data is no reason to refuse.
            base = table.version()  # entries that change no data may follow the version
        try:
            self._commit_files(placed, base, mode, _commit_properties(run_id, key, base, metadata))
        except DeltaError as error:
            detail = str(error).splitlines()[0]
            raise OutputError(
                f"{self.path}: version {(-1 if base is None else base) + 1} could not be published "
                f"({detail}): another writer may have been faster; run again"
            ) from error
        return next(c.version for c in self.history() if c.run_id == run_id)

    def lay_version(self, version: int) -> Path:
        """Make `versions/<version>/` readable as plain Parquet files; does nothing if it is."""
        target = self.output / VERSIONS / str(version)
        if target.is_dir():
            return target
        # Readers list this folder: it appears by one rename, with all its files.
        draft = target.with_name(f".{version}.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for split, paths in self.split_files(version).items():
            for index, path in enumerate(paths):
                link_or_copy(path, draft / f"{split}-{index:05d}.parquet")
        sync(draft)
        draft.replace(target)
        sync(target.parent)
        return target

    def _open_table(self, version: int | None = None) -> DeltaTable | None:
        """Open the table; the current one is read again only where its log has grown.

        A refresh asks some thirty times, and opening reads a file for every version.
        """
        log = _read_log_end(self.path / "_delta_log")
        if log is None:
            return None
        known = _OPENED.get(self.path) if version is None else None
        if known is not None and known[0] == log:
            return known[1]
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            table = DeltaTable(self.path, version=version)
        except TableNotFoundError:
            return None
        except DeltaError as error:
            detail = str(error).splitlines()[0]
            what = "" if version is None else f" at version {version}"
            raise OutputError(
                f"{self.path} cannot be read{what} ({detail}): "
                "see  siftset history  for the versions there are"
            ) from error
        if version is None:
            _OPENED.clear()
            _OPENED[self.path] = (log, table)
        return table

    def _place_files(self, files: Sequence[DataFile], run_id: str) -> list[DataFile]:
        folder = self.path / run_id
        folder.mkdir(parents=True, exist_ok=True)
        placed = []
        for file in files:
            target = folder / file.path.name
            sync(file.path)
            file.path.replace(target)
            placed.append(DataFile(target, file.split, file.rows))
        sync(folder)
        sync(self.path)
        return placed

    def _commit_files(
        self, files: Sequence[DataFile], base: int | None, mode: Mode, properties: CommitProperties
    ) -> None:
        from deltalake import DeltaTable, Schema
        from deltalake.transaction import create_table_with_add_actions

        schema = Schema.from_arrow(pl.Schema(pl.read_parquet_schema(files[0].path)))
        adds = [_add_action(file, self.path) for file in files]
        if base is None:
            create_table_with_add_actions(
                str(self.path), schema, adds, mode="error", commit_properties=properties
            )
            return
        table = DeltaTable(self.path, version=base)
        table.create_write_transaction([*adds], mode, schema, commit_properties=properties)


def _read_log_end(log: Path) -> LogEnd | None:
    """Return what tells the last entry of a log from any other; None where there is no log."""
    try:
        last = max((entry.name for entry in log.iterdir() if entry.suffix == ".json"), default="")
        found = (log / last).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return last, found.st_ino, found.st_size, found.st_mtime_ns


def split_of(path: Path) -> str:
    """Return the split that a data file's name begins with."""
    return path.name.partition("-")[0]


def _commit_properties(
    run_id: str, key: str, base: int | None, metadata: Mapping[str, str] | None
) -> CommitProperties:
    from deltalake import CommitProperties, Transaction

    return CommitProperties(
        custom_metadata={**(metadata or {}), "siftset_run": run_id, "siftset_key": key},
        # Delta refuses a second commit with the same transaction: a run that was killed after its
        # commit, and is run again, cannot publish twice. The base is part of it, so that the same
        # key may publish again on top of another version.
        app_transactions=[Transaction(f"siftset:{key}:{-1 if base is None else base}", 0)],
        # A retry would put these rows on top of a version that this run has not seen.
        max_commit_retries=0,
    )


def _add_action(file: DataFile, root: Path) -> AddAction:
    from deltalake.transaction import AddAction

    stat = file.path.stat()
    return AddAction(
        path=file.path.relative_to(root).as_posix(),
        size=stat.st_size,
        partition_values={},
        modification_time=int(stat.st_mtime * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )
