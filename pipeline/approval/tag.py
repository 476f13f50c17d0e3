"""Giving a version a name that retention respects, and taking it away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from siftset.pipeline.approval.resolve_version import resolve_version
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.stages.lay_plan import find_user
from siftset.pipeline.stages.publish import finish_commit, sync_remote
from siftset.pipeline.storage.atomic_files import make_writable_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.run_folder import MANIFEST, RunFolder
from siftset.pipeline.storage.table import Store
from siftset.pipeline.storage.tags import Tag, check_tag, read_tags, tags_of, write_tags
from siftset.schemas.errors import OutputError
from siftset.schemas.recipe.loading import RecipeLike


def tag(
    recipe: RecipeLike,
    name: str,
    version: int | str | None = None,
    *,
    delete: bool = False,
    overrides: Sequence[str] = (),
    lock_timeout: float = 0.0,
) -> int:
    """Name a version of the set (by default the current one), or take a name away; return it.

    A name that another version has moves. Raises OutputError for a name that is none, or that no
    version has where it is to be deleted.
    """
    loaded, store = open_store(recipe, overrides=overrides)
    with hold_lock(make_writable_folder(store.output), timeout=lock_timeout):
        finish_commit(store)
        tags = read_tags(store.output)
        if delete:
            number = _take_away(store, tags, name)
        else:
            check_tag(name)
            number = _find_version(store, version)
            before = tags.get(name)
            when = datetime.now(UTC).isoformat(timespec="seconds")
            tags[name] = Tag(version=number, by=find_user(), when=when)
            if before is not None and before.version != number:
                _note_tags(store, tags, before.version)
        write_tags(store.output, tags)
        _note_tags(store, tags, number)
        write_index(store.output)
        sync_remote(loaded, store)
    return number


def _take_away(store: Store, tags: dict[str, Tag], name: str) -> int:
    if name not in tags:
        known = ", ".join(sorted(tags)) or "none yet"
        raise OutputError(f"{store.output} has no tag {name!r}, expected one of: {known}")
    return tags.pop(name).version


def _find_version(store: Store, version: int | str | None) -> int:
    if version is not None:
        return resolve_version(store, str(version))
    current = store.version()
    if current is None:
        raise OutputError(f"{store.path} has no version to name yet: run  siftset curate  first")
    return current


def _note_tags(store: Store, tags: dict[str, Tag], version: int) -> None:
    """Write the names of a version into the manifest of the run that made it."""
    folder = RunFolder(store.output, store.commit_of(version).run_id)
    if (folder.path / MANIFEST).is_file():
        folder.amend(tags=[*tags_of(tags, version)])
