"""The source of a new recipe: how data is read, what it is, and which columns mean what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
from pydantic import JsonValue

from siftset.pipeline.sources.files import read_first_block
from siftset.pipeline.sources.find_files import find_files
from siftset.pipeline.sources.sniff.columns import ColumnGuess, choose_columns, find_id
from siftset.pipeline.sources.sniff.confidence import Confidence, least_sure
from siftset.pipeline.sources.sniff.look import FileGuess, look_at_file
from siftset.pipeline.sources.sniff.shapes import Shape, find_nested_text, find_shape
from siftset.schemas.errors import SourceError, name_some
from siftset.schemas.recipe.source import Files

LOOKED_AT: Final = 2_000
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
    has_splits: bool = False
    """Whether the data say which split a row is in."""

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
            notes["label"] = "guess: few values; remove it if it is not a label"
        if "text" in self.columns.guessed:
            notes["text"] = "guess: the longest nested texts"
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
        head, *_ = [*self.file.doubts(), ""] if self.confidence == "guess" else [""]
        doubt = "" if not head else f"   ({head}" if head.startswith("also") else f"   ({head})"
        yield f"read      {self.file.describe()}     {self.confidence}{doubt}"
        encoding, dialect = self.file.encoding, self.file.dialect
        if encoding is not None and encoding.confidence != "certain":
            yield f"encoding  {encoding.reason}"
        if dialect is not None and dialect.confidence != "certain":
            yield from (f"          {reason}" for reason in dialect.because)
        yield from self._lines_of_columns()
        if self.unreadable is not None and dialect is not None:
            yield (
                f"add       max_unreadable_share: {self.unreadable}     {1 - dialect.share:.1%} of "
                "the first records have another number of fields, and are unreadable"
            )

    def _lines_of_columns(self) -> Iterator[str]:
        if self.partitions:
            yield f"partitions  {', '.join(self.partitions)}, from the folders' names"
        if self.has_splits:
            yield "splits    as saved, in the column dataset_split"
        if self.shape.name != "table of texts":
            yield f"shape     {self.shape.name}     {self.shape.confidence}"
        if self.shape.said:
            yield f"          {self.shape.said}"
        told = ", ".join(f"{key}: {_flow(value)}" for key, value in self.mapping.items())
        yield f"columns   {told}"
        for key in ("text", "label"):
            if key in self.columns.guessed and key in self.notes:
                yield f"          {key}: {self.notes[key]}"

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
    sample, split = _choose_file(data) if data.is_dir() else (data, None)
    file = look_at_file(sample)
    partitions = tuple(_folder_columns(data, sample)) if data.is_dir() else ()
    files = Files.model_validate({"paths": [str(sample.resolve())], **file.keys})
    block = read_first_block(files, Path.cwd())
    frame = pl.DataFrame() if block is None else block.frame.head(LOOKED_AT)
    if not frame.width:
        bad = block.bad if block is not None else ()
        said = f"the first one: {bad[0].reason}" if bad else f"it was read as {file.describe()}"
        raise SourceError(f"{sample}: no record can be read; {said}")
    shape = find_shape(frame)
    columns = choose_columns(frame)
    if shape.has_messages or (columns is None and "text" in shape.keys):
        columns = ColumnGuess("", id=find_id(frame, ""))
    nested = find_nested_text(frame) if columns is None else None
    if nested is not None:
        columns = ColumnGuess(nested, id=find_id(frame, ""), guessed=("text",))
    if columns is None:
        raise SourceError(f"{data}: no column holds text, it has {name_some(frame.columns)}")
    inside = [name for name in (columns.text, *shape.columns[-1:]) if name in frame.columns]
    texts = [text for name in inside for text in frame[name].head(LOOKED_AT // 10)]
    samples = tuple(t for t in texts if isinstance(t, str) and t[:1] not in ("[", "{"))
    names = tuple(frame.columns)
    return SourceGuess(file, shape, columns, names, samples, partitions, split is not None)


def _choose_file(folder: Path) -> tuple[Path, str | None]:
    """Return the first file that a source would read of a folder, and its saved dataset's split."""
    found = find_files(Files(paths=(str(folder.resolve()),)), Path.cwd()).files
    for file in found:
        assert isinstance(file.path, Path)
        if file.path.stat().st_size:
            return folder / file.path.relative_to(folder.resolve()), file.split
    raise SourceError(f"{folder}: every file there is empty; expected data")


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
