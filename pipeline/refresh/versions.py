"""Versions of the set through time: by number or date, listed, and brought back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import pyarrow.parquet as pq
from pydantic import JsonValue

from siftset.pipeline.approval.resolve_version import check_available, commit_time
from siftset.pipeline.model_registry.registry import list_models
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.remote_output.retention import stored_versions, version_folder
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.stages.publish import finish_commit, sync_remote
from siftset.pipeline.stages.publish_plan import APPROVED_BY, NOTE
from siftset.pipeline.storage.atomic_files import link_or_copy, make_writable_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.run_folder import new_run_id
from siftset.pipeline.storage.table import DataFile, split_of
from siftset.pipeline.storage.tags import read_tags, tags_of
from siftset.schemas.recipe.loading import RecipeLike

_RESULT: Final = "siftset_result"
_OF_ITS_RUN: Final = ("siftset_run", "siftset_key")


def list_history(
    recipe: RecipeLike, *, overrides: Sequence[str] = ()
) -> list[dict[str, JsonValue]]:
    """Return the versions of the set, latest first: what made each, and whether it can be read."""
    _, store = open_store(recipe, overrides=overrides)
    models, stored = list_models(store.output), stored_versions(store)
    tags = read_tags(store.output)
    found: list[dict[str, JsonValue]] = []
    for commit in store.history():
        said = json.loads(commit.metadata.get(_RESULT, "{}"))
        names: list[JsonValue] = [*models.get(commit.version, ())]
        found.append(
            {
                "version": commit.version,
                "run_id": commit.run_id,
                "published": commit_time(commit).isoformat(timespec="seconds"),
                "rows": said.get("set_rows", 0),
                "verdict": said.get("verdict", "pass"),
                "formula": commit.metadata.get("siftset_formula", ""),
                "available": version_folder(store, commit.version).is_dir()
                or commit.version in stored,
                "models": names,
                "tags": [*tags_of(tags, commit.version)],
                "approved_by": commit.metadata.get(APPROVED_BY),
                "note": commit.metadata.get(NOTE),
                **({"by_hand": said["by_hand"]} if said.get("by_hand") else {}),
            }
        )
    return found


def roll_back_set(
    recipe: RecipeLike,
    version: int,
    *,
    overrides: Sequence[str] = (),
    lock_timeout: float = 0.0,
) -> int:
    """Publish the rows of an earlier version as a new one; return its number.

    Nothing is lost: the versions in between stay. Does nothing where `version` is the current one.
    """
    loaded, store = open_store(recipe, overrides=overrides)
    with hold_lock(make_writable_folder(store.output), timeout=lock_timeout):
        finish_commit(store)
        current = store.current()
        commit = store.commit_of(check_available(store, version))
        if current is not None and current.version == commit.version:
            return commit.version
        with work_folder(store.output) as folder:
            files = []
            for at, path in enumerate(store.local_files(commit.version)):
                target = folder / f"{split_of(path)}-kept-{at:05d}.parquet"
                link_or_copy(path, target)
                files.append(DataFile(target, split_of(path), pq.read_metadata(path).num_rows))
            number = store.publish(
                files,
                run_id=new_run_id(),
                key=commit.key,
                base=store.version(),
                metadata={
                    name: value
                    for name, value in commit.metadata.items()
                    if name.startswith("siftset_") and name not in (*_OF_ITS_RUN, APPROVED_BY, NOTE)
                },
            )
        finish_commit(store)
        sync_remote(loaded, store)
        return number
