"""Which version of the set is meant: by number, by date, or by tag."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

from siftset.pipeline.remote_output.retention import stored_versions
from siftset.pipeline.storage.table import Commit, Store
from siftset.pipeline.storage.tags import read_tags
from siftset.schemas.errors import OutputError


def resolve_version(store: Store, text: str) -> int:
    """Return the version that a number or a tag names, or that was current at a date or time.

    A date alone means its end; a time without zone is UTC. Raises OutputError.
    """
    if text.strip().isdigit():
        return check_available(store, int(text))
    tags = read_tags(store.output)
    if text.strip() in tags:
        return check_available(store, tags[text.strip()].version)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        named = f", or a tag ({', '.join(sorted(tags))})" if tags else ""
        raise OutputError(
            f"{text!r} is neither a version nor a date: expected a number such as 3, a date such "
            f"as 2026-05-31 or 2026-05-31T18:00{named}"
        ) from None
    if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text.strip()):
        moment = datetime.combine(moment.date(), time.max)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    for commit in store.history():
        if commit_time(commit) <= moment:
            return check_available(store, commit.version)
    raise OutputError(
        f"{store.path} had no version at {moment:%Y-%m-%d %H:%M} UTC: "
        "see  siftset history  for the versions there are"
    )


def commit_time(commit: Commit) -> datetime:
    """Return when a version was published."""
    return datetime.fromtimestamp(int(commit.metadata["timestamp"]) / 1000, UTC)


def check_available(store: Store, version: int) -> int:
    """Return a version whose files can be read; raises OutputError where they were removed."""
    store.commit_of(version)
    here = all(path.is_file() for path in store.files(version))
    if not here and version not in stored_versions(store):
        raise OutputError(
            f"{store.path}: the files of version {version} were removed (refresh.keep_versions): "
            "see  siftset history  for the versions there are"
        )
    return version
