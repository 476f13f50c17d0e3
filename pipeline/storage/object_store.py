"""Objects in a store: what an address such as s3://bucket/name means here.

Which store answers, and with which keys, is said by the environment alone, in the names that
polars and Delta read too: AWS_ENDPOINT_URL, AWS_ALLOW_HTTP, AWS_REGION, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SKIP_SIGNATURE for s3; what gcsfs and adlfs read for gs and az.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

from siftset.pipeline.storage.object_settings import ROUNDS, store_settings
from siftset.pipeline.storage.store_advice import advise_on
from siftset.pipeline.storage.store_waits import tell_wait
from siftset.schemas.errors import MissingExtraError, SourceError
from siftset.schemas.recipe.environment import hide_logins

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STORES: Final = {"s3": "s3", "gs": "gs", "az": "az"}
"""The extra that each kind of address needs."""
READ_AHEAD: Final = 8 * 2**20
_TAGS: Final = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES: Final = ("LastModified", "last_modified", "mtime", "updated")

_LIBRARIES: Final = ("botocore", "aiobotocore", "aiohttp", "http", "urllib3", "fsspec", "gcsfs",
                     "google", "azure")  # fmt: skip
"""Whose errors are those of a store or of the way to it."""

Info = Mapping[str, object]


class _Look(Protocol):
    def __call__(self, path: str, *, detail: bool) -> Mapping[str, Info] | list[str]: ...


class FileSystem(Protocol):
    """What is used of an fsspec file system."""

    def open(self, path: str, mode: str, block_size: int) -> BinaryIO:
        """Open an object."""

    def find(self, path: str, *, detail: bool) -> Mapping[str, Info] | list[str]:
        """Return all objects below a prefix, or the one of that very name: adlfs just its name."""

    def info(self, path: str) -> Info:
        """Return what is known of an object."""

    def glob(self, path: str, *, detail: bool) -> Mapping[str, Info]:
        """Return the objects that match a pattern."""

    def put_file(self, local: str, remote: str) -> None:
        """Upload a file; the object appears whole."""

    def pipe_file(self, path: str, value: bytes, mode: str) -> None:
        """Write an object; mode create raises FileExistsError where there is one."""

    def get_file(self, remote: str, local: str) -> None:
        """Download an object."""

    def get(self, remote: list[str], local: list[str]) -> None:
        """Download objects, several at once."""

    def put(self, local: list[str], remote: list[str]) -> None:
        """Upload files, several at once; each object appears whole."""

    def rm(self, paths: list[str]) -> None:
        """Remove objects."""

    def cat_file(self, path: str) -> bytes:
        """Return the bytes of an object."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object that was found in a store."""

    address: str
    size: int
    tag: str
    """What the store says of its content, which changes with it; empty where it says nothing."""
    written: float | None = field(default=None, repr=False, compare=False)
    """When it was written, in seconds since 1970; None where the store does not say."""

    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.address).name

    @property
    def suffix(self) -> str:
        """The ending of the name."""
        return PurePosixPath(self.name).suffix

    def open(self) -> io.BufferedReader:
        """Open it for reading; where it is replaced meanwhile, a read raises OSError."""
        store = file_system(self.address)
        with os_errors():
            return io.BufferedReader(
                _Reader(store.open(without_scheme(self.address), "rb", READ_AHEAD))
            )


class _Reader(io.RawIOBase):
    """A file of a store whose errors are all OSError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        with os_errors():
            data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def is_address(text: str) -> bool:
    """Return whether a text of a recipe names something that is no path of this machine."""
    return "://" in text or text.partition(":")[0] in STORES


def without_scheme(address: str) -> str:
    """Return the bucket and the name in it."""
    return address.partition("://")[2]


def file_system(address: str) -> FileSystem:
    """Return the store of an address; raise MissingExtraError without its package.

    Listings are not remembered, so that a later run in the same process sees what is new.
    """
    kind, is_whole, place = address.partition("://")
    bucket, _, _ = place.partition("/")
    login, has_login, _ = bucket.rpartition("@")
    if has_login and ":" in login:
        raise SourceError(
            f"{kind}://***@{place.rpartition('@')[2]}: an address must not hold a password: leave "
            "out what stands before '@', and give keys by the environment"
        )
    if (kind in STORES and not bucket) or (not is_whole and address.partition(":")[0] in STORES):
        scheme = address.partition(":")[0]
        raise SourceError(
            f"{address}: the address names no bucket, expected {scheme}://BUCKET/NAME"
        )
    if kind not in STORES:
        raise SourceError(
            f"{address}: no store is known by '{kind}://', expected a path, or an address that "
            f"begins with one of {', '.join(f'{name}://' for name in STORES)}"
        )
    try:
        import fsspec

        found = fsspec.filesystem(kind, use_listings_cache=False, **store_settings(kind))
    except ImportError:
        raise MissingExtraError(f"reaching {kind}:// addresses", STORES[kind]) from None
    if kind == "s3":
        found.retries = ROUNDS  # of the attempts that botocore makes itself
    return cast(FileSystem, found)


def find_objects(address: str) -> list[Object]:
    """Return the objects that match an address as a pattern, lie below it, or have that name.

    In order of their names; raises SourceError where the store cannot be reached.
    """
    store, kind = file_system(address), address.partition("://")[0]
    place = without_scheme(address)
    with store_errors(address):
        listed: Mapping[str, Info] | list[str] = {}
        if "[" in address and "*" not in address:  # brackets may be part of a name
            listed = [name for name in store.find(place, detail=False) if name == place]
        if not listed:
            look: _Look = store.glob if is_pattern(address) else store.find
            listed = look(place, detail=True)
        infos = listed.values() if isinstance(listed, Mapping) else map(store.info, listed)
    found = [
        Object(
            f"{kind}://{info['name']}",
            int(str(info["size"])),
            next((str(info[name]).strip('"') for name in _TAGS if info.get(name)), ""),
            _write_time(info),
        )
        for info in infos
        if info["type"] == "file" and not str(info["name"]).endswith("/")
    ]
    return sorted(found, key=lambda one: one.address)


def is_pattern(address: str) -> bool:
    """Return whether an address has a place that stands for any name."""
    return any(character in address for character in "*?[")


def upload(local: Path, address: str) -> None:
    """Put a file into a store, where it appears whole or not at all; raises SourceError."""
    store = file_system(address)
    with store_errors(address):
        store.put_file(str(local), without_scheme(address))


def download(address: str, local: Path) -> None:
    """Write an object to a file, whose folder is made; raises SourceError."""
    store = file_system(address)
    local.parent.mkdir(parents=True, exist_ok=True)
    with store_errors(address):
        store.get_file(without_scheme(address), str(local))


def upload_all(pairs: Sequence[tuple[Path, str]]) -> None:
    """Put files into one store, several at once; each appears whole. Raises SourceError."""
    if pairs:
        store = file_system(pairs[0][1])
        with store_errors(pairs[0][1]):
            store.put(
                [str(path) for path, _ in pairs], [without_scheme(there) for _, there in pairs]
            )


def download_all(pairs: Sequence[tuple[str, Path]]) -> None:
    """Write objects of one store to files, several at once; each appears whole. Raises SourceError.

    Folders are made.
    """
    if not pairs:
        return
    store = file_system(pairs[0][0])
    drafts = [path.with_name(f".{path.name}.{os.getpid()}.part") for _, path in pairs]
    for draft in drafts:
        draft.parent.mkdir(parents=True, exist_ok=True)
    with store_errors(pairs[0][0]):
        store.get([without_scheme(there) for there, _ in pairs], [str(draft) for draft in drafts])
    for draft, (_, path) in zip(drafts, pairs, strict=True):
        draft.replace(path)


def read_object(address: str) -> bytes:
    """Return the bytes of an object; raises SourceError."""
    store = file_system(address)
    with store_errors(address):
        return store.cat_file(without_scheme(address))


def write_object(address: str, data: bytes) -> None:
    """Write an object, in place of one that is there; raises SourceError."""
    store = file_system(address)
    with store_errors(address):
        store.pipe_file(without_scheme(address), data, mode="overwrite")


def remove_objects(addresses: Sequence[str]) -> None:
    """Remove objects of one store; raises SourceError."""
    if addresses:
        store = file_system(addresses[0])
        with store_errors(addresses[0]):
            store.rm([without_scheme(address) for address in addresses])


@contextmanager
def store_errors(address: str) -> Iterator[None]:
    """Raise SourceError in place of what a store or the network says."""
    try:
        with tell_wait(hide_logins(address)), os_errors():
            yield
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        reason = hide_logins(" ".join(str(error).split()))[:300] or type(error).__name__
        raise SourceError(
            f"{hide_logins(address)}: the store cannot be reached or refuses ({reason}); "
            f"{advise_on(error)}"
        ) from None


@contextmanager
def os_errors() -> Iterator[None]:
    """Raise OSError in place of what the libraries of stores have of their own."""
    try:
        yield
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if isinstance(error, RecursionError):  # aiobotocore follows a redirect that names no region
            raise OSError("PermanentRedirect: the store names no region to ask") from None
        if isinstance(error, OSError) or library not in _LIBRARIES:
            raise
        raise OSError(f"{type(error).__name__}: {error}") from error


def _write_time(info: Info) -> float | None:
    found = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(found, datetime):
        return found.timestamp()
    return datetime.fromisoformat(found).timestamp() if isinstance(found, str) else None
