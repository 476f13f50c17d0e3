"""What a command leaves in the store: immutable files first, then the version, then pointers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.bucket.origin import Listing, Origin, digest
from pipeline.bucket.take import CHANGING, CURRENT, MODELS, open_origin
from pipeline.catalog import INDEX
from pipeline.mirror import mirror_set
from pipeline.processes import leads
from pipeline.refresh.ledger import METADATA, Ledger
from pipeline.runs import MANIFEST, run_folders
from pipeline.store import SET, Store
from pipeline.trained import RESULT

if TYPE_CHECKING:
    from schemas.loading import LoadedRecipe

_ADVICE: Final = (
    "nothing of this run is there; run again, it goes on from what lies there and reads the rest "
    "anew"
)
_ENDED: Final = ("published", "refused")
_BEFORE: Final = CHANGING[:1]
"""Mended rows: a version that rests on them is no use without them."""


def send_output(loaded: LoadedRecipe) -> None:
    """Bring the store of a recipe's output up to its folder; do nothing where it has none."""
    origin = open_origin(loaded)
    if origin is not None and leads():
        send(origin)


def send(origin: Origin) -> None:
    """Bring the store up to a working folder.

    A send that is cut off is finished by the next one. Raises OutputError where another machine
    published meanwhile.
    """
    origin.note()
    there = origin.names()
    store = Store(origin.folder)
    origin.send(_files(origin.folder, "ledger/rows", "ledger/scans"), there)
    origin.send(_lists(store), there)
    _send_changing(origin, _BEFORE)
    send_runs(origin, there)
    mirror_set(store, f"{origin.address}/{SET}", advice=_ADVICE)
    _send_models(origin, there)
    _send_changing(origin, CHANGING[1:])
    _send_current(origin)
    _send_index(origin, there)
    _sweep(store, origin, there)


def send_runs(origin: Origin, there: Listing) -> None:
    """Upload the folders of runs that ended, the manifest of each last."""
    for run in run_folders(origin.folder):
        name = f"runs/{run.run_id}"
        if f"{name}/{MANIFEST}" in there or run.manifest().get("state") not in _ENDED:
            continue
        files = sorted(_files(origin.folder, name), key=lambda n: n == f"{name}/{MANIFEST}")
        origin.send(files[:-1], there)
        origin.send(files[-1:], there)


def _lists(store: Store) -> Iterator[str]:
    """Yield the files of the ledger's list that the current version rests on."""
    current = store.current()
    name = None if current is None else current.metadata.get(METADATA)
    if name:
        yield from _files(store.output, f"ledger/{name}")


def _send_models(origin: Origin, there: Listing) -> None:
    """Upload models that are finished, what says so last; one trained anew replaces the old."""
    models = origin.folder / MODELS
    for result in sorted(models.glob(f"v*-*/{RESULT}")):
        name = f"{MODELS}/{result.parent.name}"
        said, data = f"{name}/{RESULT}", result.read_bytes()
        if said in there and digest(data) == origin.agreed().get(said):
            continue
        if said in there:
            origin.remove([said])
        is_new = said not in there
        files = [n for n in _files(origin.folder, name) if n != said]
        origin.send(files, there if is_new else {})
        origin.write(said, data)
        origin.agree(said, data)


def _send_changing(origin: Origin, names: tuple[str, ...]) -> None:
    agreed = origin.agreed()
    for name in names:
        path = origin.folder / name
        data = path.read_bytes() if path.is_file() else None
        if data is not None and digest(data) != agreed.get(name):
            origin.write(name, data)
            origin.agree(name, data)


def _send_current(origin: Origin) -> None:
    link = origin.folder / CURRENT
    if link.is_symlink():
        name = str(link.readlink()).encode()
        if digest(name) != origin.agreed().get(CURRENT):
            origin.write(CURRENT, name)
            origin.agree(CURRENT, name)


def _send_index(origin: Origin, there: Listing) -> None:
    path = origin.folder / INDEX
    if path.is_file():
        data = path.read_bytes()
        if INDEX not in there or digest(data) != origin.agreed().get(INDEX):
            origin.write(INDEX, data)
            origin.agree(INDEX, data)


def _sweep(store: Store, origin: Origin, there: Listing) -> None:
    """Remove from the store what the ledger no longer needs, where this folder has all of it."""
    current = store.current()
    name = None if current is None else current.metadata.get(METADATA)
    if Ledger(store.output).read(name) is not None:
        old = (n for n in there if n.startswith("ledger/"))
        origin.remove([n for n in old if not (origin.folder / n).is_file()])


def _files(folder: Path, *below: str) -> Iterator[str]:
    """Yield the names of files below parts of a folder; hidden ones are drafts and locks."""
    for part in below:
        for path in sorted((folder / part).rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not any(p.startswith(".") for p in name.parts):
                yield name.as_posix()
