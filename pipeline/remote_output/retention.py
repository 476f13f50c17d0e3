"""Which versions lie in a store, and old ones that leave it by policy."""

from __future__ import annotations

import time
from pathlib import PurePosixPath
from typing import Final

from siftset.pipeline.remote_output.delta_log import LOG, files_by_version
from siftset.pipeline.storage.remote import origin_of
from siftset.pipeline.storage.table import SET, Store

DAY: Final = 86_400.0
"""Seconds after which a file that no version names was left behind by a killed run."""


def stored_versions(store: Store) -> frozenset[int]:
    """Return the versions whose files all lie in the store; none where there is no store."""
    origin = origin_of(store.output)
    if origin is None:
        return frozenset()
    there = {name.removeprefix(f"{SET}/") for name in origin.names(SET)}
    return frozenset(v for v, files in files_by_version(store).items() if files <= there)


def let_go(store: Store, keep: int) -> None:
    """Remove the files of versions older than the latest `keep` from the store, where there is one.

    A version that a model was trained on stays, and so does every file that another one needs.
    """
    from siftset.pipeline.refresh.versions import models_of

    origin = origin_of(store.output)
    if origin is None:
        return
    commits, files = list(store.history()), files_by_version(store)
    if not files:
        return
    held = {commit.version for commit in commits[:keep]} | set(models_of(store.output))
    needed = {name for version in held for name in files.get(version, ())}
    runs = {commit.run_id for commit in commits}
    old = []
    for name, found in origin.names(SET).items():
        place = name.removeprefix(f"{SET}/")
        is_ours = PurePosixPath(place).parts[0] in runs
        is_left = found.written is not None and found.written < time.time() - DAY
        if not name.startswith(f"{LOG}/") and place not in needed and (is_ours or is_left):
            old.append(name)
    origin.remove(old)
