"""A version of a Delta table, read through its log."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from siftset.pipeline.sources.files import Opened, OpenedFiles
from siftset.pipeline.sources.find_files import InputFile
from siftset.pipeline.sources.formats.columnar import ParquetPart, declared_types, open_parquet
from siftset.pipeline.sources.types import FileTypes, Types
from siftset.pipeline.storage.object_store import Object, file_system, is_address
from siftset.schemas.errors import EmptySourceError, SourceError
from siftset.schemas.recipe.source import Delta

if TYPE_CHECKING:
    from deltalake import DeltaTable

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


def open_delta(config: Delta, folder: Path) -> OpenedFiles:
    """Open one version of a table, at a path or in a store; raise SourceError.

    The table counts as one file, because how its rows lie in files changes when it is compacted.
    Its files never change, so their names and sizes identify it. They are read in the order in
    which they were written: a table that is appended to keeps its first parts.
    """
    import pyarrow as pa

    at = config.path.rstrip("/")
    where = at if is_address(at) else folder / Path(at).expanduser()
    table = _open_table(where, config.version)
    types = _column_types(table, where)
    names = ["modification_time", "path", "size_bytes"]
    actions = pa.table(table.get_add_actions(flatten=True)).select(names).to_pylist()
    files: list[tuple[Path | Object, int]] = []
    for _, escaped, size in sorted(tuple(row[name] for name in names) for row in actions):
        path = unquote(escaped)
        at_path = where / path if isinstance(where, Path) else Object(f"{where}/{path}", size, "")
        files.append((at_path, size))
    found: list[ParquetPart] = []
    for file, _ in files:
        for part in open_parquet(InputFile(file, file.name, file.name, "parquet", None))[1]:
            found.append(replace(part, first=sum(before.rows for before in found)))
    if not any(part.rows for part in found):
        raise EmptySourceError(f"Delta table {where}: version {table.version()} has no rows")
    digest, known = hashlib.sha256(), {}
    for file, size in files:
        digest.update(f"{file.name} {size}\n".encode())
        known[file] = digest.hexdigest()
    bare = PurePosixPath(str(where)).name
    stated = FileTypes(f"Delta table {where}", types, declared=True)
    marks = tuple(known[part.file.path] for part in found)
    size = sum(size for _, size in files)
    name = f"{bare}@{table.version()}"
    return OpenedFiles(
        (Opened(name, bare, stated, tuple(found), digest.hexdigest(), size, marks),), ()
    )


def _open_table(where: Path | str, version: int | None) -> DeltaTable:
    if isinstance(where, str):
        file_system(where)
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(str(where), version=version)
    except (DeltaError, OSError, ValueError) as error:
        reason = " ".join(_COLOURS.sub("", str(error)).split())
        at = "" if version is None else f" at version {version}"
        raise SourceError(f"Delta table {where}: cannot be opened{at}: {reason}") from None


def _column_types(table: DeltaTable, where: Path | str) -> Types:
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
