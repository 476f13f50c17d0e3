"""From records as they were read to batches: types, ids, names, prepare."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from siftset.pipeline.sources.added_columns import AddedColumns
from siftset.pipeline.sources.batch import (
    EXCERPT,
    UNREADABLE,
    BadRecord,
    Batch,
    FilePart,
    RawBlock,
)
from siftset.pipeline.sources.conversations import read_conversations, repair_conversations
from siftset.pipeline.sources.formats.streams import FileStamp
from siftset.pipeline.sources.occurrences import Earlier, OccurrenceCounter, earlier_in_parts
from siftset.pipeline.sources.prepare import prepare_texts
from siftset.pipeline.sources.row_ids import content_hashes, hex_ids, mapped_ids, record_ids
from siftset.pipeline.sources.types import Types, fit_columns
from siftset.schemas.conversations import COLUMN, view
from siftset.schemas.errors import SourceError
from siftset.schemas.paths import extract_paths
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.recipe.messages import Messages
from siftset.schemas.recipe.source import MessageRepairs, Prepare
from siftset.schemas.results.columns import SOURCE
from siftset.signals.kernels.arrays import to_series

if TYPE_CHECKING:
    from siftset.pipeline.sources.join import JoinedColumns


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What is done to every record of a source."""

    source: str
    types: Types
    """The source's columns, as they are stored."""
    names: dict[str, str]
    """Stored name by the source's name."""
    id: str | None
    """The source's column that identifies a record."""
    prepare: Prepare
    schema: pl.Schema
    joined: JoinedColumns | None = None
    reading: str = ""
    """What else decides how records are read."""
    paths: tuple[str, ...] = field(default=(), repr=False)
    """Columns that are parts of others, by their paths; `types` has them too."""
    conversation: Messages | None = field(default=None, repr=False)
    """How columns make a conversation; `reading` says so too."""
    makes_text: bool = field(default=False, repr=False)
    """Whether the text is made of the conversation."""

    def converse(
        self, frame: pl.DataFrame, file: str, *, begins: bool
    ) -> tuple[pl.DataFrame, dict[int, str]]:
        """Add conversation and text to records under their stored names; tell which hold none.

        Raises SourceError where the records `begin` a file and none holds any.
        """
        if self.conversation is None:
            return frame.rename(self.names), {}
        messages, wrong = read_conversations(frame, self.conversation, file, begins=begins)
        if self.prepare.messages != MessageRepairs():
            messages = repair_conversations(messages, self.prepare.messages)
        named = frame.rename(self.names).with_columns(messages.alias(COLUMN))
        if self.makes_text:
            named = named.with_columns(view(self.conversation.text).alias("text"))
        return named, wrong

    def rejoin(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows of the set with what the joined file says of them today."""
        own = {stored: name for name, stored in self.names.items() if stored in rows.columns}
        raw = rows.rename(own)
        if self.joined is None or self.joined.id not in raw.columns:
            return rows
        types = self.joined.types
        absent = [pl.lit(None, types[name]).alias(name) for name in types if name not in raw]
        said = self.joined.add_to(raw.with_columns(absent)).select(*types)
        prepared = prepare_texts(said.rename(self.names, strict=False), self.prepare)
        fits = {name: self.schema[name] for name in prepared.columns}
        return rows.with_columns(fit_columns(prepared, fits))


@dataclass(slots=True)
class FileParts:
    """The parts of a file; they share what is known of equal records."""

    name: str
    stem: str
    parts: tuple[FilePart, ...]
    stamp: FileStamp | None = None
    added: AddedColumns = field(default_factory=AddedColumns)
    _earlier: tuple[Earlier, ...] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_before(self, at: int) -> Earlier:
        """Return the hashes of a part that earlier parts hold, with their number there."""
        if at == 0:
            return {}
        with self._lock:
            if self._earlier is None:
                self._earlier = self.count_earlier()
            return self._earlier[at]

    @property
    def is_counted(self) -> bool:
        """Whether a part can be read without the others."""
        return len(self.parts) == 1 or self._earlier is not None

    def count_earlier(self) -> tuple[Earlier, ...]:
        """Read all parts and return what `count_before` knows of each."""
        return earlier_in_parts(
            np.concatenate([content_hashes(block.frame) for block in part.read_records()])
            for part in self.parts
        )

    def set_earlier(self, earlier: tuple[Earlier, ...]) -> None:
        """Take what was counted elsewhere."""
        self._earlier = earlier

    def __getstate__(self) -> tuple[object, ...]:
        return self.name, self.stem, self.parts, self.stamp, self.added, self._earlier

    def __setstate__(
        self,
        state: tuple[
            str, str, tuple[FilePart, ...], FileStamp | None, AddedColumns, tuple[Earlier, ...]
        ],
    ) -> None:
        self.name, self.stem, self.parts, self.stamp, self.added, self._earlier = state
        self._lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class FileShard:
    """One part of a file, read through a plan."""

    plan: SourcePlan
    file: FileParts
    part: int
    digest: str
    limit: int | None = None

    @property
    def name(self) -> str:
        """Say which file and part this is, for people."""
        many = len(self.file.parts) > 1
        return (
            f"{self.file.name} ({self.part + 1}/{len(self.file.parts)})" if many else self.file.name
        )

    @property
    def fingerprint(self) -> str:
        """Return a hash of the input and of how it is read."""
        parts = (self.digest, self.file.name, self.part, self.records, self.limit, self.plan)
        return str(hex_ids(pl.Series(["\0".join(map(repr, parts))])).item())

    @property
    def records(self) -> int:
        """Return how many records there are, unreadable ones included."""
        rows = self.file.parts[self.part].rows
        return rows if self.limit is None else min(rows, self.limit)

    def take_first(self, limit: int) -> FileShard:
        """Return a shard of only the first records."""
        return replace(self, limit=limit)

    def read_batches(self) -> Iterator[Batch]:
        """Read the rows in order."""
        counter = None
        if self.plan.id is None:
            counter = OccurrenceCounter(self.file.count_before(self.part))
        left, is_empty = self.limit, True
        for whole in self._read_blocks():
            block = whole if left is None else _head_of_block(whole, left)
            if left is not None:
                left -= block.frame.height + len(block.bad)
            if block.frame.height or block.bad:
                is_empty = False
                yield self._make_batch(block, counter)
            if left == 0:
                break
        if is_empty:
            # one batch without rows, so that a run that reads nothing still knows its columns
            none = pl.Series("record", [], dtype=pl.Int64)
            yield self._make_batch(RawBlock(pl.DataFrame(schema=self.plan.types), none), counter)

    def _read_blocks(self) -> Iterator[RawBlock]:
        """Read the records; raise SourceError where the file is no longer the one that was opened.

        A file that is replaced, cut or written on while it is read would otherwise give rows that
        the fingerprint of the input does not tell of.
        """
        part, read = self.file.parts[self.part], 0
        try:
            for block in part.read_records():
                read += block.frame.height + len(block.bad)
                yield block
        except Exception:
            if self.file.stamp is not None:
                self.file.stamp.check()
            raise
        if self.file.stamp is not None:
            self.file.stamp.check()
        if read != part.rows:
            raise SourceError(
                f"{self.file.name}: {format_count(part.rows, 'record')} "
                f"{conjugate(part.rows, 'were')} counted and {read:,} are there: the "
                "file changed while it was read; run again"
            )

    def _make_batch(self, block: RawBlock, counter: OccurrenceCounter | None) -> Batch:
        content = content_hashes(block.frame)
        # after the content was hashed: what a path leads to is in its column already
        raw = extract_paths(self.file.added.add_to(block.frame), self.plan.paths)
        frame = fit_columns(raw, self.plan.types)
        if self.plan.joined is not None:
            frame = self.plan.joined.add_to(frame)
        if counter is None:
            assert self.plan.id is not None
            ids = mapped_ids(frame[self.plan.id], self.plan.source)
        else:
            prefix = f"{self.plan.source}\0{self.file.stem}\0"
            ids = record_ids(content, counter.count(content), prefix)
        begins = block.records.head(1).eq(0).any()
        named, wrong = self.plan.converse(frame, self.file.name, begins=begins)
        prepared = fit_columns(prepare_texts(named, self.plan.prepare), dict(self.plan.schema))
        places = _source_column(self.file.name, block.records)
        whole = pl.DataFrame([ids, places, *prepared.get_columns()])
        hashes = to_series("content", content)
        unreadable = self._describe_unreadable(block.bad)
        for at in ids.is_null().arg_true():
            wrong[at] = f"column '{self.plan.id}', the id, is null"
        if wrong:
            given = pl.Series(np.isin(np.arange(whole.height), list(wrong), invert=True))
            raw = block.frame.filter(~given)
            texts = raw.select(pl.struct(pl.all()).struct.json_encode())[:, 0]
            numbers = block.records.filter(~given)
            described = self._describe_unreadable(
                tuple(
                    BadRecord(number, None, wrong[at], text.encode()[:EXCERPT])
                    for at, number, text in zip(sorted(wrong), numbers, texts, strict=True)
                )
            )
            unreadable = pl.concat([unreadable, described])
            whole, hashes = whole.filter(given), hashes.filter(given)
        return Batch(whole, hashes, unreadable)

    def _describe_unreadable(self, bad: tuple[BadRecord, ...]) -> pl.DataFrame:
        keys = [f"{self.plan.source}\0{self.file.name}\0unreadable\0{r.record}" for r in bad]
        ids = hex_ids(pl.Series("x", keys, dtype=pl.String))
        rows = {
            "row_id": ids,
            "source": _source_column(
                self.file.name, pl.Series([r.record for r in bad], dtype=pl.Int64)
            ),
            "position": [r.position for r in bad],
            "reason": [r.reason for r in bad],
            "raw": [r.raw.decode(errors="backslashreplace") for r in bad],
        }
        return pl.DataFrame(rows, schema=UNREADABLE)


def _source_column(file: str, records: pl.Series) -> pl.Series:
    place = pl.struct(pl.lit(file).alias("file"), pl.col("record"))
    frame = records.alias("record").to_frame().select(source=place)
    return frame["source"].cast(SOURCE)


def _head_of_block(block: RawBlock, limit: int) -> RawBlock:
    """Return the first records of a block, by number."""
    numbers = np.concatenate([block.records.to_numpy(), [bad.record for bad in block.bad]])
    if len(numbers) <= limit:
        return block
    below = int(np.partition(numbers, limit)[limit])
    rows = int((block.records < below).sum())
    bad = tuple(record for record in block.bad if record.record < below)
    return RawBlock(block.frame.head(rows), block.records.head(rows), bad)
