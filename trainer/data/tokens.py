"""Tokens on disk: written once as Arrow, read through memory mapping, with their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from siftset.trainer.data.chat_counts import ChatCounts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PER_BATCH: Final = 8192
"""Rows of one record batch of the Arrow file (the last one may have fewer)."""

COLUMNS: Final = ("input_ids", "words")

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequences of some texts: `words` numbers the word of each token (-1: special)."""

    input_ids: list[list[int]]
    words: list[list[int]] | None = None
    spans: list[tuple[tuple[int, int], ...]] | None = None
    """Where the tokens that are to be learned begin and end, for causal models."""
    labels: list[int] | list[list[float]] | None = None
    cut: int = 0
    """Texts that were cut."""
    unknown: int = 0
    """Tokens outside the vocabulary."""
    texts: int = 0


class TokenSpans(NamedTuple):
    """Where the tokens that are learned begin and end, of many sequences."""

    offsets: Integers
    """Where the spans of each sequence begin in `bounds`; one more than there are sequences."""
    bounds: NDArray[np.int32]
    """(spans, 2): first token, and the one after the last."""

    @classmethod
    def of_lists(cls, spans: Sequence[Sequence[tuple[int, int]]]) -> TokenSpans:
        """Return the spans of some sequences as flat arrays."""
        counts = np.fromiter(map(len, spans), np.int64, len(spans))
        flat = [bound for some in spans for bound in some]
        bounds = np.asarray(flat, np.int32).reshape(-1, 2)
        return cls(np.concatenate([np.zeros(1, np.int64), counts.cumsum()]), bounds)

    def mark_learned(self, rows: Integers, width: int) -> NDArray[np.bool_]:
        """Return which tokens of some sequences, side by side (rows, width), are learned."""
        change = np.zeros((len(rows), width + 1), np.int64)
        for place, row in enumerate(rows.tolist()):
            for begin, end in self.bounds[self.offsets[row] : self.offsets[row + 1]].tolist():
                change[place, begin] += 1
                change[place, end] -= 1
        return change.cumsum(axis=1)[:, :width] > 0


@dataclass(frozen=True, slots=True)
class SplitTokens:
    """The tokens of a split: `row(i)` is a view into the mapped file."""

    path: Path
    lengths: Integers
    texts: int
    cut: int
    unknown: int
    labels: NDArray[np.int64] | NDArray[np.float32] | None = None
    spans: TokenSpans | None = None
    chats: ChatCounts | None = None
    """What became of the conversations, where the split holds some."""
    _batches: tuple[pa.RecordBatch, ...] = ()
    _columns: dict[str, tuple[tuple[Integers, NDArray[np.int32]], ...]] = field(
        default_factory=dict
    )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def total(self) -> int:
        """All tokens."""
        return int(self.lengths.sum())

    def row(self, i: int, column: str = "input_ids") -> NDArray[np.int32]:
        """Return the tokens of sequence i (or the numbers of their words)."""
        offsets, values = self._columns[column][i // PER_BATCH]
        at = i % PER_BATCH
        return values[offsets[at] : offsets[at + 1]]

    def pad_rows(
        self, rows: Sequence[int] | Integers, value: int, column: str = "input_ids"
    ) -> Integers:
        """Return the rows side by side (rows, longest), filled up with `value` on the right."""
        width = int(self.lengths[rows].max())
        out = np.full((len(rows), width), value, dtype=np.int64)
        for place, i in enumerate(rows):
            tokens = self.row(int(i), column)
            out[place, : len(tokens)] = tokens
        return out


class TokenWriter:
    """Collects sequences and writes them as record batches of one Arrow file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: dict[str, list[list[int]]] = {name: [] for name in COLUMNS}
        self._lengths: list[Integers] = []
        self._labels: list[object] = []
        self._spans: list[tuple[tuple[int, int], ...]] = []
        self.chats: ChatCounts | None = None
        self._texts = self._cut = self._unknown = 0
        self._schema = pa.schema([(name, pa.large_list(pa.int32())) for name in COLUMNS])
        self._writer = pa.ipc.new_file(str(path), self._schema)

    def add(self, some: Sequences) -> None:
        """Append sequences; full record batches go to disk."""
        self._pending["input_ids"] += some.input_ids
        self._pending["words"] += some.words or [[]] * len(some.input_ids)
        self._lengths.append(np.fromiter(map(len, some.input_ids), np.int64, len(some.input_ids)))
        self._labels += some.labels or []
        self._spans += some.spans or []
        self._texts += some.texts
        self._cut += some.cut
        self._unknown += some.unknown
        while len(self._pending["input_ids"]) >= PER_BATCH:
            self._write_batch(PER_BATCH)

    def _write_batch(self, rows: int) -> None:
        arrays = []
        for name in COLUMNS:
            arrays.append(pa.array(self._pending[name][:rows], type=pa.large_list(pa.int32())))
            self._pending[name] = self._pending[name][rows:]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def finish(self) -> SplitTokens:
        """Close the file and map it."""
        if self._pending["input_ids"]:
            self._write_batch(len(self._pending["input_ids"]))
        self._writer.close()
        labels = np.asarray(self._labels) if self._labels else None
        if labels is not None:
            labels = labels.astype(np.int64 if labels.ndim == 1 else np.float32)
        return map_tokens(
            self.path,
            np.concatenate(self._lengths) if self._lengths else np.zeros(0, np.int64),
            counts=(self._texts, self._cut, self._unknown),
            labels=labels,
            spans=TokenSpans.of_lists(self._spans) if self._spans else None,
            chats=self.chats,
        )


def map_tokens(
    path: Path,
    lengths: Integers,
    *,
    counts: tuple[int, int, int],
    labels: NDArray[np.int64] | NDArray[np.float32] | None,
    spans: TokenSpans | None,
    chats: ChatCounts | None = None,
) -> SplitTokens:
    """Map a written file; nothing but offsets is read until a row is asked for."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = tuple(reader.get_batch(i) for i in range(reader.num_record_batches))
    columns = {
        name: tuple(
            (b.column(k).offsets.to_numpy(), b.column(k).values.to_numpy()) for b in batches
        )
        for k, name in enumerate(COLUMNS)
    }
    texts, cut, unknown = counts
    return SplitTokens(path, lengths, texts, cut, unknown, labels, spans, chats, batches, columns)


@dataclass(frozen=True, slots=True)
class Specials:
    """The special tokens a tokenizer puts around a text."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.before) + len(self.after)

    @classmethod
    def of_tokenizer(cls, tokenizer: PreTrainedTokenizerBase) -> Specials:
        """Find them by comparing a text with and without."""
        bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
        full = list(tokenizer("a")["input_ids"])
        for start in range(len(full) - len(bare) + 1):
            if bare and full[start : start + len(bare)] == bare:
                return cls(tuple(full[:start]), tuple(full[start + len(bare) :]))
        return cls((), ())


def encode_texts(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    max_length: int | None,
    *,
    words: bool = False,
) -> Sequences:
    """Tokenize texts without special tokens; cut to `max_length` tokens and count it."""
    if not texts:
        return Sequences([], [] if words else None)
    limit = {} if max_length is None else {"truncation": True, "max_length": max_length + 1}
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
        **limit,
    )
    ids: list[list[int]] = encoded["input_ids"]
    unknown = tokenizer.unk_token_id
    numbers = None
    if words:
        of_words = [encoded.word_ids(i)[:max_length] for i in range(len(ids))]
        numbers = [[-1 if word is None else word for word in row] for row in of_words]
    return Sequences(
        [row[:max_length] for row in ids],
        numbers,
        cut=0 if max_length is None else sum(len(row) > max_length for row in ids),
        unknown=0 if unknown is None else sum(row.count(unknown) for row in ids),
        texts=len(ids),
    )


def add_specials(some: Sequences, specials: Specials) -> Sequences:
    """Put the special tokens around every sequence."""
    before, after = list(specials.before), list(specials.after)
    words = some.words
    if words is not None:
        words = [[-1] * len(before) + row + [-1] * len(after) for row in words]
    return Sequences(
        [before + row + after for row in some.input_ids],
        words,
        labels=some.labels,
        cut=some.cut,
        unknown=some.unknown,
        texts=some.texts,
    )


def encode_whole_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], length: int, specials: Specials
) -> Sequences:
    """Tokenize each text by itself, with the end token after it; one that is too long is cut.

    What is cut has no end, so that nobody learns, or is asked, to end in the middle of a text.
    Training row by row, evaluation and comparison of causal models all read plain text so.
    """
    ends = tokenizer.pad_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    some = encode_texts(tokenizer, texts, length - specials.n)
    if ends is not None and ends not in specials.after:
        room = length - specials.n
        ids = [[*row, ends] if len(row) < room else row for row in some.input_ids]
        some = replace(some, input_ids=ids)
    return add_specials(some, specials)


@dataclass(slots=True)
class Chunker:
    """Joins texts, separated by a special token, and cuts the stream into chunks of `size`."""

    size: int
    separator: int
    _ids: list[int] = field(default_factory=list)
    _words: list[int] = field(default_factory=list)
    _word: int = 0

    def add(self, some: Sequences) -> Sequences:
        """Return the chunks that these texts fill."""
        for place, ids in enumerate(some.input_ids):
            self._ids += [*ids, self.separator]
            numbers = range(len(ids)) if some.words is None else some.words[place]
            shifted = [self._word + w for w in numbers]
            self._word += max(numbers, default=-1) + 1
            self._words += [*shifted, -1]
        full = len(self._ids) // self.size * self.size
        chunks = self._cut_chunks(full)
        return Sequences(*chunks, cut=0, unknown=some.unknown, texts=some.texts)

    def cut_rest(self) -> Sequences:
        """Return the last, shorter chunk."""
        return (
            Sequences(*self._cut_chunks(len(self._ids)))
            if len(self._ids) > 1
            else Sequences([], [])
        )

    def _cut_chunks(self, full: int) -> tuple[list[list[int]], list[list[int]]]:
        spans = range(0, full, self.size)
        ids = [self._ids[a : min(a + self.size, full)] for a in spans]
        words = [self._words[a : min(a + self.size, full)] for a in spans]
        self._ids, self._words = self._ids[full:], self._words[full:]
        return ids, words
