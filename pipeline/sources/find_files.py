"""Finding input files: paths, folders and globs to a sorted list with formats."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from siftset.pipeline.sources.matches import Match, is_hidden
from siftset.pipeline.sources.saved_datasets import select_saved
from siftset.pipeline.storage.object_store import Object, is_address
from siftset.schemas.errors import EmptySourceError, SourceError
from siftset.schemas.plurals import format_count
from siftset.schemas.recipe.source import Files

FORMATS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
    ".txt": "lines",
    ".text": "lines",
}
COMPRESSIONS: Final = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read."""

    path: Path | Object
    name: str
    """Relative to the root of its source, with slashes."""
    stem: str
    """The name without the endings of format and compression; part of row ids."""
    format: str
    compression: str | None
    encoding: str = "utf-8"
    """Of a text file; what reads it sees UTF-8."""
    partitions: dict[str, str | None] = field(default_factory=dict, repr=False, hash=False)
    """What its folders say, where they are named key=value."""
    is_saved: bool = field(default=False, repr=False)
    """Part of a dataset that datasets.save_to_disk wrote."""
    split: str | None = field(default=None, repr=False)
    """The name of its split there."""


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files of a source, in order."""

    files: tuple[InputFile, ...]
    warnings: tuple[str, ...]


def find_files(config: Files, folder: Path) -> FoundFiles:
    """Return the files that a source names; raise SourceError where nothing matches."""
    if any(map(is_address, config.paths)):
        from siftset.pipeline.sources.find_objects import match_objects

        return _choose_files(config, match_objects(config), folder)
    patterns = [folder / Path(path).expanduser() for path in config.paths]
    # the root depends on the recipe, not on what matches: names stay when files come and go
    if config.root is not None:
        root = folder / Path(config.root).expanduser()
    else:
        root = Path(os.path.commonpath([_fixed_folder(pattern) for pattern in patterns]))
    found = []
    for pattern in patterns:
        paths = _match_path(pattern)
        named = [Match(p, Path(os.path.relpath(p, root)).as_posix(), asked) for p, asked in paths]
        found.append((str(pattern), named))
    return _choose_files(config, found, folder)


def _choose_files(
    config: Files, found: Iterable[tuple[str, list[Match]]], folder: Path
) -> FoundFiles:
    """Leave out what was found twice, and what lies in a folder and has no known format."""
    files: dict[Path | Object, InputFile] = {}
    stems: dict[str, InputFile] = {}
    warnings: list[str] = []
    places: list[str] = []
    for pattern, matches in _leave_spreadsheets(config, found, warnings):
        places.append(pattern)
        skipped = 0
        for match in select_saved(matches):
            # one file that is named in two ways is read once
            real = match.path.resolve() if isinstance(match.path, Path) else match.path
            if real in files:
                if files[real].name != match.name:
                    warnings.append(f"{match.path}: this is {files[real].path} again; read once")
                continue
            told, compression, bare = _split_endings(match.path)
            form = config.format or told
            if form is not None:
                _check_name(match)
                stem = Path(match.name).with_name(bare).as_posix()
                keys = match.partition_values(folder) if "=" in str(match.path) else {}
                file = InputFile(
                    match.path,
                    match.name,
                    stem,
                    form,
                    compression,
                    config.encoding,
                    keys,
                    match.is_saved,
                    match.split,
                )
                if stem in stems:
                    raise SourceError(
                        f"{file.path}: {stems[stem].path} has the same name but for its ending, "
                        "and row ids leave endings out: remove one of the two, rename it, or name "
                        "the files to read in source.files.paths"
                    )
                files[real] = stems[stem] = file
            elif match.asked:
                raise SourceError(
                    f"{match.path}: the ending names no format; expected one of "
                    f"{', '.join(FORMATS)} (also with .gz or .zst), or set source.files.format"
                )
            else:
                skipped += 1
        if skipped:
            warnings.append(
                f"{pattern}: {format_count(skipped, 'file')} skipped, their endings name no format"
            )
    if not files:
        raise EmptySourceError(
            f"{places[0]}: no file of a known format there; set source.files.format"
        )
    return FoundFiles(tuple(files.values()), tuple(warnings))


def _leave_spreadsheets(
    config: Files, found: Iterable[tuple[str, list[Match]]], warnings: list[str]
) -> list[tuple[str, list[Match]]]:
    """Leave out spreadsheets that lie in a folder beside other data: notes, as a rule."""
    listed = list(found)
    forms = {_split_endings(m.path)[0] for _, ms in listed for m in ms if not m.asked}
    if config.format is not None or "excel" not in forms or not forms - {"excel", None}:
        return listed
    kept: list[tuple[str, list[Match]]] = []
    for pattern, matches in listed:
        data = [m for m in matches if m.asked or _split_endings(m.path)[0] != "excel"]
        kept.append((pattern, data))
        if len(data) < len(matches):
            warnings.append(
                f"{pattern}: {len(matches) - len(data)} spreadsheets skipped, which lie beside "
                "other files: name them in source.files.paths to read them"
            )
    return kept


def _fixed_folder(pattern: Path) -> Path:
    if not _is_glob(pattern):
        return pattern if pattern.is_dir() else pattern.parent
    parts = pattern.parts
    first = next(i for i, part in enumerate(parts) if any(c in part for c in "*?["))
    return Path(*parts[:first])


def _is_glob(pattern: Path) -> bool:
    return any(c in str(pattern) for c in "*?[") and not pattern.exists()


def _match_path(pattern: Path) -> Iterator[tuple[Path, bool]]:
    """Yield paths, and whether each was asked for by name or pattern rather than by folder."""
    if _is_glob(pattern):
        fixed = _fixed_folder(pattern)
        # Path.glob goes into no folder that is a link
        inside = str(pattern.relative_to(fixed))
        names = glob.glob(inside, root_dir=fixed, recursive=True)  # noqa: PTH207
        found = sorted(fixed / name for name in names)
        files = [
            path for path in found if path.is_file() and not is_hidden(path.relative_to(fixed))
        ]
        if not files:
            raise EmptySourceError(f"{pattern}: no file matches; check the pattern and its folder")
        yield from ((path, True) for path in files)
    elif pattern.is_dir():
        yield from ((path, False) for path in _files_inside(pattern))
    elif pattern.exists():
        yield pattern, True
    else:
        raise SourceError(f"{pattern}: no such file or folder; check source.files.paths")


def _files_inside(folder: Path) -> list[Path]:
    if (folder / "_delta_log").is_dir():
        raise SourceError(
            f"{folder}: this is a Delta table, whose folder also holds old files; "
            "read it with source: {delta: {path: ...}}"
        )
    files: list[Path] = []
    walked: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(place) in walked:  # a link that leads back
            folders.clear()
            continue
        walked.add(os.path.realpath(place))
        files += [Path(place, name) for name in names if Path(place, name).is_file()]
    files = sorted(path for path in files if not is_hidden(path.relative_to(folder)))
    if not files:
        raise EmptySourceError(f"{folder}: the folder holds no files")
    return files


def _check_name(match: Match) -> None:
    try:
        match.name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(match.name).decode(errors="backslashreplace")
        raise SourceError(f"{shown}: the name of the file is not UTF-8; rename it") from None


def _split_endings(path: Path | Object) -> tuple[str | None, str | None, str]:
    """Return format, compression and the name without their endings."""
    name = path.name
    compression = COMPRESSIONS.get(path.suffix.lower())
    if compression:
        name = name[: -len(path.suffix)]
    ending = Path(name).suffix
    form = FORMATS.get(ending.lower())
    return form, compression, name[: -len(ending)] if form else name
