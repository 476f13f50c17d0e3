"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import JsonValue

from siftset.schemas.errors import OutputError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and takes its place."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        sync(draft)
        draft.replace(path)
        sync(path.parent)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def sync(path: Path) -> None:
    """Ask the kernel to put a file, or the names in a folder, on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Mapping[str, JsonValue]) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, JsonValue]:
    """Return the JSON object in `path`; raises OutputError where it is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} cannot be read ({error}): expected the JSON file that a run wrote there"
        ) from error
    if not isinstance(value, dict):
        raise OutputError(f"{path} holds a {type(value).__name__}, expected a JSON object")
    return value


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`: a hard link where the file system has them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync(target)


def make_writable_folder(path: Path) -> Path:
    """Return `path` as a folder that exists and takes files; raises OutputError otherwise."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"output folder {path} cannot be written ({error.strerror}): "
            "choose another 'output' in the recipe or fix its permissions"
        ) from error
    return path


@contextmanager
def disk_full_errors(folder: Path) -> Iterator[None]:
    """Raise OutputError in place of whatever a library says of a full disk."""
    try:
        yield
    except Exception as error:
        if "No space left on device" not in str(error):
            raise
        full = OutputError(
            f"the disk that holds {folder} is full, the set stays whole: make room there "
            "(refresh: {keep_versions: N} lets old versions go) and run again"
        )
        for note in getattr(error, "__notes__", ()):
            full.add_note(note)
        raise full from error
