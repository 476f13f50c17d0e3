"""Read a text's tokens from its bytes, compiled.

Tokens of ASCII letters are looked up in a hash table; of others only capitals matter to the rules,
and these are in a table by code point. The Kelvin sign is a capital whose small form is ASCII's k;
a text with another letter of that sort, should Unicode come to have one, is left to the caller.
"""

from __future__ import annotations

import string
from typing import NamedTuple

import numpy as np

from siftset.signals.kernels.arrow_text import TextBytes
from siftset.signals.kernels.bytes_kernel import (
    HASH_START,
    SMALL,
    Bytes,
    Floats,
    Integers,
    Whole,
    decode_point,
    find_key,
    hash_step,
    is_space,
)
from siftset.signals.kernels.compiled import inlined_kernel
from siftset.signals.sentiment_vader.lexicon import (
    BOOSTER,
    IDIOM,
    LEXICON_WORD,
    NEGATES,
    NEVER,
    SO_THIS,
    UPPER,
)
from siftset.signals.sentiment_vader.tables import (
    CASE_CAPITAL,
    CASE_LEFT,
    CASE_OTHER,
    CASE_SMALL,
    EMPHASIS,
    Tables,
)


class VaderTokens(NamedTuple):
    """The tokens of one text, after stripping."""

    start: Integers
    end: Integers
    flags: Integers
    word: Integers
    first: Integers
    """Position of the first equal token, which NLTK scores in place of each."""
    chain: Integers
    """Position of an earlier spelling of the same word, -1 where there is none."""
    scored: Integers
    """Positions of the tokens that count, in order."""
    valence: Floats
    """Score of the token before `but` is weighed."""
    heads: Integers
    """Position of the last spelling of each word in this text, -1 between texts."""
    plain: Bytes
    """A token with K for the Kelvin sign."""


class Span(NamedTuple):
    """A token as it stands between white space."""

    end: Whole
    characters: Whole
    marks: int
    kinds: int
    """Kinds of bytes in it."""
    hash: np.uint64
    """Hash of its small letters."""


def _byte_kind(c: int) -> int:
    letter = chr(c)
    if c >= 128:
        return _HIGH
    if letter.isspace():
        return _SPACE
    if letter in string.punctuation:
        return _MARK | (_APOSTROPHE if letter == "'" else _EMPHATIC if letter in "!?" else 0)
    return _CAP if letter.isupper() else _SML if letter.islower() else 0


_MARK, _APOSTROPHE, _SML, _HIGH, _SPACE = (1 << bit for bit in range(5))
_KELVIN = 0x212A
_EMPHATIC = 64
_CAP = 32  # the bit by which ASCII's small letters differ
_KINDS = np.array([_byte_kind(c) for c in range(256)], np.uint8)


@inlined_kernel
def _scan_token(data: Bytes, start: Whole, end: Whole) -> Span:
    """Read up to the next white space."""
    i, stop = np.uint64(start), np.uint64(end)  # unsigned: an index that needs no check
    kinds, marks, inside = 0, 0, 0
    value = HASH_START
    while i < stop:
        c = data[i]
        kind = _KINDS[c]
        if kind & (_SPACE | _HIGH):
            if kind & _SPACE or is_space(data, np.int64(i), end):
                break
            # Bytes 128 to 191 go on with a character; the others begin one, so these are no
            # characters.
            inside += c < 192
        kinds |= kind
        marks += kind & _MARK
        # _CAP is the bit by which small letters differ: the hash is that of the small letters.
        value = hash_step(value, c | (kind & _CAP))
        i += np.uint64(1)
    stopped = np.int64(i)
    return Span(stopped, stopped - start - inside, marks, kinds, value)


@inlined_kernel
def _is_stripped(data: Bytes, start: Whole, end: Whole, marks: Integers) -> bool:
    """Tell whether NLTK strips this punctuation."""
    # Listed punctuation has at most five bytes, which fit into one number with room to spare.
    packed: Whole = 0
    for i in range(start, min(end, start + 5)):
        packed = (packed << 8) | np.int64(data[i])
    for mark in marks:  # noqa: SIM110  any() is not compiled
        if mark == packed:
            return True
    return False


@inlined_kernel
def _strip_side(
    data: Bytes, start: Whole, end: Whole, inner: Whole, marks: Integers
) -> tuple[Whole, Whole]:
    """Drop listed punctuation on one side of a token that has `inner` marks in all."""
    before, after = start, end
    while _KINDS[data[before]] & _MARK:
        before += 1
    while _KINDS[data[after - 1]] & _MARK:
        after -= 1
    # NLTK strips a token's marks only where what is left is the token without any punctuation.
    if before - start + end - after != inner:
        return start, end
    if after == end and before > start and _is_stripped(data, start, before, marks):
        return before, end
    if before == start and after < end and _is_stripped(data, after, end, marks):
        return start, after
    return start, end


@inlined_kernel
def _has_not(data: Bytes, start: Whole, end: Whole) -> bool:
    """Tell whether a token has n't in it, in any case."""
    for i in range(start + 1, end - 1):
        if data[i] == 39 and (data[i - 1] | 32) == 110 and (data[i + 1] | 32) == 116:
            return True
    return False


@inlined_kernel
def _token_case(data: Bytes, start: Whole, end: Whole, cases: Bytes) -> int:
    """Answer str.isupper() of a token with UPPER or 0; -1 leaves the text to the caller."""
    upper = lower = False
    i = start
    while i < end:
        point, width = decode_point(data, i, end)
        case = cases[point] if point < len(cases) else CASE_OTHER
        if case == CASE_LEFT:
            return -1
        upper = upper or case == CASE_CAPITAL
        lower = lower or case == CASE_SMALL
        i += width
    return UPPER if upper and not lower else 0


@inlined_kernel
def _with_kelvins(data: Bytes, start: Whole, end: Whole, tables: Tables, plain: Bytes) -> Whole:
    """Return the number of the word that a token with a letter beyond ASCII is, -1 for none."""
    size, value = 0, HASH_START
    i = start
    while i < end:
        point, width = decode_point(data, i, end)
        if point != _KELVIN and width > 1:
            return -1
        plain[size] = 75 if point == _KELVIN else data[i]
        value = hash_step(value, SMALL[plain[size]])
        size += 1
        i += width
    return find_key(plain, 0, size, value, tables.words.table, SMALL)


@inlined_kernel
def _look_up(
    data: Bytes, span: Span, start: Whole, end: Whole, tables: Tables, plain: Bytes
) -> tuple[Whole, Whole]:
    """Look up a stripped token; return the number of its word and its flags, -1 where left."""
    others = len(tables.words.flags) - 1
    if span.kinds & _HIGH:
        flags = _token_case(data, start, end, tables.cases)
        if flags < 0:
            return others, flags
        word: Whole = _with_kelvins(data, start, end, tables, plain)
        if word < 0:
            word = others
        flags |= tables.words.flags[word] & ~(NEVER | SO_THIS | IDIOM)
    else:
        value = span.hash
        if end - start != span.characters:
            value = HASH_START
            for j in range(start, end):
                value = hash_step(value, SMALL[data[j]])
        word = find_key(data, start, end, value, tables.words.table, SMALL)
        if word < 0:
            word = others
        flags = tables.words.flags[word]
        # These rules compare the token as it is written with words in small letters.
        if span.kinds & _CAP:
            flags = flags & ~(NEVER | SO_THIS | IDIOM)
            if not span.kinds & _SML:
                flags |= UPPER
    if span.kinds & _APOSTROPHE and _has_not(data, start, end):
        flags |= NEGATES
    return word, flags


@inlined_kernel
def read_tokens(
    data: Bytes, i: Whole, end: Whole, tables: Tables, tokens: VaderTokens
) -> tuple[int, int, Whole]:
    """Read the tokens of a text.

    Return their number, that of those to be scored, and all flags met with EMPHASIS; -1 for these
    leaves the text to the caller.
    """
    n, scored = 0, 0
    met: Whole = 0
    kinds = 0
    while i < end:
        space = is_space(data, i, end)
        if space:
            i += space
            continue
        span = _scan_token(data, i, end)
        kinds |= span.kinds
        if span.characters > 1:
            a, b = i, span.end
            if span.marks and span.characters - span.marks > 1:
                a, b = _strip_side(data, a, b, span.marks, tables.marks)
            word, flags = _look_up(data, span, a, b, tables, tokens.plain)
            if flags < 0:
                return 0, 0, -1
            tokens.start[n], tokens.end[n] = a, b
            tokens.flags[n], tokens.word[n] = flags, word
            tokens.scored[scored] = n
            scored += flags & (LEXICON_WORD | BOOSTER) == LEXICON_WORD
            met = met | flags
            n += 1
        i = span.end
    return n, scored, met | EMPHASIS if kinds & _EMPHATIC else met


def make_tokens(text: TextBytes, tables: Tables) -> VaderTokens:
    """Make room for the tokens of the longest text: each has two bytes and white space."""
    longest = int(np.diff(text.offsets).max(initial=0))
    most = longest // 3 + 1
    heads = np.full(len(tables.words.flags), -1, np.int64)
    valence, plain = np.empty(most), np.empty(longest + 1, np.uint8)
    return VaderTokens._make([*np.empty((7, most), np.int64), valence, heads, plain])
