"""Rows parted into buckets: a file for each task that parts them, in it a stretch for each bucket.

    offsets of the buckets, one more than there are; then Arrow streams, nothing for an empty bucket

So there are as many files as tasks, and whoever wants a bucket reads no more than its own rows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from siftset.pipeline.storage.atomic_files import atomic_write

BUCKET: Final = "bucket"
"""The column that says in which bucket a row goes."""
_OFFSET: Final = np.dtype("<i8")


def write_buckets(path: Path, frame: pl.DataFrame, buckets: int) -> None:
    """Write the rows of a frame by their bucket, in order within each, without that column."""
    ordered = frame.sort(BUCKET, maintain_order=True)
    sizes = np.bincount(ordered[BUCKET].cast(pl.Int64).to_numpy(), minlength=buckets)
    ordered = ordered.drop(BUCKET)
    offsets = np.full(buckets + 1, _OFFSET.itemsize * (buckets + 1), _OFFSET)
    with atomic_write(path) as draft, draft.open("wb") as out:
        out.seek(int(offsets[0]))
        start = 0
        for number, size in enumerate(sizes.tolist()):
            if size:
                stream = io.BytesIO()
                ordered.slice(start, size).write_ipc_stream(stream)
                out.write(stream.getbuffer())
                start += size
            offsets[number + 1] = out.tell()
        out.seek(0)
        out.write(offsets.tobytes())


def read_bucket(folder: Path, number: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of a bucket from each file that has some, in the order of their names."""
    for path in sorted(folder.glob("*.buckets")):
        with path.open("rb") as file:
            file.seek(number * _OFFSET.itemsize)
            start, end = np.frombuffer(file.read(2 * _OFFSET.itemsize), _OFFSET).tolist()
            if start < end:
                file.seek(start)
                yield pl.read_ipc_stream(io.BytesIO(file.read(end - start)))


def name_of(folder: Path, number: int) -> Path:
    """Return where a task writes its buckets; the order of tasks is that of the names."""
    return folder / f"{number:06d}.buckets"


def write_found(path: Path, found: pl.DataFrame) -> str:
    """Write what a task found in a bucket whole; return the file's name."""
    with atomic_write(path) as draft:
        found.write_ipc(draft)
    return str(path)
