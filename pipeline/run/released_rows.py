"""Rows that people fixed: each takes the place of the record that it was read as.

They lie in `mended.parquet` beside the set and stay in force for every later run, until the record
itself changes or the file is removed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.sources.batch import ShardView
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.run_folder import json_digest
from siftset.schemas.errors import SourceError

if TYPE_CHECKING:
    from siftset.pipeline.sources import Batch, Shard

FILE: Final = "mended.parquet"
CONTENT: Final = "_content"
KEY: Final = pl.Schema([("row_id", pl.String()), (CONTENT, pl.UInt64())])


@dataclass(frozen=True, slots=True)
class QuarantineFixes:
    """The fixed rows of an output folder."""

    rows: pl.DataFrame
    """row_id, the hash of the record that the row was read from, then the source's columns."""
    plain_key: str
    """Key of the run without them."""

    @property
    def parquet(self) -> bytes:
        """The rows as they are stored."""
        buffer = io.BytesIO()
        self.rows.write_parquet(buffer)
        return buffer.getvalue()

    @property
    def fingerprint(self) -> str:
        """A hash that equal rows share."""
        return hashlib.sha256(self.parquet).hexdigest()[:32]

    @property
    def key(self) -> str:
        """Key of the run with them."""
        return json_digest([self.plain_key, self.fingerprint])

    def apply_to(self, shards: Sequence[Shard]) -> tuple[Shard, ...]:
        """Return the shards with every fixed row in its place."""
        return tuple(_FixedShard(shard, self.rows) for shard in shards)

    def save(self, output: Path) -> None:
        """Write the rows to where every later run finds them."""
        with atomic_write(output / FILE) as draft:
            draft.write_bytes(self.parquet)


@dataclass(frozen=True, slots=True)
class _FixedShard(ShardView):
    rows: pl.DataFrame

    def take_first(self, limit: int) -> Shard:
        return _FixedShard(self.shard.take_first(limit), self.rows)

    def read_batches(self) -> Iterator[Batch]:
        for batch in self.shard.read_batches():
            keyed = batch.frame.select("row_id", batch.content.alias(CONTENT))
            if keyed.join(self.rows, on=list(KEY), how="semi").is_empty():
                yield batch
                continue
            marked = self.rows.with_columns(_is_fixed=pl.lit(True))
            found = keyed.join(marked, on=list(KEY), how="left", maintain_order="left")
            fixed = found["_is_fixed"].fill_null(False)
            columns = [name for name in self.rows.columns if name not in KEY]
            frame = batch.frame.with_columns(
                pl.when(fixed).then(found[name]).otherwise(pl.col(name)).alias(name)
                for name in columns
            )
            yield replace(batch, frame=frame)


def read_fixes(output: Path, schema: Mapping[str, pl.DataType], key: str) -> QuarantineFixes | None:
    """Return the fixes that lie in an output folder; None where there are none.

    `schema` holds the source's columns, `key` is that of the run without fixes.
    """
    path = output / FILE
    if not path.is_file():
        return None
    try:
        rows = read_released([path], {**KEY, **schema})
    except SourceError as error:
        raise SourceError(
            f"{path} holds fixed rows that no longer match the source: {error}; remove it to go on "
            "without them"
        ) from error
    return QuarantineFixes(rows, key)


def read_released(paths: Sequence[Path], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Read quarantined rows as the columns of `schema`; raises SourceError where none fit."""
    from siftset.pipeline.gate.quarantine import read_quarantine

    try:
        return read_quarantine(paths, pl.Schema(schema)).collect()
    except pl.exceptions.PolarsError as error:
        problem = " ".join(str(error).split())
        raise SourceError(f"quarantine: the columns do not fit the source: {problem}") from error
