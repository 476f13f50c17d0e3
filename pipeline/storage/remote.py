"""The store that a working folder belongs to, and what is fetched from it when it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.storage.atomic_files import read_json, write_json
from siftset.pipeline.storage.object_store import (
    Object,
    download_all,
    find_objects,
    read_object,
    remove_objects,
    upload_all,
    write_object,
)
from siftset.schemas.errors import OutputError

NOTE: Final = ".origin"
"""The file in a working folder that says where its output lies."""

Listing = Mapping[str, Object]


@dataclass(frozen=True, slots=True)
class Origin:
    """An output in a store, and the folder that works for it; names are relative to both."""

    folder: Path
    address: str

    def names(self, below: str = "") -> dict[str, Object]:
        """Return what lies in the store, or below a part of it, by name."""
        place = f"{self.address}/{below}" if below else self.address
        start = len(self.address) + 1
        return {found.address[start:]: found for found in find_objects(place)}

    def read(self, name: str) -> bytes:
        """Return the bytes of an object."""
        return read_object(f"{self.address}/{name}")

    def write(self, name: str, data: bytes) -> None:
        """Write an object, in place of one that is there."""
        write_object(f"{self.address}/{name}", data)

    def fetch(self, names: Iterable[str]) -> None:
        """Write objects to their places in the folder, except those that are here."""
        wanted = [name for name in names if not (self.folder / name).is_file()]
        self.fetch_again(wanted)

    def fetch_again(self, names: Iterable[str]) -> None:
        """Write objects to their places in the folder; raise OutputError for one outside of it."""
        pairs = [(f"{self.address}/{name}", self.folder / name) for name in names]
        for there, path in pairs:
            if ".." in path.parts or not path.is_relative_to(self.folder):
                raise OutputError(
                    f"{there} leads out of {self.folder}, expected names that siftset wrote: see "
                    "who else writes there"
                )
        download_all(pairs)

    def send(self, names: Iterable[str], there: Listing) -> None:
        """Upload files, except those that are there by name and size."""
        new = [
            name
            for name in names
            if name not in there or there[name].size != (self.folder / name).stat().st_size
        ]
        upload_all([(self.folder / name, f"{self.address}/{name}") for name in new])

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects."""
        remove_objects([f"{self.address}/{name}" for name in names])

    def note(self) -> None:
        """Write into the folder where its output lies; raise OutputError where it says another."""
        before = origin_of(self.folder)
        if before is not None and before.address != self.address:
            raise OutputError(
                f"{self.folder} works for {before.address}, not for {self.address}: move it away, "
                "or name another folder with the environment variable SIFTSET_WORK"
            )
        if before is None:
            began_empty = not (self.folder / "set").exists()
            said: dict[str, JsonValue] = {"address": self.address, "agreed": {}}
            write_json(self.folder / NOTE, {**said, "began_empty": began_empty})

    def began_empty(self) -> bool:
        """Return whether the folder has worked for its store since before it held a set."""
        return read_json(self.folder / NOTE).get("began_empty") is True

    def agreed_digests(self) -> dict[str, JsonValue]:
        """Return the digests of files that change as both sides had them last."""
        found = read_json(self.folder / NOTE).get("agreed")
        return found if isinstance(found, dict) else {}

    def agree(self, name: str, data: bytes) -> None:
        """Note that both sides have this content of a file that changes."""
        if self.agreed_digests().get(name) != content_digest(data):
            said: dict[str, JsonValue] = {**self.agreed_digests(), name: content_digest(data)}
            write_json(self.folder / NOTE, {**read_json(self.folder / NOTE), "agreed": said})


def content_digest(data: bytes) -> str:
    """Return what tells one content from another."""
    return hashlib.sha256(data).hexdigest()


def origin_of(folder: Path) -> Origin | None:
    """Return the store that a folder works for; None where it is an output of its own."""
    if not (folder / NOTE).is_file():
        return None
    return Origin(folder, str(read_json(folder / NOTE)["address"]))


def public_address(output: Path, name: str) -> str:
    """Return where a part of an output is for others: its address, or its path here."""
    origin = origin_of(output)
    return str(output / name) if origin is None else f"{origin.address}/{name}"


def fetch_missing(folder: Path, paths: Iterable[Path]) -> None:
    """Fetch files of a working folder that are not here; do nothing where there is no store."""
    missing = [path for path in paths if not path.is_file()]
    origin = origin_of(folder) if missing else None
    if origin is not None:
        origin.fetch(path.relative_to(folder).as_posix() for path in missing)


def fetch_below(folder: Path, name: str) -> None:
    """Fetch what lies in the store below a part of a working folder, where there is one."""
    origin = origin_of(folder)
    if origin is not None:
        origin.fetch(origin.names(name))


def fetch_model(model: Path) -> None:
    """Fetch the files of a model folder that are not here, where its output has a store."""
    place = model.resolve()
    fetch_below(place.parent.parent, f"models/{place.name}")
