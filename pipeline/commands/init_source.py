"""The source of a new recipe: how data is read, what it is, and which columns mean what."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources.find_files import COMPRESSIONS, FORMATS
from siftset.pipeline.sources.matches import is_hidden
from siftset.pipeline.sources.sniff.columns import ColumnGuess, choose_columns, find_id
from siftset.pipeline.sources.sniff.confidence import Confidence, least_sure
from siftset.pipeline.sources.sniff.look import FileGuess, look_at_file
from siftset.pipeline.sources.sniff.shapes import Shape, find_shape
from siftset.schemas.errors import SourceError

LOOKED_AT: Final = 2_000
_MOST_FOLDERS: Final = 10_000
_READABLE: Final = 0.99
"""Share of records that a recipe wants readable unless it says otherwise."""


class SourceGuess(NamedTuple):
    """What a recipe says of its source, and why."""

    file: FileGuess
    shape: Shape
    columns: ColumnGuess
    names: tuple[str, ...]
    """The columns of the data."""
    samples: tuple[str, ...] = ()
    """Texts of the data."""
    partitions: tuple[str, ...] = ()
    """Columns that are in the names of folders."""

    @property
    def confidence(self) -> Confidence:
        """How sure the least sure part is; of columns the recipe itself speaks."""
        return least_sure(self.file.confidence, self.shape.confidence)

    @property
    def because(self) -> tuple[str, ...]:
        """What speaks for it."""
        return (*self.file.because, *([self.shape.because] if self.shape.because else ()))

    @property
    def mapping(self) -> dict[str, JsonValue]:
        """The keys that say which columns mean what."""
        if self.shape.has_messages:
            found: dict[str, JsonValue] = dict(self.shape.keys)
        else:
            found = {"text": self.columns.text, "label": self.columns.label}
            found |= self.shape.keys
        if self.columns.id is not None:
            found.setdefault("id", self.columns.id)
        return {key: value for key, value in found.items() if value is not None}

    @property
    def notes(self) -> dict[str, str]:
        """What is said beside keys of the recipe."""
        notes = dict(self.file.notes)
        if "label" in self.columns.guessed and "label" not in self.shape.keys:
            notes["label"] = "guess: few values; remove it if it is no label"
        if self.shape.said:
            notes["text" if "messages" not in self.shape.keys else "messages"] = self.shape.said
        return notes

    @property
    def unreadable(self) -> float | None:
        """The share of records that a run must let be unreadable, None for the usual one."""
        share = 1.0 if self.file.dialect is None else self.file.dialect.share
        return None if share >= _READABLE else min(1.0, math.ceil(15 * (1 - share)) / 10)

    def lines(self) -> Iterator[str]:
        """Yield what a person wants to know."""
        doubts = list(self.file.doubts())
        sure = self.confidence
        if doubts and sure == "guess":
            head, *rest = doubts
            told = f"guess   ({head}" if head.startswith("also") else f"guess   ({head})"
            doubts = rest
            yield f"read      {self.file.describe()}     {told}"
        else:
            yield f"read      {self.file.describe()}     {sure}"
        encoding = self.file.encoding
        if encoding is not None and encoding.confidence != "certain":
            yield f"encoding  {encoding.reason}"
        dialect = self.file.dialect
        if dialect is not None and dialect.confidence != "certain":
            yield from (f"          {reason}" for reason in dialect.because)
        if self.partitions:
            yield f"partitions  {', '.join(self.partitions)}, from the folders' names"
        if self.shape.name != "table of texts":
            yield f"shape     {self.shape.name}     {self.shape.confidence}"
        if self.shape.said:
            yield f"          {self.shape.said}"
        told = ", ".join(f"{key}: {_flow(value)}" for key, value in self.mapping.items())
        yield f"columns   {told}"
        for key, note in self.notes.items():
            if key == "label":
                yield f"          {key}: {note}"
        if dialect is not None and dialect.share < _READABLE:
            yield (
                f"add       max_unreadable_share: {self.unreadable}     {1 - dialect.share:.1%} of "
                "the first records have another number of fields, and are unreadable"
            )

    def to_json(self) -> dict[str, JsonValue]:
        """Return what `--json` says of the source."""
        mapping = self.mapping
        columns: dict[str, JsonValue] = {"text": None, "label": None, "id": None}
        shape: JsonValue = self.shape.name
        return {
            "columns": columns | mapping,
            "dialect": self.file.to_json(),
            "shape": shape,
            "confidence": self.confidence,
            "because": "; ".join(self.because),
            "partitions": list(self.partitions),
            "names": list(self.names),
            "add": {} if self.unreadable is None else {"max_unreadable_share": self.unreadable},
        }


def guess_source(data: Path) -> SourceGuess:
    """Tell how data is read and what it holds; raise SourceError where nothing is usable."""
    from siftset.pipeline.sources.files import open_files
    from siftset.schemas.recipe.source import Files

    sample = _choose_file(data) if data.is_dir() else data
    file = look_at_file(sample)
    partitions = tuple(_folder_columns(data, sample)) if data.is_dir() else ()
    files = Files.model_validate({"paths": [str(sample.resolve())], **file.keys})
    opened = open_files(files, Path.cwd()).files[0]
    block = next(opened.parts[0].read_records(), None)
    frame = pl.DataFrame() if block is None else block.frame.head(LOOKED_AT)
    if not frame.width:
        raise SourceError(f"{sample}: no record can be read; {_describe_bad(block, file)}")
    shape = find_shape(frame)
    columns = choose_columns(frame)
    if columns is None and not ({"text", "messages"} & shape.keys.keys()):
        raise SourceError(f"{data}: no column holds text, it has {', '.join(frame.columns)}")
    if columns is None:
        columns = ColumnGuess("", id=find_id(frame, ""))
    inside = [name for name in (columns.text, *shape.columns[-1:]) if name in frame.columns]
    texts = [text for name in inside for text in frame[name].head(LOOKED_AT // 10)]
    samples = tuple(t for t in texts if isinstance(t, str) and t[:1] not in ("[", "{"))
    return SourceGuess(file, shape, columns, tuple(frame.columns), samples, partitions)


def _describe_bad(block: object, file: FileGuess) -> str:
    bad = getattr(block, "bad", ())
    return f"the first one: {bad[0].reason}" if bad else f"it was read as {file.describe()}"


def _choose_file(folder: Path) -> Path:
    """Return the first file of a folder that a source would read; raise SourceError for none."""
    seen: list[str] = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if is_hidden(path.relative_to(folder)) or not path.stat().st_size:
                continue
            bare = Path(path.stem) if path.suffix.lower() in COMPRESSIONS else path
            if bare.suffix.lower() in FORMATS:
                return path
            seen.append(name)
        if len(seen) > _MOST_FOLDERS:
            break
    held = f"it holds {', '.join(seen[:5])}" if seen else "it holds no files"
    raise SourceError(f"{folder}: no file of a known format there; {held}")


def _folder_columns(folder: Path, sample: Path) -> Iterator[str]:
    for part in sample.relative_to(folder).parent.parts:
        if "=" in part:
            yield part.partition("=")[0]


def _flow(value: JsonValue) -> str:
    """Write a value as YAML does within a line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)
