"""Bytes of an input file, decompressed in blocks."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.encodings import (
    describe_undecodable,
    is_utf8,
    to_utf8,
)
from siftset.pipeline.storage.object_store import Object
from siftset.schemas.errors import SourceError

BLOCK_BYTES: Final = 4 * 2**20
WIDE: Final = 64
"""Fields of a record from which on a block should hold COLUMN_VALUES records."""
COLUMN_VALUES: Final = 512
MOST_JOINED: Final = 8
MARK: Final = b"\xef\xbb\xbf"
MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", MARK: "utf-8"}


def broken_errors() -> tuple[type[Exception], ...]:
    """Return what readers raise for a file that is cut off or corrupt."""
    import pyarrow as pa

    return (EOFError, gzip.BadGzipFile, zlib.error, OSError, pa.ArrowException)


def read_blocks(file: InputFile, *, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file; raise SourceError where it is cut off or corrupt."""
    position = 0
    try:
        with open_bytes(file) as stream:
            while block := stream.read(size):
                position += len(block)
                yield block
    except broken_errors() as error:
        raise broken_file_error(file, error, f"after byte {position:,} of its text") from None


def text_blocks(file: InputFile, *, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the bytes of a text file as UTF-8; refuse what a byte order mark says is another."""
    blocks = read_blocks(file, size=size)
    start = next(blocks, b"")
    said = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    if said is not None and said != "utf-8" and is_utf8(file.encoding):
        raise SourceError(
            f"{file.path}: this is UTF-16 text; expected UTF-8: set source.files.encoding: utf-16"
        )
    named = codecs.lookup(file.encoding).name.replace("utf-32", "utf-16")  # begins alike
    if said is not None and not named.startswith(said):
        raise SourceError(
            f"{file.path}: begins as {said} text does, and source.files.encoding says "
            f"{file.encoding}: set {said}"
        )
    if start and said is None and codecs.lookup(file.encoding).name in ("utf-16", "utf-32"):
        raise SourceError(
            f"{file.path}: no byte order mark at its beginning, and {file.encoding} needs one: set "
            f"source.files.encoding to {file.encoding}-le or {file.encoding}-be, or remove it"
        )
    blocks = chain([start] if start else [], blocks)
    yield from blocks if is_utf8(file.encoding) else to_utf8(blocks, file.encoding)


def wide_blocks(blocks: Iterable[bytes], mark: bytes) -> Iterator[bytes]:
    """Join the blocks of a file of wide records; `mark` stands about once before every field.

    Every column costs something in every block: where one holds few records of many fields, that
    would be more than their values cost.
    """
    rest = iter(blocks)
    start = next(rest, b"")
    records = start.count(b"\n") + 1
    few = start.count(mark) >= WIDE * records and records < COLUMN_VALUES
    times = min(MOST_JOINED, -(-COLUMN_VALUES // records)) if few else 1
    rest = chain([start], rest)
    while joined := b"".join(islice(rest, times)):
        yield joined


def undecodable_error(file: InputFile) -> SourceError:
    """Return the error of a text file that is in another encoding than it is read in."""
    start = next(read_blocks(file), b"")
    return SourceError(f"{file.path}: {describe_undecodable(start, file.encoding)}")


def open_bytes(file: InputFile) -> BinaryIO:
    """Open a file for reading its decompressed bytes."""
    path = file.path
    if file.compression == "gzip":
        return cast(BinaryIO, gzip.open(path if isinstance(path, Path) else path.open(), "rb"))
    if file.compression == "zstd":
        import pyarrow as pa

        whole = pa.OSFile(str(path)) if isinstance(path, Path) else pa.PythonFile(path.open())
        return cast(BinaryIO, pa.CompressedInputStream(whole, "zstd"))
    return path.open("rb") if isinstance(path, Path) else path.open()


def broken_file_error(file: InputFile, error: Exception, where: str) -> SourceError:
    """Return the error of a file that cannot be read on."""
    reason = " ".join(str(error).split()) or type(error).__name__
    expected = f"{file.format} ({file.compression})" if file.compression else file.format
    return SourceError(
        f"{file.path}: cannot be read {where}: {reason}; expected a whole {expected} file: "
        "fetch or write it again"
    )


def file_identity(path: Path | Object) -> str:
    """Return what changes with a file's bytes: their SHA-256, or that of what a store says.

    Raises SourceError where the file cannot be opened.
    """
    if isinstance(path, Object) and path.tag:
        return hashlib.sha256(repr(path).encode()).hexdigest()
    try:
        with path.open("rb") if isinstance(path, Path) else path.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened: {error.strerror or error}") from None


class FileStamp(NamedTuple):
    """A file of this machine as it was when it was opened."""

    path: Path
    size: int
    modified: int
    """In nanoseconds since 1970."""
    digest: str = ""

    @classmethod
    def take(cls, path: Path) -> FileStamp:
        """Look at a file; raise SourceError where it cannot be."""
        try:
            found = path.stat()
        except OSError as error:
            raise SourceError(f"{path}: cannot be opened: {error.strerror}") from None
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Look at the file again; raise SourceError where its bytes are other ones."""
        now = self.take(self.path)
        if now[:3] != self[:3] and file_identity(self.path) != self.digest:
            raise SourceError(
                f"{self.path}: the file changed while it was read; nothing was published: run "
                "again when it is written"
            )


def prefix_digests(path: Path, ends: Sequence[int]) -> tuple[str, tuple[str, ...]]:
    """Return the SHA-256 of a file's bytes, and of those up to each of `ends`; reads it once."""
    digest, found = hashlib.sha256(), []
    with path.open("rb") as stream:
        for end in ends:
            while left := end - stream.tell():
                block = stream.read(min(left, BLOCK_BYTES))
                digest.update(block)
                if not block:
                    break
            found.append(digest.hexdigest())
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest(), tuple(found)
