"""Files of a source with what their columns become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources.assemble import FileParts, FileShard, SourcePlan
from siftset.pipeline.sources.batch import Shard
from siftset.pipeline.sources.conversations import check_columns
from siftset.pipeline.sources.extraction import add_extracted, check_extracted, paths_named
from siftset.pipeline.sources.files import Opened, OpenedFiles
from siftset.pipeline.sources.prepare import final_names
from siftset.pipeline.sources.types import (
    WIDE_INTEGER,
    Types,
    agree_types,
    widen_to_kept,
)
from siftset.schemas.conversations import COLUMN, MESSAGES
from siftset.schemas.errors import SourceError, name_some
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.recipe.delimited import DelimitedText
from siftset.schemas.recipe.messages import Messages
from siftset.schemas.recipe.source import Columns, Delta, Files, Frame, Hub, Prepare

if TYPE_CHECKING:
    from siftset.pipeline.sources.join import JoinedColumns

WRITTEN: Final = set(DelimitedText.model_fields) - {"delimiter"}
MOST_COLUMNS: Final = 10_000
"""Columns of a source beyond which it is refused: each is measured and shown."""


@dataclass(frozen=True, slots=True)
class MappedFiles:
    """Files, with what their columns become."""

    name: str
    kind: str
    opened: OpenedFiles
    plan: SourcePlan

    @property
    def types(self) -> Types:
        """Return the columns by their stored names."""
        return dict(self.plan.schema)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know."""
        moved = [
            f"{self.name}: column '{old}' is stored as '{new}', its own name is taken"
            for old, new in self.plan.names.items()
            if (new.startswith("source_column_") and not old.startswith("source_column_"))
            or not old
        ]
        return (*self.opened.warnings, *self._missing_columns(), *self._mixed_types(), *moved)

    def _missing_columns(self) -> Iterator[str]:
        """Say which files lack a column that the source names and other files have."""
        for column, name in self.plan.names.items():
            if name not in ("text", "label", "id"):
                continue
            known = [column in file.stated.types for file in self.opened.files]
            if not any(known):
                continue
            for file, has_column in zip(self.opened.files, known, strict=True):
                if not has_column:
                    rows = sum(part.rows for part in file.parts)
                    yield (
                        f"{file.types.file}: no column '{column}' ({name}), which other files "
                        f"have, so that its {format_count(rows, 'row')} {conjugate(rows, 'have')} "
                        f"none; it has {name_some(file.types.types) or 'no columns'}"
                    )

    def _mixed_types(self) -> Iterator[str]:
        """Say which columns are text because files write them differently."""
        for column, dtype in self.plan.types.items():
            first: dict[pl.DataType, str] = {}
            for file in self.opened.files:
                found = file.types.types.get(column, pl.Null())
                if found != pl.Null:
                    first.setdefault(pl.Int64() if found == WIDE_INTEGER else found, file.name)
            if dtype == pl.String and len(first) > 1:
                which = ", ".join(f"{kind} in {name}" for kind, name in first.items())
                yield f"{self.name}: column '{column}' is read as text: {which}"

    @property
    def inputs(self) -> tuple[dict[str, JsonValue], ...]:
        """Return one fingerprint a file."""
        joined = () if self.plan.joined is None else self.plan.joined.inputs
        return joined + tuple(file.describe(self.name, self.kind) for file in self.opened.files)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Return of every file its identity as row ids have it, and its name as rows have it."""
        is_table = self.kind == "delta"
        return [(file.stem, file.stem if is_table else file.name) for file in self.opened.files]

    def widen(self, kept: Types, *, is_only: bool) -> MappedFiles:
        """Return the same, its columns wide enough for rows that were kept from before.

        The only source of a recipe takes all of their columns, in their order, so that its files
        are read as they were when the gone inputs were there.
        """
        plan = self.plan
        known = {*plan.names, *plan.names.values()}
        names = {new: new for new in kept if is_only and new not in known} | plan.names
        source_names = {new: old for old, new in reversed(names.items())}
        order = dict.fromkeys([source_names[new] for new in kept if new in source_names])
        types: Types = {}
        for name in order | dict.fromkeys(plan.types):
            types[name] = widen_to_kept(plan.types.get(name, pl.Null()), kept.get(names[name]))
        names = {name: names[name] for name in types}
        schema = stored_schema(types, names, plan.conversation, makes_text=plan.makes_text)
        joined = None if plan.joined is None else plan.joined.as_types(types)
        wider = replace(plan, types=types, names=names, schema=schema, joined=joined)
        return replace(self, plan=wider)

    def shards(self, schema: pl.Schema) -> list[Shard]:
        """Return the parts of all files."""
        plan = replace(self.plan, schema=schema)
        found: list[Shard] = []
        for file, (_, place) in zip(self.opened.files, self.places, strict=True):
            parts = FileParts(place, file.stem, file.parts, file.stamp, file.added)
            marks = file.marks or (file.digest,) * len(file.parts)
            found += [FileShard(plan, parts, at, mark) for at, mark in enumerate(marks)]
        return found


def map_files(
    config: Files | Hub | Delta | Frame,
    opened: OpenedFiles,
    prepare: Prepare,
    *,
    kind: str,
    joined: JoinedColumns | None = None,
    spelled: Mapping[str, str] | None = None,
) -> MappedFiles:
    """Check that the columns of files agree and hold what the source names."""
    named = paths_named(config, prepare)
    opened = opened._replace(files=add_extracted(opened.files, named))
    stated = [file.stated for file in opened.files]
    types = agree_types(stated if joined is None else [*stated, joined.stated])
    if not types:
        raise SourceError(
            f"{opened.files[0].types.file}: no column there; expected at least one readable record"
        )
    if len(types) > MOST_COLUMNS:
        raise SourceError(
            f"{opened.files[0].types.file}: {format_count(len(types), 'column')}, expected at most "
            f"{MOST_COLUMNS:,}: leave some out, or write them as one column of lists"
        )
    check_extracted(opened.files, types, _wanted_columns(config) | prepare.columns)
    mapping = _map_columns(config, types, opened.files, prepare)
    text = mapping.get("text")
    if text in types:
        if types[text] != pl.String and any(file.types.declared for file in opened.files):
            raise SourceError(
                f"{opened.files[0].types.file}: column '{text}' holds {types[text]}; expected "
                "text: name another column as 'text' in the source"
            )
        types[text] = pl.String()
    identifier = mapping.get("id")
    if identifier in types and not any(file.types.declared for file in opened.files):
        # an id is compared as it is written: text, unless all are integers
        types[identifier] = types[identifier] if types[identifier] == pl.Int64 else pl.String()
    talk = config.messages
    made = () if talk is None else (COLUMN, *(("text",) if config.makes_text else ()))
    names = final_names(types, mapping, prepare, spelled=spelled, made=made)
    schema = stored_schema(types, names, talk, makes_text=config.makes_text)
    fits = None if joined is None else joined.as_types(types)
    paths = tuple(name for name in named if not any(name in f.types.types for f in opened.files))
    plan = SourcePlan(
        source=config.name,
        types=types,
        names=names,
        id=config.id,
        prepare=prepare,
        schema=schema,
        joined=fits,
        reading=_describe_reading(config, prepare),
        paths=paths,
        conversation=talk,
        makes_text=config.makes_text,
    )
    return MappedFiles(config.name, kind, opened, plan)


def _describe_reading(config: Files | Hub | Delta | Frame, prepare: Prepare) -> str:
    """Say what else than the content of files decides how their records are read."""
    reading = ""
    if isinstance(config, Files):
        reading = f"{config.format} {config.delimiter!r} {config.max_record_bytes}"
        # what departs from the default alone: shards that were read before it existed stay known
        written = config.model_dump(include=WRITTEN, exclude_defaults=True)
        reading += f" {written}" if written else ""
    if config.messages is not None:
        reading += f" {config.messages!r} {config.makes_text} {prepare.messages!r}"
    return reading


def stored_schema(
    types: Types, names: Mapping[str, str], talk: Messages | None, *, makes_text: bool
) -> pl.Schema:
    """Return the columns as they are stored, with those that are made of others at the end."""
    stored = {names[name]: dtype for name, dtype in types.items()}
    if talk is not None:
        stored[COLUMN] = MESSAGES
        if makes_text:
            stored["text"] = pl.String()
    return pl.Schema(stored)


def _wanted_columns(config: Columns) -> dict[str, str]:
    wanted = {"text": config.text, "label": config.label, "id": config.id}
    if config.makes_text:
        wanted["text"] = None
    if config.messages is not None:
        wanted |= {COLUMN: config.messages.column, "tools": config.messages.tools}
    return {new: old for new, old in wanted.items() if old is not None}


def _map_columns(
    config: Columns, types: Types, files: Sequence[Opened], prepare: Prepare
) -> dict[str, str]:
    mapping = _wanted_columns(config)
    if config.messages is not None:
        check_columns(config.messages, types, files[0].types.file)
    renamed = "text" in prepare.columns and "text" not in config.model_fields_set
    if renamed and config.text not in types:
        del mapping["text"]
    for key, column in mapping.items():
        if column not in types:
            raise SourceError(
                f"{files[0].types.file}: no column '{column}' ({key}); "
                f"it has {name_some(types)}: name one as '{key}' in the source"
            )
    return mapping
