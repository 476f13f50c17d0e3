"""A copy of the set in a store: the same Delta table, version by version.

Data files go first, then the entries of the log in their order, each made only where there is none
of its number. A reader of the copy finds a version whole or not at all, a copy that was cut off is
finished by the next run, and two machines that copy different sets to one address cannot mix them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from siftset.pipeline.storage.atomic_files import sync
from siftset.pipeline.storage.object_store import (
    FileSystem,
    download,
    file_system,
    find_objects,
    store_errors,
    upload_all,
    without_scheme,
)
from siftset.pipeline.storage.table import SET, Store
from siftset.schemas.errors import OvertakenError

_LOG: Final = "_delta_log"
_DRAFT: Final = ".restored"
_ADVICE: Final = (
    "the set here is published: name an address that is free, or move this output folder away "
    "and refresh to go on from what lies there"
)


def mirror_set(store: Store, address: str, *, advice: str = _ADVICE) -> int:
    """Bring the copy at `address` up to the set; return how many versions were added.

    Raises OutputError where another table lies there, with `advice` on what to do, and SourceError
    where the store refuses.
    """
    root = address.rstrip("/")
    system = file_system(root)
    there = {found.address.removeprefix(f"{root}/") for found in find_objects(root)}
    entries = sorted((store.path / _LOG).glob("*.json"))
    try:
        _check_same_table(entries, there, system, root)
        new = [path for path in entries if f"{_LOG}/{path.name}" not in there]
        names = dict.fromkeys(_list_data_files(store, new))
        here = [(store.path / name, f"{root}/{name}") for name in names if name not in there]
        upload_all([pair for pair in here if pair[0].is_file()])  # data before entries
        for path in new:
            _write_entry(path, file_system(root), root)
        return len(new)
    except _OtherTableError:
        raise other_table(root, advice) from None


def other_table(root: str, advice: str) -> OvertakenError:
    """Return the error of a set that cannot be brought to an address."""
    return OvertakenError(
        f"{root} holds another table than this set, perhaps of a machine that was faster: {advice}"
    )


class _OtherTableError(Exception):
    """Another table lies there."""


def restore_set(store: Store, address: str) -> bool:
    """Take the set over from its copy where this machine has none; return whether it did.

    Versions keep their numbers; the files of the latest one are fetched.
    """
    root = address.rstrip("/")
    if (store.path / _LOG).is_dir():
        return False
    entries = find_objects(f"{root}/{_LOG}")
    if not entries:
        return False
    draft = store.output / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    for entry in entries:
        download(entry.address, draft / SET / _LOG / entry.name)
    for path in Store(draft).files():
        download(f"{root}/{path.relative_to(draft / SET).as_posix()}", path)
    (draft / SET).replace(store.path)
    sync(store.output)
    draft.rmdir()
    return True


def _list_data_files(store: Store, entries: list[Path]) -> Iterator[str]:
    """Yield the data files of the set and of new entries, relative to the table."""
    if entries:
        yield from (path.relative_to(store.path).as_posix() for path in store.files())
    for entry in entries:
        for line in entry.read_text(encoding="utf-8").splitlines():
            added = json.loads(line).get("add")
            if added:
                yield unquote(added["path"])


def _check_same_table(entries: list[Path], there: set[str], system: FileSystem, root: str) -> None:
    """Raise _OtherTableError unless the copy's log is a beginning of ours."""
    ours = {f"{_LOG}/{path.name}": path for path in entries}
    theirs = sorted(n for n in there if n.startswith(f"{_LOG}/") and n.endswith(".json"))
    last = theirs[-1] if theirs else None
    if last is None:
        return
    if last in ours:
        with store_errors(root):
            if system.cat_file(f"{without_scheme(root)}/{last}") == ours[last].read_bytes():
                return
    raise _OtherTableError


def _write_entry(path: Path, system: FileSystem, root: str) -> None:
    """Write an entry of the log unless another writer did."""
    place, entry = f"{without_scheme(root)}/{_LOG}/{path.name}", path.read_bytes()
    with store_errors(root):
        try:
            system.pipe_file(place, entry, mode="create")
        except FileExistsError:
            if system.cat_file(place) != entry:
                raise _OtherTableError from None
