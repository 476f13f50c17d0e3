"""Old versions of the set that go by policy, here and in a store, and which a store still has."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Final

from siftset.pipeline.model_registry.registry import MODELS, list_models, read_pending
from siftset.pipeline.remote_output.delta_log import LOG, files_by_version
from siftset.pipeline.storage.remote import Origin, origin_of
from siftset.pipeline.storage.table import SET, VERSIONS, Store
from siftset.pipeline.storage.tags import read_tags

DAY: Final = timedelta(days=1)
"""Time after which a file that no version names was left behind by a killed run."""


def version_folder(store: Store, version: int) -> Path:
    """Return where the plain Parquet files of a version lie until it is removed."""
    return store.output / VERSIONS / str(version)


def stored_versions(store: Store) -> frozenset[int]:
    """Return the versions whose files all lie in the store; none where there is no store."""
    origin = origin_of(store.output)
    if origin is None:
        return frozenset()
    there = {name.removeprefix(f"{SET}/") for name in origin.names(SET)}
    return frozenset(v for v, files in files_by_version(store).items() if files <= there)


def remove_old_versions(store: Store, keep: int) -> list[int]:
    """Remove the files of versions older than the latest `keep`; return their numbers.

    A version that has a tag, or that a model was trained on or is to be, stays, and so does every
    file that another version needs. Where the output lies in a store, they go there too.
    """
    commits = list(store.history())
    held = {commit.version for commit in commits[:keep]} | set(list_models(store.output))
    pending = read_pending(store.output / MODELS)
    held |= {pending[0]} if pending is not None else set()
    held |= {tag.version for tag in read_tags(store.output).values()}
    known = {commit.version for commit in commits}
    needed = {path for version in held & known for path in store.files(version)}
    needed |= set(store.files())
    old = [c.version for c in commits if c.version not in held]
    here = [version for version in old if version_folder(store, version).is_dir()]
    for version in here:
        for path in set(store.files(version)) - needed:
            path.unlink(missing_ok=True)
        shutil.rmtree(version_folder(store, version))
    if here:
        _sweep_table(store, needed)
    origin = origin_of(store.output)
    if origin is not None:
        names = {path.relative_to(store.path).as_posix() for path in needed}
        _prune_remote(origin, names, {commit.run_id for commit in commits})
    return here


def _sweep_table(store: Store, needed: set[Path]) -> None:
    """Remove folders of the table that are empty, and what killed runs left there a day ago."""
    before = (datetime.now(UTC) - DAY).timestamp()
    for folder in store.path.iterdir():
        if not folder.is_dir() or folder.name.startswith("_"):
            continue
        files = list(folder.iterdir())
        orphans = [p for p in files if p not in needed and p.stat().st_ctime < before]
        if (len(orphans) == len(files) and folder.stat().st_mtime < before) or not files:
            shutil.rmtree(folder, ignore_errors=True)


def _prune_remote(origin: Origin, needed: set[str], runs: set[str]) -> None:
    """Remove from a store the data files of our runs, and old strays, that no version needs."""
    before, old = (datetime.now(UTC) - DAY).timestamp(), []
    for name, found in origin.names(SET).items():
        place = name.removeprefix(f"{SET}/")
        is_ours = PurePosixPath(place).parts[0] in runs
        is_left = found.written is not None and found.written < before
        if not name.startswith(f"{LOG}/") and place not in needed and (is_ours or is_left):
            old.append(name)
    origin.remove(old)
