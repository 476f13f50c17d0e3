"""Names of versions, in `tags.json` beside the set: retention keeps what has one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.schemas.errors import OutputError, first_line

TAGS: Final = "tags.json"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


class Tag(BaseModel):
    """A name of a version: who gave it, and when."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int
    by: str = ""
    when: str = ""


_ADAPTER: Final = TypeAdapter(dict[str, Tag])


def read_tags(output: Path) -> dict[str, Tag]:
    """Return the tags of an output by name; raises OutputError where they cannot be read."""
    path = output / TAGS
    if not path.is_file():
        return {}
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(
            f"{path} cannot be read ({first_line(error)}): expected the names that  siftset tag  "
            "wrote; fix or remove it"
        ) from error


def write_tags(output: Path, tags: Mapping[str, Tag]) -> None:
    """Write the tags of an output, whole or not at all."""
    with atomic_write(output / TAGS) as draft:
        draft.write_bytes(_ADAPTER.dump_json(dict(sorted(tags.items())), indent=1) + b"\n")


def tags_of(tags: Mapping[str, Tag], version: int | None) -> list[str]:
    """Return the names of a version, in order."""
    return sorted(name for name, tag in tags.items() if tag.version == version)


def check_tag(name: str) -> None:
    """Raise OutputError for a name that could be taken for a number or a date, or is none."""
    try:
        datetime.fromisoformat(name)
        is_date = True
    except ValueError:
        is_date = False
    if is_date or name == "plan" or not _NAME.fullmatch(name):
        raise OutputError(
            f"tag {name!r}: expected a letter, then letters, digits, '.', '_' or '-', at most 64, "
            "no date and not 'plan'"
        )
