"""The models of an output: which exist, which was trained last, and which is current.

models/current          the model to use, a link that changes at once
models/latest           the model trained last that passed its gate, another such link
models/promotions.json  which model took which one's place
models/pending.json     a training that is under way, which the next refresh finishes
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from siftset.pipeline.model_registry.result import RESULT, is_refused
from siftset.pipeline.storage.atomic_files import read_json, sync, write_json
from siftset.pipeline.storage.remote import fetch_model
from siftset.schemas.errors import OutputError

MODELS: Final = "models"
CURRENT: Final = "current"
PROMOTIONS: Final = "promotions.json"
PENDING: Final = "pending.json"
LATEST: Final = "latest"
_NAME: Final = re.compile(r"v(\d+)-")


def list_models(output: Path) -> dict[int, tuple[str, ...]]:
    """Return the names of the finished models trained on each version."""
    found: dict[int, list[str]] = {}
    for path in sorted((output / MODELS).glob("v*-*")):
        named = _NAME.match(path.name)
        if named and (path / RESULT).is_file():
            found.setdefault(int(named.group(1)), []).append(path.name)
    return {version: tuple(names) for version, names in found.items()}


def latest_model(models: Path) -> Path:
    """Return the folder in `models` of the model trained last that may be used.

    Raises OutputError without one.
    """
    link = models / LATEST
    if (link / RESULT).is_file():
        return link.resolve()
    found = [p for p in models.glob(f"*/{RESULT}") if not p.parent.is_symlink()]
    if not found:
        raise OutputError(f"{models} holds no model yet: run  siftset train  first")
    usable = [path for path in found if not is_refused(path.parent)]
    if not usable:
        raise OutputError(
            f"no model in {models} may be used: what was wrong with each is among the findings of "
            f"its {RESULT}; change the settings of train and run  siftset train  again"
        )
    latest = max(usable, key=lambda path: path.stat().st_mtime).parent
    fetch_model(latest)
    return latest


def locate_model(model: str) -> str:
    """Return a model that is at hand: `latest` looked up, files in a store fetched.

    A folder is returned as an absolute path, an embedded name or one of the hub as it is.
    """
    path = Path(model).expanduser()
    if path.name == LATEST and path.parent.is_dir() and not path.exists():
        return str(latest_model(path.parent).resolve())
    if path.is_dir():
        fetch_model(path)
        return str(path.resolve())
    return model


def read_pending(models: Path) -> tuple[int, str] | None:
    """Return the version that a training is under way for, and why; None where there is none.

    A file that cannot be read counts as none: the next refresh decides again.
    """
    with suppress(OutputError, KeyError, ValueError):
        said = read_json(models / PENDING)
        return int(str(said["version"])), str(said["why"])
    return None


def current_model(models: Path) -> Path | None:
    """Return the folder of the model that is current; None where there is none."""
    link = models / CURRENT
    return link.resolve() if link.is_symlink() and link.is_dir() else None


def current_name(models: Path) -> str | None:
    """Return the name of the model that is current; None where there is none."""
    current = current_model(models)
    return None if current is None else current.name


def promote_model(models: Path, name: str, why: str) -> None:
    """Make a model the current one, at once, and note which one it replaces."""
    entry: dict[str, JsonValue] = {
        "model": name,
        "replaced": current_name(models),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "why": why,
    }
    write_json(models / PROMOTIONS, {"promotions": [*_read_promotions(models), entry]})
    point_current(models, name)


def roll_back_model(models: Path) -> str:
    """Make the model before the current one current again; return its name."""
    now = current_name(models)
    made = [entry for entry in _read_promotions(models) if entry["model"] == now]
    before = made[-1]["replaced"] if made else None
    if now is None or not isinstance(before, str) or not (models / before).is_dir():
        raise OutputError(
            f"{models} has no model before the current one: name a version of the set to bring "
            "back with  --version N"
        )
    fetch_model(models / before)
    point_current(models, before)
    return before


def point_current(models: Path, name: str) -> None:
    """Make a model the current one, at once, and note nothing."""
    _point_link(models, CURRENT, name)


def point_latest(models: Path, name: str) -> None:
    """Make a model the one trained last."""
    _point_link(models, LATEST, name)


def _point_link(models: Path, link: str, name: str) -> None:
    draft = models / f".{link}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(name, target_is_directory=True)
    draft.replace(models / link)
    sync(models)


def _read_promotions(models: Path) -> list[dict[str, JsonValue]]:
    if not (models / PROMOTIONS).is_file():
        return []
    found = json.loads((models / PROMOTIONS).read_bytes()).get("promotions", [])
    return [dict(entry) for entry in found]
