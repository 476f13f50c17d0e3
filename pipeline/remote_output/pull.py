"""What a command takes from the store first, so that it goes on from there.

The log, the small files of runs and models, and the whole of the current model come at once. Data
files of versions, models that are not current, and rows that a run set aside come when they are
asked for; the ledger when a refresh begins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.model_registry.ranks import is_main_process
from siftset.pipeline.model_registry.registry import MODELS
from siftset.pipeline.remote_output.current_model import pull_current
from siftset.pipeline.remote_output.delta_log import LOG, compare_logs, drop_lost, fetch_log
from siftset.pipeline.remote_output.ledger_packs import index_name, pull_index
from siftset.pipeline.remote_output.plans_and_tags import pull_plans, pull_tags
from siftset.pipeline.storage.address import output_address, working_folder
from siftset.pipeline.storage.folder_guard import check_output_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.remote import Listing, Origin, content_digest
from siftset.pipeline.storage.run_folder import RunFolder
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import Locked

if TYPE_CHECKING:
    from siftset.schemas.progress import Progress
    from siftset.schemas.recipe.loading import LoadedRecipe

MENDED: Final = "mended.parquet"
LATEST_RUNS: Final = 200
_OF_RUN: Final = ("metrics.json", "report.html", "manifest.json")
_OF_CURRENT_RUN: Final = "profile.json"
_HEAVY: Final = 2**20
_FINISHED: Final = "training.json"


def follow_store(loaded: LoadedRecipe, progress: Progress | None = None) -> None:
    """Bring the working folder of a recipe up to its store; do nothing for an output of its own.

    Another run in the folder does so itself, and is not waited for.
    """
    origin = open_origin(loaded)
    if origin is None or not is_main_process():
        return
    try:
        with hold_lock(check_output_folder(origin.folder)):
            pull_store(origin, progress)
    except Locked:
        return


def open_origin(loaded: LoadedRecipe) -> Origin | None:
    """Return the store of a recipe's output; None where that is a folder of this machine."""
    address = output_address(loaded)
    return None if address is None else Origin(working_folder(loaded).resolve(), address)


def pull_store(origin: Origin, progress: Progress | None = None) -> None:
    """Bring a working folder up to its store; its lock is held."""
    origin.note()
    there = origin.names()
    standing = compare_logs(origin, there)
    if standing.kind == "parted":
        drop_lost(origin, standing.agreed)
    if standing.kind != "together":
        fetch_log(origin, there)
    _pull_fixes(origin, there)
    _pull_runs(origin, there)
    _pull_models(origin, there)
    pull_plans(origin, there)
    pull_tags(origin, there)
    if progress is not None:
        came = ""
        if standing.kind != "together":
            latest = max(int(path.stem) for path in (origin.folder / LOG).glob("*.json"))
            came = f", version {latest} taken over"
        progress.say(f"output {origin.address}, worked on in {origin.folder}{came}")


def pull_ledger(origin: Origin, name: str | None) -> None:
    """Fetch what a refresh knows of earlier inputs: how they were read, and what rests on them.

    `name` is the list that the current version rests on. Whatever is missing is read again.
    """
    listed = f"ledger/{name}/list.json"
    if name is None or (origin.folder / listed).is_file():
        return
    there = origin.names("ledger")
    if index_name(name) in there:
        pull_index(origin, name)
        return
    # an object for each file, as earlier versions of siftset left them
    wanted = [n for n in there if n.startswith((f"ledger/{name}/", "ledger/scans/"))]
    if listed in there:
        origin.fetch(n for n in there if n.startswith("ledger/rows/"))
        origin.fetch(n for n in wanted if n != listed)
        origin.fetch([listed])
        if not _is_complete(origin.folder, name):
            (origin.folder / listed).unlink()


def _is_complete(folder: Path, name: str | None) -> bool:
    """Return whether the parts have the rows that the list says, as a cut-off send may not."""
    from siftset.pipeline.storage.refresh_ledger import RefreshLedger

    book = RefreshLedger(folder).read(name)
    parts = [part for entry in book.entries for part in entry.parts] if book else []
    # polars counts them: pyarrow cannot open a file with 128-bit hashes
    counts = (pl.scan_parquet(part.path).select(pl.len()).collect().item() for part in parts)
    return all(rows == part.rows for rows, part in zip(counts, parts, strict=True))


def _pull_fixes(origin: Origin, there: Listing) -> None:
    """Fetch the rows that were fixed, unless they were changed here since both sides agreed."""
    path = origin.folder / MENDED
    here = path.read_bytes() if path.is_file() else None
    if MENDED in there and (
        here is None or content_digest(here) == origin.agreed_digests().get(MENDED)
    ):
        origin.fetch_again([MENDED])
        origin.agree(MENDED, path.read_bytes())


def _pull_runs(origin: Origin, there: Listing) -> None:
    """Fetch the pages and figures of runs, and the profile that the next drift is held against."""
    runs = sorted({_name_part(n, 1) for n in there if n.startswith("runs/")}, reverse=True)
    lacking = [run for run in runs[:LATEST_RUNS] if f"runs/{run}/manifest.json" in there]
    new = [r for r in lacking if not (origin.folder / "runs" / r / "manifest.json").is_file()]
    current = Store(origin.folder).current()
    profile = [] if current is None else [f"runs/{current.run_id}/{_OF_CURRENT_RUN}"]
    small = [f"runs/{run}/{name}" for run in new for name in _OF_RUN]
    origin.fetch(n for n in (*small, *profile) if n in there and not n.endswith(_OF_RUN[-1]))
    origin.fetch(n for n in small if n in there and n.endswith(_OF_RUN[-1]))
    _drop_unpublished(origin, new)


def _drop_unpublished(origin: Origin, runs: Sequence[str]) -> None:
    """Remove runs that were cut off before their version was in the store."""
    made = {commit.version: commit.run_id for commit in Store(origin.folder).history()}
    for run in (RunFolder(origin.folder, name) for name in runs):
        version = run.manifest().get("version")
        if isinstance(version, int) and (
            version > max(made, default=-1) or made.get(version, run.run_id) != run.run_id
        ):
            shutil.rmtree(run.path)


def _pull_models(origin: Origin, there: Listing) -> None:
    """Fetch what tells of finished models, and the whole of the current one."""
    finished = [n for n in there if n.startswith(f"{MODELS}/") and _name_part(n, 2) == _FINISHED]
    names = {_name_part(name, 1) for name in finished}
    of_models = [n for n in there if n.startswith(f"{MODELS}/") and _name_part(n, 1) in names]
    origin.fetch(n for n in of_models if there[n].size < _HEAVY and n not in finished)
    for name in finished:
        if not (origin.folder / name).is_file():
            origin.fetch([name])
            origin.agree(name, (origin.folder / name).read_bytes())
            written = there[name].written
            if written is not None:  # the time since a training is counted from it
                os.utime(origin.folder / name, (written, written))
    pull_current(origin, there, names)


def _name_part(name: str, number: int) -> str:
    parts = PurePosixPath(name).parts
    return parts[number] if number < len(parts) else ""
