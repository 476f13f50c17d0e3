"""Folders that `datasets.save_to_disk` wrote: their state says which files are data, in order.

What else lies there, such as the cache of a map, is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from siftset.pipeline.sources.matches import Match
from siftset.pipeline.storage.object_store import Object
from siftset.schemas.errors import SourceError

STATE: Final = "state.json"
SPLITS: Final = "dataset_dict.json"


def select_saved(matches: list[Match]) -> list[Match]:
    """Return what was found, of saved datasets only their data; raise SourceError if it is gone."""
    places = {str(match.path): match for match in matches}
    folders = dict.fromkeys(
        _folder(place) for place in places if place.endswith((f"/{STATE}", ".arrow"))
    )
    saved = {folder: names for folder in folders if (names := _data_files(folder, places))}
    dicts = {_folder(one) for one in saved if _read_json(f"{_folder(one)}/{SPLITS}", places)}
    found: dict[str, Match] = {}
    for place, match in places.items():
        folder = next((one for one in saved if place.startswith(f"{one}/")), None)
        if folder is None:
            is_list = _folder(place) in dicts and place.endswith(f"/{SPLITS}")
            found |= {} if is_list else {place: match}
            continue
        split = folder.rpartition("/")[2] if _folder(folder) in dicts else None
        for name in saved[folder]:
            data = places.get(f"{folder}/{name}")
            if data is not None:
                found[f"{folder}/{name}"] = data._replace(is_saved=True, split=split)
            elif not match.asked:
                raise SourceError(
                    f"{folder}: no file '{name}', which {STATE} names: save the dataset again"
                )
    return list(found.values())


def _folder(place: str) -> str:
    return place.rpartition("/")[0]


def _data_files(folder: str, places: Mapping[str, Match]) -> list[str] | None:
    """Return the names of a saved dataset's files in order; None where a folder holds none."""
    state = _read_json(f"{folder}/{STATE}", places)
    files = state.get("_data_files") if isinstance(state, dict) else None
    if not isinstance(files, list):
        return None
    return [str(one.get("filename")) for one in files if isinstance(one, dict)]


def _read_json(place: str, places: Mapping[str, Match]) -> Any:  # noqa: ANN401  parsed JSON
    """Return what a file says, found or beside what a pattern found; None where it says nothing."""
    path = places[place].path if place in places else Path(place)
    try:
        if isinstance(path, Object):
            with path.open() as stream:
                return json.loads(stream.read())
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
