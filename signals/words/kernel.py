"""Find the entries of a word list in texts, compiled: the time does not grow with the list.

A text is first folded: case by the table it is given, each run of white space to one space. What
stands at the beginning of a word, or is no word character, is then looked up in a hash table of
the entries' first parts, and the rest compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.kernels.arrow_text import TextBytes
from siftset.signals.kernels.bytes_kernel import (
    HASH_START,
    SAME,
    Bytes,
    Index,
    Integers,
    Whole,
    decode_point,
    find_key,
    hash_step,
)
from siftset.signals.kernels.compiled import compiled_kernel, inlined_kernel

SPACE, WORD, OTHER = 1, 2, 4
_END = 0  # stands after the last byte
_BLANK = 32


class Letters(NamedTuple):
    """Kind and folded form by code point; what lies beyond a table is no word, or stays."""

    kinds: Bytes
    folded: NDArray[np.int32]
    small: Bytes
    """Folded form of ASCII; white space is a blank."""


class Entries(NamedTuple):
    """The entries, grouped by their first part: a run of word characters, or another character."""

    heads: Index
    groups: Integers
    """Head h has the entries from groups[h] to groups[h + 1], the longest first."""
    rests: Integers
    """Entry e goes on with data[rests[e] : rests[e + 1]] after its head."""
    data: Bytes
    numbers: Integers
    """Position of each entry in the list."""
    beginnings: Index
    """Entries of one run that may begin a longer word."""
    beginning_numbers: Integers
    lengths: NDArray[np.bool_]
    """Whether there is a beginning of so many bytes."""
    whole: bool
    """Whether an entry must end where a word does."""


class Folded(NamedTuple):
    """Room for one folded text: its bytes and the kind of each."""

    data: Bytes
    kinds: Bytes


class EntryMatches(NamedTuple):
    """What is found in each text."""

    counts: Integers
    distinct: Integers
    firsts: Integers
    """Position in the list of the first match, -1 where there is none."""
    stamps: Integers
    """The last text in which each entry was found."""


@inlined_kernel
def _append_point(room: Folded, size: Whole, point: Whole, kind: Whole) -> Whole:
    """Append a character; return the new size."""
    if point < 0x80:
        room.data[size] = point
        width = 1
    elif point < 0x800:
        room.data[size] = 0xC0 | (point >> 6)
        width = 2
    elif point < 0x10000:
        room.data[size] = 0xE0 | (point >> 12)
        width = 3
    else:
        room.data[size] = 0xF0 | (point >> 18)
        width = 4
    for i in range(1, width):
        room.data[size + i] = 0x80 | ((point >> (6 * (width - 1 - i))) & 0x3F)
    for i in range(width):
        room.kinds[size + i] = kind
    return size + width


@inlined_kernel
def _fold_text(data: Bytes, i: Whole, end: Whole, letters: Letters, room: Folded) -> Whole:
    """Fold a text into the room; return its size."""
    size: Whole = 0
    last: Whole = OTHER
    while i < end:
        c = data[i]
        if c < 128:  # without branches: most letters pass here
            kind: Whole = np.int64(letters.kinds[c])
            room.data[size], room.kinds[size] = letters.small[c], kind
            # A blank after a blank is written over: the size stays where both are white space.
            size += 1 - (kind & last & SPACE)
            last = kind
            i += 1
            continue
        point, width = decode_point(data, i, end)
        i += width
        kind = np.int64(letters.kinds[point]) if point < len(letters.kinds) else OTHER
        if point < len(letters.folded):
            point = np.int64(letters.folded[point])
        if kind != SPACE:
            size = _append_point(room, size, point, kind)
        elif last != SPACE:
            size = _append_point(room, size, _BLANK, SPACE)
        last = kind
    room.kinds[size] = _END
    return size


@inlined_kernel
def _read_head(room: Folded, start: Whole) -> tuple[Whole, np.uint64]:
    """Return the end and the hash of the run of word characters, or of the one character."""
    i, value = start, HASH_START
    if room.kinds[i] == WORD:
        while room.kinds[i] == WORD:
            value = hash_step(value, room.data[i])
            i += 1
        return i, value
    value = hash_step(value, room.data[i])
    i += 1
    # A character that is no letter may have several bytes; they are one head.
    while room.data[start] >= 0xC0 and room.data[i] & 0xC0 == 0x80 and room.kinds[i] == OTHER:
        value = hash_step(value, room.data[i])
        i += 1
    return i, value


@inlined_kernel
def _match_rest(room: Folded, size: Whole, i: Whole, entries: Entries, e: int) -> Whole:
    """Compare the rest of an entry; return where it ends, or -1."""
    begin: Whole = entries.rests[e]
    length: Whole = entries.rests[e + 1] - begin
    if i + length > size:
        return -1
    for j in range(length):
        if room.data[i + j] != entries.data[begin + j]:
            return -1
    if entries.whole and room.kinds[i + length] == WORD:
        return -1
    return i + length


@inlined_kernel
def _find_beginning(
    room: Folded, start: Whole, end: Whole, entries: Entries
) -> tuple[Whole, Whole]:
    """Find the longest entry that begins a word; return its number and end."""
    # Entries that may begin a longer word (`run` in `running`) are asked by length, and only for
    # the lengths that exist: a list of n entries costs at most as many look-ups as it has lengths.
    for length in range(min(end - start, len(entries.lengths) - 1), 0, -1):
        if entries.lengths[length]:
            value = HASH_START
            for i in range(start, start + length):
                value = hash_step(value, room.data[i])
            k = find_key(room.data, start, start + length, value, entries.beginnings, SAME)
            if k >= 0:
                return entries.beginning_numbers[k], start + length
    return -1, end


@inlined_kernel
def _find_entry(room: Folded, size: Whole, start: Whole, entries: Entries) -> tuple[Whole, Whole]:
    """Find the longest entry at a place; return its number, or -1, and where to look on."""
    end, value = _read_head(room, start)
    # Inside a word nothing begins, which happens after a match that ended within one.
    if start > 0 and room.kinds[start - 1] == WORD:
        return -1, end
    head = find_key(room.data, start, end, value, entries.heads, SAME)
    if head >= 0:
        # Longest first, as alternatives in a regular expression would be ordered.
        for e in range(entries.groups[head], entries.groups[head + 1]):
            stop = _match_rest(room, size, end, entries, e)
            if stop >= 0:
                return entries.numbers[e], stop
    if not entries.whole and room.kinds[start] == WORD:
        return _find_beginning(room, start, end, entries)
    return -1, end


@compiled_kernel
def find_entries(
    text: TextBytes,
    letters: Letters,
    entries: Entries,
    room: Folded,
    found: EntryMatches,
    every: bool,
) -> None:
    """Find the entries in each text, without overlap; the first only, unless `every`."""
    for r in range(len(text.offsets) - 1):
        size = _fold_text(text.data, text.offsets[r], text.offsets[r + 1], letters, room)
        place: Whole = 0
        count, distinct = 0, 0
        first: Whole = -1
        while place < size and (every or count == 0):
            if room.kinds[place] == SPACE:
                place += 1
                continue
            number, place = _find_entry(room, size, place, entries)
            if number >= 0:
                first = number if count == 0 else first
                count += 1
                distinct += found.stamps[number] != r
                found.stamps[number] = r
        found.counts[r], found.distinct[r], found.firsts[r] = count, distinct, first
