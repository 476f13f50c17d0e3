"""Static vectors, compiled: WordPieces read from Arrow's bytes, and their rows added up.

A word's bytes are hashed once, as a polynomial of which every part's hash follows from two prefix
hashes, so that the greedy search for the longest known piece reads no byte twice. The twin without
numba is signals.static_vectors.wordpiece; both give the same vectors to the last bit.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.kernels.arrow_text import TextBytes
from siftset.signals.kernels.bytes_kernel import Bytes, Integers, Whole, decode_point
from siftset.signals.kernels.compiled import compiled_kernel, inlined_kernel

DROP, WORD, SPACE, SINGLE = 0, 1, 2, 3
"""Kinds of characters: left out, part of a word, between words, a word by itself."""
PLANE: Final = 65536
"""Code points below it have an entry in the table of letters."""
MOST_CHARACTERS: Final = 100
"""A longer word is unknown, as in BERT's tokenizer."""
MOST_BYTES: Final = 4 * MOST_CHARACTERS
ROOM: Final = 256
"""Rows kept before they are added up."""
FULL: Final = ROOM - MOST_CHARACTERS - 2
"""So many leave room for those of one more word and of the character that ends it."""
BASE: Final = np.uint64(0x9E3779B97F4A7C15)
INSIDE: Final = np.uint64(0xD1B54A32D192ED03)
"""Tells a piece inside a word (`##ing`) from one that begins it (`ing`)."""
MIX: Final = np.uint64(0xFF51AFD7ED558CCD)
HALF: Final = np.uint64(32)
ROW: Final = np.uint64(0xFFFF)
_ONE: Final = np.uint64(1)

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int32]


class LetterForms(NamedTuple):
    """By code point below PLANE: its kind, and its form in small letters without accents."""

    kinds: Bytes
    offsets: Rows
    """Code point p has the bytes data[offsets[p] : offsets[p + 1]]."""
    data: Bytes


class Pieces(NamedTuple):
    """The vocabulary as a hash table, and the vectors of its entries."""

    slots: Hashes
    """48 bits of an entry's hash above the 16 of its row; 0 in a free slot."""
    vectors: NDArray[np.int8]
    """Entries x dimensions."""
    scales: NDArray[np.float32]
    """What one step is worth in each dimension."""
    longest: int
    """Bytes of the longest entry."""
    unknown: int
    """The row of words that are not in the vocabulary."""


class WordRoom(NamedTuple):
    """Room for one word and the rows found."""

    hashes: Hashes
    """Entry i is the hash of the first i bytes of the word."""
    powers: Hashes
    rows: Rows
    sums: NDArray[np.int16]
    totals: Rows


@inlined_kernel
def mix_piece(value: np.uint64) -> np.uint64:
    """Spread a hash over its 64 bits; 0 stays 0, and stands for no entry."""
    value = (value ^ (value >> HALF)) * MIX
    value = (value ^ (value >> HALF)) * BASE
    return value ^ (value >> HALF)


@inlined_kernel
def _find_piece(value: np.uint64, slots: Hashes) -> Whole:
    """Return the row that a mixed hash has, or -1."""
    mask = np.uint64(len(slots) - 1)
    slot = (value >> HALF) & mask
    while slots[slot] != 0:
        if (slots[slot] ^ value) & ~ROW == 0:
            return np.int64(slots[slot] & ROW)
        slot = (slot + _ONE) & mask
    return -1


@inlined_kernel
def _split_word(room: WordRoom, size: Whole, count: Whole, pieces: Pieces) -> Whole:
    """Append the rows of a word's longest pieces, from its beginning; return the new count."""
    first = count
    start: Whole = 0
    while start < size:
        end = min(size, start + pieces.longest)
        row: Whole = -1
        while end > start:
            value = room.hashes[end] - room.hashes[start] * room.powers[end - start]
            if start > 0:
                value ^= INSIDE
            row = _find_piece(mix_piece(value), pieces.slots)
            if row >= 0:
                break
            end -= 1
        if row < 0:  # one part that is unknown makes the word unknown
            room.rows[first] = pieces.unknown
            return first + 1
        room.rows[count] = row
        count += 1
        start = end
    return count


@inlined_kernel
def _end_word(
    room: WordRoom, size: Whole, characters: Whole, count: Whole, pieces: Pieces
) -> Whole:
    """Append the rows of the word in the room, if there is one; return the new count."""
    if characters > MOST_CHARACTERS:
        room.rows[count] = pieces.unknown
        return count + 1
    return _split_word(room, size, count, pieces)


@inlined_kernel
def _read_words(
    data: Bytes, i: Whole, end: Whole, letters: LetterForms, pieces: Pieces, room: WordRoom
) -> tuple[Whole, Whole]:
    """Fill the room with rows; return where to read on, beyond the end at the last, and how many.

    It stops between words only. What stands after the last byte is taken for a blank.
    """
    size: Whole = 0
    characters: Whole = 0
    count: Whole = 0
    while i <= end and (count < FULL or size > 0):
        kind: Whole = SPACE
        width = 1
        point: Whole = 32
        if i < end:
            point, width = decode_point(data, i, end)
            if point < PLANE:
                kind = np.int64(letters.kinds[point])
            else:  # ideographs beyond the first plane are words by themselves
                kind = SINGLE if 0x20000 <= point <= 0x2FA1F else WORD
        if kind in (SPACE, SINGLE) and size > 0:
            count = _end_word(room, size, characters, count, pieces)
            size, characters = 0, 0
        if kind in (WORD, SINGLE):
            source, begin, stop = data, i, i + width
            if point < PLANE:
                begin, stop = np.int64(letters.offsets[point]), np.int64(letters.offsets[point + 1])
                source = letters.data
            for j in range(begin, stop):
                byte = source[j]
                characters += byte & 0xC0 != 0x80
                if size < MOST_BYTES:  # what is longer is unknown anyway
                    room.hashes[size + 1] = room.hashes[size] * BASE + np.uint64(byte)
                    size += 1
            if kind == SINGLE:
                count = _end_word(room, size, characters, count, pieces)
                size, characters = 0, 0
        i += width
    return i, count


@inlined_kernel
def _add_rows(pieces: Pieces, count: Whole, room: WordRoom) -> None:
    """Add the vectors of the rows in the room to the totals."""
    size = pieces.vectors.shape[1]
    # 16 bits hold the sum of ROOM numbers of 8 bits, and twice as many fit into a register
    for d in range(size):
        room.sums[d] = 0
    for t in range(count):
        row = room.rows[t]
        for d in range(size):
            room.sums[d] += pieces.vectors[row, d]
    for d in range(size):
        room.totals[d] += room.sums[d]


@compiled_kernel
def fill_slots(hashes: Hashes, slots: Hashes) -> None:
    """Put the mixed hash of row r into its slot; the slots are zeros before."""
    mask = np.uint64(len(slots) - 1)
    for r in range(len(hashes)):
        slot = (hashes[r] >> HALF) & mask
        while slots[slot] != 0:
            slot = (slot + _ONE) & mask
        slots[slot] = (hashes[r] & ~ROW) | np.uint64(r)


@compiled_kernel
def tokenize_texts(
    text: TextBytes,
    letters: LetterForms,
    pieces: Pieces,
    room: WordRoom,
    rows: Rows,
    ends: Integers,
) -> None:
    """Write the rows of all texts, one after another, and where those of each text end."""
    place: Whole = 0
    for r in range(len(text.offsets) - 1):
        i, end = text.offsets[r], text.offsets[r + 1]
        while i <= end:
            i, count = _read_words(text.data, i, end, letters, pieces, room)
            for t in range(count):
                rows[place + t] = room.rows[t]
            place += count
        ends[r] = place


@compiled_kernel
def embed_texts(
    text: TextBytes,
    letters: LetterForms,
    pieces: Pieces,
    room: WordRoom,
    vectors: NDArray[np.float32],
) -> None:
    """Write the unit vector of each text: the sum over its pieces; zeros where there are none."""
    size = pieces.vectors.shape[1]
    for r in range(len(text.offsets) - 1):
        for d in range(size):
            room.totals[d] = 0
        i, end = text.offsets[r], text.offsets[r + 1]
        while i <= end:
            i, count = _read_words(text.data, i, end, letters, pieces, room)
            _add_rows(pieces, count, room)
        # added up one after the other in 32 bits: numpy's twin does it in this order
        norm = np.float32(0)
        for d in range(size):
            value = np.float32(room.totals[d]) * pieces.scales[d]
            vectors[r, d] = value
            norm += value * value
        if norm > 0:
            root = np.sqrt(norm)
            for d in range(size):
                vectors[r, d] /= root
