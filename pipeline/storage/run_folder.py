"""What a run leaves behind: its name, its key and its folder under `runs/`."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from siftset.pipeline.storage.atomic_files import read_json, write_json
from siftset.schemas.recipe.model import Recipe

RUNS: Final = "runs"
MANIFEST: Final = "manifest.json"
REVIEWED: Final = "reviewed.parquet"
"""What a run says of the rows of the whole set that people decided about."""
MEANING: Final = 2
"""Raised when the same recipe on the same input gives other rows, ids or splits than before."""

NOT_OF_THE_SET: Final = {"name", "output", "review", "refresh", "train", "compare", "ray"}
_SOFTWARE: Final = ("siftset", "polars", "polars-hash", "deltalake", "nltk", "numba")

State = Literal["prepared", "published", "refused", "preview", "died"]
"""prepared: ready, but no commit is known; refused: the gate or a budget said no; died: a defect
ended it."""


def new_run_id(now: datetime | None = None) -> str:
    """Return a name for a run; later runs sort after earlier ones."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"


def json_digest(value: JsonValue) -> str:
    """Return 32 hex digits that equal JSON values share."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def recipe_hash(recipe: Recipe) -> str:
    """Return the hash of everything in a recipe that decides which rows are published."""
    return json_digest(
        recipe.model_dump(mode="json", exclude=NOT_OF_THE_SET, exclude_defaults=True)
    )


def run_key(
    recipe: Recipe, inputs: Sequence[Mapping[str, JsonValue]], fingerprints: Mapping[str, str]
) -> str:
    """Return the key of a run: equal keys give equal sets, so that the second is not needed.

    Formula and signals count by what they mean, which the fingerprints say: not by how they are
    written, nor by signals that are not asked.
    """
    written = NOT_OF_THE_SET | {"keep", "signals"}
    rest = recipe.model_dump(mode="json", exclude=written, exclude_defaults=True)
    return json_digest(
        {
            "inputs": [dict(entry) for entry in inputs],
            "recipe": json_digest(rest),
            "signals": dict(fingerprints),
            "meaning": MEANING,
        }
    )


@cache
def software_versions() -> dict[str, str]:
    """Return the versions of the software that takes part in a run."""
    found = {}
    for name in _SOFTWARE:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    output: Path
    run_id: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.output / RUNS / self.run_id

    @property
    def report(self) -> Path:
        """The page that people review."""
        return self.path / "report.html"

    def manifest(self) -> dict[str, JsonValue]:
        """Return the manifest; raises OutputError where it cannot be read."""
        return read_json(self.path / MANIFEST)

    def amend(self, **changes: JsonValue) -> None:
        """Change entries of the manifest, all at once or not at all."""
        write_json(self.path / MANIFEST, {**self.manifest(), **changes})


def run_folders(output: Path) -> Iterator[RunFolder]:
    """Yield the runs under `output`, latest first."""
    folder = output / RUNS
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    for name in sorted(names, reverse=True):
        if (folder / name / MANIFEST).is_file():
            yield RunFolder(output, name)
