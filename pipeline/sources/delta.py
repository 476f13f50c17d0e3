"""A version of a Delta table, read through its log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pipeline.objects import Object, file_system, is_address
from pipeline.sources.columnar import ParquetPart, declared_types, open_parquet
from pipeline.sources.files import Opened, OpenedFiles
from pipeline.sources.locate import InputFile
from pipeline.sources.types import FileTypes, Types
from schemas.errors import SourceError
from schemas.source import Delta

if TYPE_CHECKING:
    from deltalake import DeltaTable


def open_delta(config: Delta, folder: Path) -> OpenedFiles:
    """Open one version of a table, at a path or in a store; raise SourceError.

    The table counts as one file, because how its rows lie in files changes when it is compacted.
    The files of a version never change, so their names and sizes identify it.
    """
    at = config.path.rstrip("/")
    where = at if is_address(at) else folder / Path(at).expanduser()
    table = _table(where, config.version)
    types = _types(table, where)
    files = _files(table, where)
    parts = _parts(files)
    if not parts:
        raise SourceError(f"Delta table {where}: version {table.version()} has no rows")
    sizes = [path.size if isinstance(path, Object) else path.stat().st_size for path in files]
    names = [f"{path.name} {size}" for path, size in zip(files, sizes, strict=True)]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    bare = PurePosixPath(str(where)).name
    name = f"{bare}@{table.version()}"
    stated = FileTypes(f"Delta table {where}", types, declared=True)
    opened = Opened(name, bare, stated, parts, digest, sum(sizes))
    return OpenedFiles((opened,), ())


def _files(table: DeltaTable, where: Path | str) -> Sequence[Path | Object]:
    """Return the data files of a version in order of their names."""
    if isinstance(where, Path):
        uris = table.file_uris()
        return sorted(Path(unquote(uri.removeprefix("file://"))) for uri in uris)
    import pyarrow as pa

    actions = pa.table(table.get_add_actions(flatten=True)).select(["path", "size_bytes"])
    named = sorted((unquote(row["path"]), int(row["size_bytes"])) for row in actions.to_pylist())
    return [Object(f"{where}/{path}", size, "") for path, size in named]


def _table(where: Path | str, version: int | None) -> DeltaTable:
    if isinstance(where, str):
        file_system(where)
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(str(where), version=version)
    except (DeltaError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        at = "" if version is None else f" at version {version}"
        raise SourceError(f"Delta table {where}: cannot be opened{at}: {reason}") from None


def _types(table: DeltaTable, where: Path | str) -> Types:
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


def _parts(paths: Sequence[Path | Object]) -> tuple[ParquetPart, ...]:
    """Return the parts of all files, their records numbered through."""
    found: list[ParquetPart] = []
    first = 0
    for path in paths:
        file = InputFile(path, path.name, path.name, "parquet", None)
        for part in open_parquet(file)[1]:
            found.append(replace(part, first=first))
            first += part.rows
    return tuple(found)
