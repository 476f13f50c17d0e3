"""What a command leaves in the store: immutable files first, then the version, then pointers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from siftset.pipeline.model_registry.ranks import is_main_process
from siftset.pipeline.model_registry.registry import MODELS
from siftset.pipeline.model_registry.result import RESULT, is_refused
from siftset.pipeline.remote_output.current_model import push_current
from siftset.pipeline.remote_output.delta_log import compare_logs
from siftset.pipeline.remote_output.ledger_packs import list_needed, push_ledger
from siftset.pipeline.remote_output.mirror import mirror_set, other_table
from siftset.pipeline.remote_output.plans_and_tags import push_plans
from siftset.pipeline.remote_output.pull import MENDED, open_origin
from siftset.pipeline.storage.catalog import INDEX
from siftset.pipeline.storage.remote import Listing, Origin, content_digest
from siftset.pipeline.storage.run_folder import MANIFEST, run_folders
from siftset.pipeline.storage.table import SET, Store
from siftset.pipeline.storage.tags import TAGS

if TYPE_CHECKING:
    from siftset.schemas.recipe.loading import LoadedRecipe

_ADVICE: Final = (
    "nothing of this run is there; run again, it goes on from what lies there and reads the rest "
    "again"
)
_ENDED: Final = ("published", "refused")
GRACE: Final = 3600.0
"""Seconds that a part of the ledger stays that nobody needs: another machine may be sending it."""


def push_output(loaded: LoadedRecipe) -> int:
    """Bring the store of a recipe's output up to its folder; do nothing where it has none.

    Return how many versions were sent.
    """
    origin = open_origin(loaded)
    return push_store(origin) if origin is not None and is_main_process() else 0


def push_store(origin: Origin) -> int:
    """Bring the store up to a working folder; return how many versions were sent.

    A send that is cut off is finished by the next one. Where the store went on meanwhile, it gets
    models and runs only. Raises OutputError where another machine published in our place.
    """
    origin.note()
    there = origin.names()
    standing = compare_logs(origin, there).kind
    if standing == "parted":
        raise other_table(f"{origin.address}/{SET}", _ADVICE)
    sent = 0
    if standing == "together":
        sent = _push_set(origin, there)
    else:
        _push_runs(origin, there)
    _push_models(origin, there)
    push_current(origin, there)
    if standing == "together":
        push_plans(origin, there)
        _push_changed(origin, TAGS)
        _push_changed(origin, INDEX)
        _sweep_ledger(origin, there)
    return sent


def _push_set(origin: Origin, there: Listing) -> int:
    """Upload versions, after what they rest on."""
    store = Store(origin.folder)
    push_ledger(origin, there)
    _push_changed(origin, MENDED)
    _push_runs(origin, there)
    return mirror_set(store, f"{origin.address}/{SET}", advice=_ADVICE)


def _push_runs(origin: Origin, there: Listing) -> None:
    """Upload the folders of runs that ended, the manifest of each last."""
    for run in run_folders(origin.folder):
        name = f"runs/{run.run_id}"
        if f"{name}/{MANIFEST}" in there or run.manifest().get("state") not in _ENDED:
            continue
        files = sorted(_list_files(origin.folder, name), key=lambda n: n == f"{name}/{MANIFEST}")
        origin.send(files[:-1], there)
        origin.send(files[-1:], there)


def _push_models(origin: Origin, there: Listing) -> None:
    """Upload models that are finished, what says so last; one trained again replaces the old.

    Of a model that may not be used everything but its weights is sent: another machine then knows
    that this training was made, and does not make it again.
    """
    models = origin.folder / MODELS
    for result in sorted(models.glob(f"v*-*/{RESULT}")):
        name = f"{MODELS}/{result.parent.name}"
        said, data = f"{name}/{RESULT}", result.read_bytes()
        if said in there and content_digest(data) == origin.agreed_digests().get(said):
            continue
        if said in there:
            origin.remove([said])
        is_new = said not in there
        files = [n for n in _list_files(origin.folder, name) if n != said]
        if is_refused(result.parent):
            files = [n for n in files if not n.endswith(".safetensors")]
        origin.send(files, there if is_new else {})
        origin.write(said, data)
        origin.agree(said, data)


def _push_changed(origin: Origin, name: str) -> None:
    """Upload a file that changes in place, where it did since both sides agreed."""
    path = origin.folder / name
    data = path.read_bytes() if path.is_file() else None
    if data is not None and content_digest(data) != origin.agreed_digests().get(name):
        origin.write(name, data)
        origin.agree(name, data)


def _sweep_ledger(origin: Origin, there: Listing) -> None:
    """Remove from the store what the ledger no longer needs, where it is known what it needs."""
    needed, before = list_needed(origin, there), time.time() - GRACE
    if needed:
        old = (n for n in there if n.startswith("ledger/") and (there[n].written or 0) <= before)
        origin.remove([n for n in old if n not in needed])


def _list_files(folder: Path, *below: str) -> Iterator[str]:
    """Yield the names of files below parts of a folder; hidden ones are drafts and locks."""
    for part in below:
        for path in sorted((folder / part).rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not any(p.startswith(".") for p in name.parts):
                yield name.as_posix()
