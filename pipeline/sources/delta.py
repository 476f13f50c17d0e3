"""A version of a Delta table, read through its log."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pipeline.sources.columnar import ParquetPart, declared_types, open_parquet
from pipeline.sources.files import Opened, OpenedFiles
from pipeline.sources.locate import InputFile
from pipeline.sources.types import FileTypes, Types
from schemas.errors import SourceError
from schemas.source import Delta

if TYPE_CHECKING:
    from deltalake import DeltaTable


def open_delta(config: Delta, folder: Path) -> OpenedFiles:
    """Open one version of a local table; raise SourceError.

    The table counts as one file, because how its rows lie in files changes when it is compacted.
    The files of a version never change, so their names and sizes identify it.
    """
    where = folder / Path(config.path).expanduser()
    table = _table(where, config.version)
    types = _types(table, where)
    paths = sorted(Path(unquote(uri.removeprefix("file://"))) for uri in table.file_uris())
    parts = _parts(paths)
    if not parts:
        raise SourceError(f"Delta table {where}: version {table.version()} has no rows")
    sizes = [path.stat().st_size for path in paths]
    names = [f"{path.name} {size}" for path, size in zip(paths, sizes, strict=True)]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    name = f"{where.name}@{table.version()}"
    stated = FileTypes(f"Delta table {where}", types, declared=True)
    opened = Opened(name, where.name, stated, parts, digest, sum(sizes))
    return OpenedFiles((opened,), ())


def _table(where: Path, version: int | None) -> DeltaTable:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(str(where), version=version)
    except (DeltaError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        at = "" if version is None else f" at version {version}"
        raise SourceError(f"Delta table {where}: cannot be opened{at}: {reason}") from None


def _types(table: DeltaTable, where: Path) -> Types:
    if table.metadata().partition_columns:
        raise SourceError(
            f"Delta table {where}: it is partitioned, so its files lack columns; "
            "expected a table without partitions: write it as one"
        )
    protocol = table.protocol()
    features = set(protocol.reader_features or ())
    if features & {"deletionVectors", "columnMapping"}:
        raise SourceError(
            f"Delta table {where}: it uses {', '.join(sorted(features))}; "
            "expected plain files: rewrite the table (OPTIMIZE or REORG) without them"
        )
    import pyarrow as pa

    return declared_types(pa.schema(table.schema().to_arrow()))


def _parts(paths: list[Path]) -> tuple[ParquetPart, ...]:
    """Return the parts of all files, their records numbered through."""
    found: list[ParquetPart] = []
    first = 0
    for path in paths:
        file = InputFile(path, path.name, path.stem, "parquet", None)
        for part in open_parquet(file)[1]:
            found.append(replace(part, first=first))
            first += part.rows
    return tuple(found)
