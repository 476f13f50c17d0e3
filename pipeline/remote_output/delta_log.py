"""The log of the set here against that in the store: which side is ahead, and whether they part."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

from siftset.pipeline.storage.catalog import INDEX
from siftset.pipeline.storage.remote import Listing, Origin
from siftset.pipeline.storage.run_folder import run_folders
from siftset.pipeline.storage.table import SET, VERSIONS, Store
from siftset.schemas.errors import OutputError

LOG: Final = f"{SET}/_delta_log"


class Standing(NamedTuple):
    """How the two logs stand to each other."""

    kind: Literal["together", "behind", "parted"]
    """behind: the store has entries that this folder lacks; parted: another machine was faster."""
    agreed: int
    """The last version that both have, -1 for none."""


def compare_logs(origin: Origin, there: Listing) -> Standing:
    """Compare the entries by number and content; raise OutputError for two tables apart.

    Logs that share no entry parted at their beginning where this folder began for this store and
    never sent anything: two machines began at once on an empty store. Else the folder brought a set
    of its own, or someone put another one into the store.
    """
    ours = {path.name for path in (origin.folder / LOG).glob("*.json")}
    theirs = {name.rpartition("/")[2] for name in _list_entries(there)}
    common = sorted(ours & theirs)
    if not theirs or not ours:
        return Standing("behind" if theirs else "together", -1)
    agreed = None
    for name in reversed(common):
        if origin.read(f"{LOG}/{name}") == (origin.folder / LOG / name).read_bytes():
            agreed = name
            break
    if agreed is None and origin.began_empty() and INDEX not in origin.agreed_digests():
        return Standing("parted", -1)
    if agreed is None:
        raise OutputError(
            f"{origin.folder} holds another set than {origin.address}: move that folder away to go "
            "on from what lies in the store, or name another output"
        )
    number = int(agreed.partition(".")[0])
    if agreed != common[-1]:
        return Standing("parted", number)
    return Standing("behind" if max(theirs) > max(ours) else "together", number)


def fetch_log(origin: Origin, there: Listing) -> None:
    """Fetch the entries of the log, in their order."""
    missing = [n for n in sorted(_list_entries(there)) if not (origin.folder / n).is_file()]
    draft = origin.folder / ".log"
    shutil.rmtree(draft, ignore_errors=True)
    aside = Origin(draft, origin.address)
    aside.fetch(missing)
    (origin.folder / LOG).mkdir(parents=True, exist_ok=True)
    for name in missing:
        (draft / name).replace(origin.folder / name)
    shutil.rmtree(draft, ignore_errors=True)


def drop_lost(origin: Origin, agreed: int) -> None:
    """Remove what this folder published and the store refused: the set last, so that it is seen."""
    for run in run_folders(origin.folder):
        version = run.manifest().get("version")
        if isinstance(version, int) and version > agreed:
            shutil.rmtree(run.path)
    for name in (VERSIONS, "ledger", "preview"):
        shutil.rmtree(origin.folder / name, ignore_errors=True)
    gone = origin.folder / ".gone"
    shutil.rmtree(gone, ignore_errors=True)
    (origin.folder / SET).replace(gone)
    shutil.rmtree(gone)


def files_by_version(store: Store) -> dict[int, frozenset[str]]:
    """Return the data files of every version, relative to the table.

    Nothing where the first entries of the log are gone.
    """
    held: set[str] = set()
    found: dict[int, frozenset[str]] = {}
    entries = sorted((store.output / LOG).glob("*.json"))
    for entry in entries if entries and int(entries[0].stem) == 0 else ():
        for action in map(json.loads, entry.read_text(encoding="utf-8").splitlines()):
            held |= set(_list_paths(action, "add"))
            held -= set(_list_paths(action, "remove"))
        found[int(entry.stem)] = frozenset(held)
    return found


def _list_paths(action: dict[str, dict[str, str]], kind: str) -> Iterator[str]:
    if kind in action:
        yield unquote(action[kind]["path"])


def _list_entries(there: Listing) -> Iterator[str]:
    return (name for name in there if name.startswith(f"{LOG}/") and name.endswith(".json"))
