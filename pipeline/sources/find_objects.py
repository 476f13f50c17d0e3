"""Finding input in a store: addresses, prefixes and patterns to objects with names."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import takewhile
from pathlib import PurePosixPath
from typing import NamedTuple

from siftset.pipeline.sources.matches import Match, is_hidden
from siftset.pipeline.storage.object_store import (
    Object,
    find_objects,
    is_address,
    is_pattern,
    without_scheme,
)
from siftset.schemas.errors import EmptySourceError, SourceError
from siftset.schemas.recipe.source import Files


class _Listed(NamedTuple):
    """What an address of the recipe leads to."""

    address: str
    objects: list[Object]
    fixed: str
    """The part of the address that is no pattern: a bucket, perhaps with a prefix."""
    is_folder: bool


def match_objects(config: Files) -> Iterator[tuple[str, list[Match]]]:
    """Yield what each address of a source leads to; raise SourceError where that is nothing."""
    given = (*config.paths, *((config.root,) if config.root is not None else ()))
    kinds = {path.partition("://")[0] if is_address(path) else "" for path in given}
    if len(kinds) > 1:
        raise SourceError(
            f"{next(filter(is_address, given))}: a source reads either one store or paths of this "
            "machine, root included; expected them apart: write a list of two sources"
        )
    listed = [_list_address(address.rstrip("/")) for address in config.paths]
    if config.root is None:
        root = posixpath.commonpath([one.fixed for one in listed])
    else:
        root = without_scheme(config.root).rstrip("/")
    for one in listed:
        yield (
            one.address,
            [Match(o, _name_below_root(o, root), asked=not one.is_folder) for o in one.objects],
        )


def _list_address(address: str) -> _Listed:
    objects, fixed = find_objects(address), without_scheme(address)
    is_folder = False
    if [one.address for one in objects] == [address]:
        fixed = posixpath.dirname(fixed)
    elif is_pattern(fixed):
        fixed = "/".join(takewhile(lambda part: not is_pattern(part), fixed.split("/")))
    else:
        is_folder = True
    if is_folder and any(_name_below(one, fixed).startswith("_delta_log/") for one in objects):
        raise SourceError(
            f"{address}: this is a Delta table, whose folder also holds old files; "
            "read it with source: {delta: {path: ...}}"
        )
    seen = [one for one in objects if not is_hidden(PurePosixPath(_name_below(one, fixed)))]
    if not seen:
        raise EmptySourceError(
            f"{address}: no object there, none that matches; check source.files.paths"
        )
    return _Listed(address, seen, fixed, is_folder)


def _name_below_root(found: Object, root: str) -> str:
    if root and not without_scheme(found.address).startswith(f"{root}/"):
        raise SourceError(
            f"{found.address}: it does not lie below the root '{root}'; name another "
            "source.files.root"
        )
    return _name_below(found, root)


def _name_below(found: Object, prefix: str) -> str:
    return without_scheme(found.address).removeprefix(f"{prefix}/" if prefix else "")
