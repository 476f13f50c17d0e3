"""Opening sources: everything is checked here, before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources.assemble import FileShard
from siftset.pipeline.sources.batch import Shard, Sources
from siftset.pipeline.sources.extraction import paths_named
from siftset.pipeline.sources.files import ScanMemory, open_files
from siftset.pipeline.sources.mapped_files import MappedFiles, map_files
from siftset.pipeline.sources.synthesize import SynthesisShard
from siftset.pipeline.sources.types import (
    FileTypes,
    Types,
    agree_types,
    widen_to_kept,
)
from siftset.schemas.errors import EmptySourceError, RecipeError, SourceError
from siftset.schemas.recipe.model import Recipe
from siftset.schemas.recipe.source import Delta, Files, Frame, Hub, Synthesize


class _Opened(Protocol):
    """A source that has been opened."""

    @property
    def name(self) -> str:
        """Return its name, which row ids hold."""

    @property
    def types(self) -> Types:
        """Return its columns by their stored names."""

    @property
    def inputs(self) -> tuple[dict[str, JsonValue], ...]:
        """Return one fingerprint an input."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know."""

    @property
    def places(self) -> list[tuple[str, str]]:
        """Return of every input its identity as row ids have it, and its name as rows have it."""

    def shards(self, schema: pl.Schema) -> list[Shard]:
        """Return its parts, read into this schema."""


class KeptTypes(Protocol):
    """The columns, as they are stored, of rows that stay though their input is gone."""

    def __call__(self, places: Collection[tuple[str, str, str]]) -> Types:
        """Return them; none where every input is among `places`: source, identity and name."""


def open_sources(
    recipe: Recipe,
    folder: Path,
    *,
    limit: int | None = None,
    scans: ScanMemory | None = None,
    kept: KeptTypes | None = None,
) -> Sources:
    """Open and check everything that a recipe reads; paths are relative to `folder`.

    `limit` keeps only the first rows, as prepare.take does; `scans` remembers text files; `kept`
    tells the columns of rows whose input is gone: with any, a source may be empty. Raises
    SourceError, and MissingExtraError where the hub is asked for and its package is not there.
    """
    opened: list[_Opened] = []
    empty: list[EmptySourceError] = []
    for source in recipe.source:
        try:
            spelled = {name.lower(): name for one in opened for name in one.types}
            opened.append(_open_source(source.config, recipe, folder, scans, spelled))
        except EmptySourceError as error:
            empty.append(error)
    names = [source.name for source in opened]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise SourceError(
            f"two sources are named '{twice[0]}'; give each a name of its own, "
            "because row ids hold it"
        )
    places = {(one.name, *place) for one in opened for place in one.places}
    types = {} if kept is None else kept(places)
    if empty and not types:
        raise empty[0]
    found = combine_sources(opened, recipe, limit, types)
    nothing = tuple(f"{error}; the rows that were read before stay" for error in empty)
    return replace(found, warnings=(*nothing, *found.warnings))


def _open_source(
    config: Synthesize | Files | Hub | Delta | Frame,
    recipe: Recipe,
    folder: Path,
    scans: ScanMemory | None,
    spelled: Mapping[str, str],
) -> _Opened:
    match config:
        case Synthesize():
            from siftset.pipeline.sources.synthesize import open_synthesis

            return open_synthesis(config, recipe.prepare, seed=recipe.seed, folder=folder)
        case Files():
            opened, kind = (
                open_files(
                    config,
                    folder,
                    scans=scans,
                    paths=paths_named(config, recipe.prepare),
                    unreadable=recipe.max_unreadable_share,
                ),
                "files",
            )
        case Hub():
            from siftset.pipeline.sources.hub import open_hub

            opened, kind = open_hub(config), "hub"
        case Delta():
            from siftset.pipeline.sources.delta import open_delta

            opened, kind = open_delta(config, folder), "delta"
        case Frame():
            raise RecipeError(
                "source.frame: the rows come from Python: curate(recipe, data); to read files, "
                "name them in source.files.paths"
            )
    joined = None
    if config.join is not None:
        from siftset.pipeline.sources.join import open_join

        joined = open_join(config, folder, config.name)
    return map_files(config, opened, recipe.prepare, kind=kind, joined=joined, spelled=spelled)


def combine_sources(
    opened: Sequence[_Opened], recipe: Recipe, limit: int | None, kept: Types | None = None
) -> Sources:
    """Put opened sources after each other, under one schema that has the `kept` columns too."""
    if kept:
        is_only = len(recipe.source) == 1
        opened = [
            one.widen(kept, is_only=is_only) if isinstance(one, MappedFiles) else one
            for one in opened
        ]
    stated = [FileTypes(f"source '{s.name}'", s.types, declared=False) for s in opened]
    types = agree_types(stated)
    # Only now: a column without any value in one source takes the type that it has in another.
    types |= {name: pl.String() for name, dtype in types.items() if dtype == pl.Null}
    for name in kept or {}:
        types[name] = widen_to_kept(types.get(name, pl.Null()), (kept or {})[name])
    order = dict.fromkeys([*(kept or {}), *types])
    schema = pl.Schema({name: types[name] for name in order})
    cases: dict[str, str] = {}
    for name in schema:
        other = cases.setdefault(name.lower(), name)
        if other != name:
            raise SourceError(
                f"the columns '{other}' and '{name}' differ in case alone, and a Delta table does "
                "not tell them apart: rename one"
            )
    shards = [shard for source in opened for shard in source.shards(schema)]
    takes = [take for take in (recipe.prepare.take, limit) if take is not None]
    if takes:
        left, every, shards = min(takes), shards, []
        for shard in every:
            if left > 0:
                shards.append(shard.take_first(left) if shard.records > left else shard)
            left -= shard.records
    inputs = tuple(entry for source in opened for entry in source.inputs)
    warnings = tuple(line for source in opened for line in source.warnings)
    files = [one for one in opened if isinstance(one, MappedFiles)]
    names = [pair for one in files for pair in one.plan.names.items()]
    renamed = {old: new for old, new in names if old != new}
    return Sources(schema, tuple(shards), inputs, warnings, renamed)


def locate_shard(shard: Shard) -> tuple[str, str, str]:
    """Return the source, the input's identity as row ids have it, and its name as rows have it."""
    match shard:
        case FileShard():
            return shard.plan.source, shard.file.stem, shard.file.name
        case SynthesisShard():
            return shard.config.name, shard.config.lexicon, shard.config.lexicon
    return shard.name, shard.name, shard.name
