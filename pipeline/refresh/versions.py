"""Versions of the set through time: by number or date, brought back, and let go by policy."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
from pydantic import JsonValue

from siftset.pipeline.commands.export import open_store
from siftset.pipeline.remote_output.retention import stored_versions
from siftset.pipeline.run.work_folder import work_folder
from siftset.pipeline.stages.publish import complete, copy
from siftset.pipeline.storage.atomic_files import link_or_copy, make_writable_folder
from siftset.pipeline.storage.lock import hold_lock
from siftset.pipeline.storage.run_folder import new_run_id
from siftset.pipeline.storage.table import VERSIONS, Commit, DataFile, Store, split_of
from siftset.schemas.errors import OutputError

_MODEL: Final = re.compile(r"v(\d+)-")
_RESULT: Final = "siftset_result"


def resolve_version(store: Store, text: str) -> int:
    """Return the version that a number names, or the one that was current at a date or time.

    A date alone means its end; a time without zone is UTC. Raises OutputError.
    """
    if text.strip().isdigit():
        return _there(store, int(text))
    moment = _moment(text)
    for commit in store.history():
        if committed(commit) <= moment:
            return _there(store, commit.version)
    raise OutputError(
        f"{store.path} had no version at {moment:%Y-%m-%d %H:%M} UTC: "
        "see  siftset history  for the versions there are"
    )


def committed(commit: Commit) -> datetime:
    """Return when a version was published."""
    return datetime.fromtimestamp(int(commit.metadata["timestamp"]) / 1000, UTC)


def list_history(
    recipe: str | Path, *, overrides: Sequence[str] = ()
) -> list[dict[str, JsonValue]]:
    """Return the versions of the set, latest first: what made each, and whether it can be read."""
    _, store = open_store(recipe, overrides=overrides)
    models, there = models_of(store.output), stored_versions(store)
    found: list[dict[str, JsonValue]] = []
    for commit in store.history():
        said = json.loads(commit.metadata.get(_RESULT, "{}"))
        names: list[JsonValue] = [*models.get(commit.version, ())]
        found.append(
            {
                "version": commit.version,
                "run_id": commit.run_id,
                "published": committed(commit).isoformat(timespec="seconds"),
                "rows": said.get("set_rows", 0),
                "verdict": said.get("verdict", "pass"),
                "formula": commit.metadata.get("siftset_formula", ""),
                "available": _laid(store, commit.version) or commit.version in there,
                "models": names,
            }
        )
    return found


def models_of(output: Path) -> dict[int, tuple[str, ...]]:
    """Return the names of the models trained on each version."""
    found: dict[int, list[str]] = {}
    for path in sorted((output / "models").glob("v*-*")):
        named = _MODEL.match(path.name)
        if named and path.is_dir():
            found.setdefault(int(named.group(1)), []).append(path.name)
    return {version: tuple(names) for version, names in found.items()}


def roll_back(
    recipe: str | Path,
    version: int,
    *,
    overrides: Sequence[str] = (),
    lock_timeout: float = 0.0,
) -> int:
    """Publish the rows of an earlier version as a new one; return its number.

    Nothing is lost: the versions in between stay. Does nothing where `version` is the current one.
    """
    loaded, store = open_store(recipe, overrides=overrides)
    with hold_lock(make_writable_folder(store.output), timeout=lock_timeout):
        complete(store)
        current = store.current()
        commit = store.commit_of(_there(store, version))
        if current is not None and current.version == commit.version:
            return commit.version
        with work_folder(store.output) as folder:
            number = store.publish(
                _linked(store, commit.version, folder),
                run_id=new_run_id(),
                key=commit.key,
                base=store.version(),
                metadata={k: v for k, v in commit.metadata.items() if _carried(k)},
            )
        complete(store)
        copy(loaded, store)
        return number


def retain(store: Store, keep: int) -> list[int]:
    """Remove the files of versions older than the latest `keep`; return their numbers.

    A version that a model was trained on stays, and so does every file that another version needs.
    """
    commits = list(store.history())
    held = {commit.version for commit in commits[:keep]} | set(models_of(store.output))
    old = [c.version for c in commits if c.version not in held and _laid(store, c.version)]
    if not old:
        return []
    known = {commit.version for commit in commits}
    needed = {path for version in held & known for path in store.files(version)}
    needed |= set(store.files())
    for version in old:
        for path in set(store.files(version)) - needed:
            path.unlink(missing_ok=True)
        shutil.rmtree(store.output / VERSIONS / str(version))
    _sweep(store, needed)
    return old


def _sweep(store: Store, needed: set[Path]) -> None:
    """Remove folders of the table that are empty, and what killed runs left there a day ago."""
    before = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    for folder in store.path.iterdir():
        if not folder.is_dir() or folder.name.startswith("_"):
            continue
        files = list(folder.iterdir())
        orphans = [p for p in files if p not in needed and p.stat().st_ctime < before]
        if (len(orphans) == len(files) and folder.stat().st_mtime < before) or not files:
            shutil.rmtree(folder, ignore_errors=True)


def _laid(store: Store, version: int) -> bool:
    return (store.output / VERSIONS / str(version)).is_dir()


def _available(store: Store, version: int) -> bool:
    here = all(path.is_file() for path in store.files(version))
    return here or version in stored_versions(store)


def _there(store: Store, version: int) -> int:
    store.commit_of(version)
    if not _available(store, version):
        raise OutputError(
            f"{store.path}: the files of version {version} were removed (refresh.keep_versions): "
            "see  siftset history  for the versions there are"
        )
    return version


def _linked(store: Store, version: int, folder: Path) -> list[DataFile]:
    files = []
    for number, path in enumerate(store.local_files(version)):
        target = folder / f"{split_of(path)}-kept-{number:05d}.parquet"
        link_or_copy(path, target)
        files.append(DataFile(target, split_of(path), int(pq.read_metadata(path).num_rows)))
    return files


def _carried(name: str) -> bool:
    return name.startswith("siftset_") and name not in ("siftset_run", "siftset_key")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise OutputError(
            f"--version {text!r} is neither a version nor a date: expected a number such as 3, or "
            "a date such as 2026-05-31 or 2026-05-31T18:00"
        ) from None
    if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text.strip()):
        found = datetime.combine(found.date(), time.max)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
