"""The ledger in a store: a few objects, so that an empty disk asks for it in few requests.

    ledger/<run_id>.zip        what a version rests on: its list, its scans, and which pack holds
                               the rows of which shard
    ledger/packs/<run_id>.zip  rows of shards that one refresh, or several before it, kept

What is new is found by the first alone; packs are fetched once rows have to be compared. Earlier
versions of siftset left an object for each file of the ledger: those are read too, and packed by
the next command that sends.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from siftset.pipeline.storage.atomic_files import atomic_write, read_json, write_json
from siftset.pipeline.storage.object_store import download, upload
from siftset.pipeline.storage.plan_folder import find_plans, plan_folders
from siftset.pipeline.storage.refresh_ledger import LEDGER, METADATA, ROWS, RefreshLedger
from siftset.pipeline.storage.remote import Listing, Origin
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import OutputError

PACKS: Final = "packs"
MOST_PACKS: Final = 16
"""Packs that a version may rest on before all rows are packed into one."""
_STATE: Final = "packs.json"
"""Which packs hold which shards: all that are known here, and beside a list those it rests on."""
_SENT: Final = "sent"
"""The digest of a list's object as the store has it."""
_SCANS: Final = "scans"
_LISTS: Final = ("list.json", "dropped.parquet", _STATE)
_SCAN: Final = re.compile(r"scans/[\w-]+\.arrow")
_PART: Final = re.compile(r"(\w+)/(candidates|ids|reviewed)-\d+\.parquet")


def index_name(name: str) -> str:
    """Return the object that tells what the version of a run rests on."""
    return f"{LEDGER}/{name}.zip"


def read_packs(folder: Path) -> dict[str, list[str]]:
    """Return which packs of the store are known here, with the keys of their shards."""
    return _read_state(folder / LEDGER / _STATE)


def _read_state(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        return {}
    with suppress(OutputError):
        return {pack: [str(key) for key in keys] for pack, keys in read_json(path).items()
                if isinstance(keys, list)}  # fmt: skip
    return {}


def _write_packs(path: Path, packs: Mapping[str, list[str]]) -> None:
    write_json(path, {pack: [*keys] for pack, keys in packs.items()})


def push_ledger(origin: Origin, there: Listing) -> None:
    """Upload what the current version and plans that wait rest on, as far as the store lacks it."""
    current = Store(origin.folder).current()
    names = [current.metadata.get(METADATA)] if current is not None else []
    names += [plan.plan_id for plan in plan_folders(origin.folder)]
    known = {pack: keys for pack, keys in read_packs(origin.folder).items() if pack in there}
    for name in names:
        if name is not None:
            known |= _push_list(origin, there, name, known)
    if known:
        _write_packs(origin.folder / LEDGER / _STATE, known)


def _push_list(
    origin: Origin, there: Listing, name: str, known: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """Upload one list, after the rows that no known pack holds; return the packs it rests on."""
    ledger = RefreshLedger(origin.folder)
    book = ledger.read_list(name)
    if book is None:
        return {}
    rows = {entry.key: entry.parts for entry in book.entries}
    wanted = {key for key, parts in rows.items() if parts}
    packs = {pack: keys for pack, keys in known.items() if wanted.intersection(keys)}
    held = {key for keys in packs.values() for key in keys}
    missing = wanted - held
    is_scattered = len(packs) + bool(missing) > MOST_PACKS or len(held) > 2 * len(wanted)
    if is_scattered and ledger.has_rows(book):
        packs, missing = {}, wanted
    if missing:
        files = [part.path for key in sorted(missing) for part in rows[key]]
        if not all(path.is_file() for path in files):
            return {}  # a ledger that is not whole is of no use to anyone
        pack = f"{LEDGER}/{PACKS}/{name}.zip"
        if pack in packs:  # an earlier send of this list, which held less
            pack = f"{LEDGER}/{PACKS}/{name}-{len(packs)}.zip"
        _send_pack(origin, pack, files)
        packs[pack] = sorted(missing)
    _write_packs(origin.folder / LEDGER / name / _STATE, packs)
    data = _make_index(origin.folder / LEDGER, name)
    index, digest = index_name(name), hashlib.sha256(data).hexdigest()
    note = origin.folder / LEDGER / name / _SENT
    if index not in there or not note.is_file() or note.read_text("ascii") != digest:
        origin.write(index, data)
        with atomic_write(note) as draft:
            draft.write_text(digest, encoding="ascii")
    return packs


def list_needed(origin: Origin, there: Listing) -> set[str]:
    """Return the objects of the ledger that something rests on; none where that is not known."""
    current = Store(origin.folder).current()
    name = None if current is None else current.metadata.get(METADATA)
    if name is None or not (origin.folder / LEDGER / name / _SENT).is_file():
        return set()
    plans = tuple(f"{part}{plan}" for plan in find_plans(there)
                  for part in (f"{LEDGER}/", f"{LEDGER}/{PACKS}/"))  # fmt: skip
    packs = _read_state(origin.folder / LEDGER / name / _STATE)
    return {index_name(name), *packs, *(found for found in there if found.startswith(plans))}


def pull_index(origin: Origin, name: str) -> None:
    """Fetch what the version of a run rests on, without its rows; nothing of a damaged object."""
    ledger = origin.folder / LEDGER
    draft = ledger / f".{name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        data = origin.read(index_name(name))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                if _SCAN.fullmatch(member) or member in _LISTS:
                    path = draft / member
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(member))
        _place(draft / _SCANS, ledger / _SCANS)
        known = _read_state(ledger / _STATE) | _read_state(draft / _STATE)
        _write_packs(ledger / _STATE, known)
        (draft / _SENT).write_text(hashlib.sha256(data).hexdigest(), encoding="ascii")
    except (zipfile.BadZipFile, EOFError, FileNotFoundError):
        shutil.rmtree(draft, ignore_errors=True)
        return
    shutil.rmtree(ledger / name, ignore_errors=True)
    draft.replace(ledger / name)


def fetch_rows(origin: Origin, keys: Iterable[str]) -> None:
    """Fetch rows of shards that are not here from the packs that hold them."""
    rows = origin.folder / LEDGER / ROWS
    missing = {key for key in keys if not (rows / key).is_dir()}
    packs = read_packs(origin.folder)
    wanted = [pack for pack, held in packs.items() if missing.intersection(held)]
    present = {pack for pack in wanted if pack in origin.names(f"{LEDGER}/{PACKS}")}
    for pack in (pack for pack in wanted if pack in present):
        path, draft = rows / f".{Path(pack).name}.part", rows / f".{Path(pack).stem}.part"
        shutil.rmtree(draft, ignore_errors=True)
        path.unlink(missing_ok=True)
        download(f"{origin.address}/{pack}", path)
        with suppress(zipfile.BadZipFile, EOFError), zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                found = _PART.fullmatch(member)
                if found is not None and found[1] in missing:
                    archive.extract(member, draft)
            _place(draft, rows)
        shutil.rmtree(draft, ignore_errors=True)
        path.unlink(missing_ok=True)


def _place(draft: Path, target: Path) -> None:
    """Move what lies in a folder into another, except what is there."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(draft.iterdir()) if draft.is_dir() else ():
        if not (target / path.name).exists():
            path.replace(target / path.name)
    shutil.rmtree(draft, ignore_errors=True)


def _send_pack(origin: Origin, pack: str, files: Iterable[Path]) -> None:
    draft = origin.folder / LEDGER / f".{Path(pack).name}.part"
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            for path in files:
                archive.write(path, f"{path.parent.name}/{path.name}")
        upload(draft, f"{origin.address}/{pack}")
    finally:
        draft.unlink(missing_ok=True)


def _make_index(ledger: Path, name: str) -> bytes:
    """Pack a list and the scans; the same ones give the same bytes."""
    paths: Mapping[str, Path] = {
        **{member: ledger / name / member for member in _LISTS},
        **{f"{_SCANS}/{path.name}": path for path in sorted((ledger / _SCANS).glob("*.arrow"))},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, path in paths.items():
            archive.writestr(zipfile.ZipInfo(member), path.read_bytes())
    return buffer.getvalue()
