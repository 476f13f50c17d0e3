"""What the kernels share: hashes of bytes, white space and letters in UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siftset.signals.kernels.compiled import compiled_kernel, inlined_kernel

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Whole = int | np.int64
Byte = int | np.uint8 | np.int64

HASH_START = np.uint64(0)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_LEFT, _RIGHT = np.uint64(5), np.uint64(59)
_SHIFT = np.uint64(29)
_ONE = np.uint64(1)
SMALL = np.array([ord(chr(c).lower()) if c < 128 else c for c in range(256)], np.uint8)
"""ASCII capitals made small, other bytes as they are."""
SAME = np.arange(256, dtype=np.uint8)
"""All bytes as they are."""


_KEY = np.int64((1 << 24) - 1)


class Index(NamedTuple):
    """A hash table of byte strings; key k lies in data[offsets[k] : offsets[k + 1]]."""

    slots: NDArray[np.int64]
    """Number of the key in 24 bits under 39 bits of its hash, -1 in a free slot; mostly empty."""
    offsets: NDArray[np.int64]
    data: Bytes


@inlined_kernel
def hash_step(value: np.uint64, byte: Byte) -> np.uint64:
    """Add a byte to a hash: a turn by five bits keeps words of twelve small letters apart."""
    return ((value << _LEFT) | (value >> _RIGHT)) ^ np.uint64(byte)


@inlined_kernel
def mix_bits(value: np.uint64) -> np.uint64:
    """Spread a hash over all its bits."""
    value = value * _MIX
    return value ^ (value >> _SHIFT)


@inlined_kernel
def tag_of(value: np.uint64) -> np.int64:
    """Choose the part of a hash that a slot keeps."""
    return np.int64(value >> _ONE) & ~_KEY


@inlined_kernel
def find_key(
    data: Bytes, start: Whole, end: Whole, value: np.uint64, index: Index, fold: Bytes
) -> Whole:
    """Return the number of the key with these bytes and this hash, not mixed yet; -1 for none.

    The key is compared with the bytes as `fold` maps them, as is the hash.
    """
    # The low bits of the hash choose the slot, other bits are its tag: keys that differ are told
    # apart by the tag almost always, without touching their bytes.
    mask = np.uint64(len(index.slots) - 1)
    value = mix_bits(value)
    slot, tag = value & mask, tag_of(value)
    while index.slots[slot] >= 0:
        if index.slots[slot] & ~_KEY == tag:
            k: Whole = index.slots[slot] & _KEY
            begin = index.offsets[k]
            if index.offsets[k + 1] - begin == end - start:
                j = 0
                while j < end - start and fold[data[start + j]] == index.data[begin + j]:
                    j += 1
                if j == end - start:
                    return k
        slot = (slot + _ONE) & mask
    return -1


@inlined_kernel
def is_space(data: Bytes, i: Whole, end: Whole) -> int:
    """Return the bytes of the white space at i as str.split() sees it, 0 where there is none."""
    c = data[i]
    if c < 128:
        return 1 if c == 32 or 9 <= c <= 13 or 28 <= c <= 31 else 0
    # U+0085 and U+00A0; then U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+1680 and U+3000.
    if c == 0xC2:
        return 2 if i + 1 < end and (data[i + 1] == 0x85 or data[i + 1] == 0xA0) else 0
    if i + 2 >= end or not 0xE1 <= c <= 0xE3:
        return 0
    d, e = data[i + 1], data[i + 2]
    if c == 0xE2 and d == 0x80:
        return 3 if 0x80 <= e <= 0x8A or e == 0xA8 or e == 0xA9 or e == 0xAF else 0
    other = (c == 0xE2 and d == 0x81 and e == 0x9F) or (c == 0xE1 and d == 0x9A and e == 0x80)
    return 3 if other or (c == 0xE3 and d == 0x80 and e == 0x80) else 0


@inlined_kernel
def decode_point(data: Bytes, i: Whole, end: Whole) -> tuple[Whole, int]:
    """Return the code point at i and its number of bytes; the bytes are valid UTF-8."""
    c = np.int64(data[i])
    if c < 0x80:
        return c, 1
    if c < 0xE0 and i + 1 < end:
        return ((c & 0x1F) << 6) | (data[i + 1] & 0x3F), 2
    if c < 0xF0 and i + 2 < end:
        return ((c & 0x0F) << 12) | ((data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F), 3
    if i + 3 < end:
        high = ((c & 0x07) << 18) | ((data[i + 1] & 0x3F) << 12)
        return high | ((data[i + 2] & 0x3F) << 6) | (data[i + 3] & 0x3F), 4
    return 0xFFFD, 1


@compiled_kernel
def fill_slots(index: Index) -> None:
    """Put the keys into their slots."""
    mask = np.uint64(len(index.slots) - 1)
    for k in range(len(index.offsets) - 1):
        value = HASH_START
        for i in range(index.offsets[k], index.offsets[k + 1]):
            value = hash_step(value, index.data[i])
        value = mix_bits(value)
        slot = value & mask
        while index.slots[slot] >= 0:
            slot = (slot + _ONE) & mask
        index.slots[slot] = tag_of(value) | k


def make_index(keys: Sequence[bytes]) -> Index:
    """Make the hash table of keys that differ, at most 2**24 of them."""
    offsets = np.zeros(len(keys) + 1, np.int64)
    offsets[1:] = np.cumsum([len(key) for key in keys])
    data = np.frombuffer(b"".join(keys) or b"\0", np.uint8).copy()
    # A power of two at two to four times the keys: a miss ends at a free slot after a step or two.
    slots = np.full(1 << max(4, (len(keys) * 4).bit_length()), -1, np.int64)
    index = Index(slots, offsets, data)
    fill_slots(index)
    return index
