"""VADER over Arrow's bytes, compiled: the rules of signals.sentiment_vader.scorer,
token by token.

NLTK's mapping of a text comes to a question about each token, so that a score depends on the
features of the tokens, on which tokens are equal, and on the numbers of ! and ? alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from siftset.signals.kernels.arrow_text import TextBytes
from siftset.signals.kernels.bytes_kernel import Bytes, Floats, Integers, Whole
from siftset.signals.kernels.compiled import compiled_kernel, inlined_kernel
from siftset.signals.sentiment_vader.lexicon import (
    AT,
    BOOST,
    BOOSTER,
    BUT,
    CAPITALS,
    IDIOM,
    KIND,
    LEAST,
    LEXICON_WORD,
    NEGATES,
    NEGATION,
    NEVER,
    OF,
    SO_THIS,
    UPPER,
    VERY,
)
from siftset.signals.sentiment_vader.tables import EMPHASIS, Tables, VaderWords
from siftset.signals.sentiment_vader.tokens_kernel import VaderTokens, read_tokens

_INTEGER = 1 << 13  # a token whose score NLTK has as an integer


class Sums(NamedTuple):
    """How sum() adds floats in the running Python: 3.12 began to compensate their errors."""

    compensated: bool
    integers_too: bool


SUMS = Sums(
    compensated=sum([1e16, 1.0, 1.0]) > 1e16,
    integers_too=sum([1e16, 1, 1]) > 1e16,
)


@inlined_kernel
def _first_spelling(data: Bytes, tokens: VaderTokens, n: int) -> None:
    """Find the first token equal to token n among the spellings of its word in this text."""
    start, size = tokens.start[n], tokens.end[n] - tokens.start[n]
    word = tokens.word[n]
    # NLTK finds a token's place by list.index, so equal tokens are all scored where the first
    # stands. Spellings of one word (`Good`, `GOOD`) differ, hence a list of spellings for each
    # word.
    p = tokens.heads[word]
    while p >= 0:
        if tokens.end[p] - tokens.start[p] == size:
            j = 0
            while j < size and data[tokens.start[p] + j] == data[start + j]:
                j += 1
            if j == size:
                tokens.first[n] = p
                return
        p = tokens.chain[p]
    tokens.first[n] = n
    tokens.chain[n] = tokens.heads[word]
    tokens.heads[word] = n


@inlined_kernel
def _idiom_word(tokens: VaderTokens, words: VaderWords, n: int, i: int) -> Whole:
    """Return the number of a word of idioms; 0 for other words."""
    if i < n and tokens.flags[i] & IDIOM:
        number: Whole = words.idiom[tokens.word[i]]
        return number
    return 0


@inlined_kernel
def _near_idiom(flags: Integers, n: int, i: int) -> bool:
    """Tell whether two words of idioms stand side by side around the token at i."""
    last = 0
    for q in range(i - 3, min(i + 3, n)):
        if last & flags[q] & IDIOM:
            return True
        last = flags[q]
    return False


@inlined_kernel
def _apply_idioms(
    tokens: VaderTokens, tables: Tables, n: int, i: int, value: float
) -> tuple[float, bool]:
    """Put an idiom's valence in place of the word's; tell whether it is an integer."""
    words, pairs, triples = tables.words, tables.idioms.pairs, tables.idioms.triples
    before3, before2 = _idiom_word(tokens, words, n, i - 3), _idiom_word(tokens, words, n, i - 2)
    before1, here = _idiom_word(tokens, words, n, i - 1), _idiom_word(tokens, words, n, i)
    after1, after2 = _idiom_word(tokens, words, n, i + 1), _idiom_word(tokens, words, n, i + 2)
    # NLTK takes the first of five sequences that ends here, then lets two that begin here override
    # it. NaN stands for no idiom, and index 0 for a word of none, so no bounds are asked.
    found = pairs[before1, here]
    if math.isnan(found):
        found = triples[before2, before1, here]
    if math.isnan(found):
        found = pairs[before2, before1]
    if math.isnan(found):
        found = triples[before3, before2, before1]
    if math.isnan(found):
        found = pairs[before3, before2]
    if not math.isnan(pairs[here, after1]):
        found = pairs[here, after1]
    if not math.isnan(triples[here, after1, after2]):
        found = triples[here, after1, after2]
    integer = not math.isnan(found) and found == math.floor(found)
    if not math.isnan(found):
        value = found
    if tables.idioms.weaker[before3, before2] or tables.idioms.weaker[before2, before1]:
        return value - BOOST, False
    return value, integer


@inlined_kernel
def _apply_boost(value: float, distance: int, boost: float, emphasised: bool) -> float:
    """Add the boost of a word some places before to a valence."""
    boost = boost if value >= 0 else -boost
    if emphasised:
        boost = boost + CAPITALS if value > 0 else boost - CAPITALS
    if distance == 2:
        boost *= 0.95
    elif distance == 3:
        boost *= 0.9
    return value + boost


@inlined_kernel
def _apply_negation(value: float, distance: int, flags: Integers, i: int) -> float:
    """Weigh a negation, or `never so`, some places before."""
    # The precedence of `and` over `or` in NLTK's condition at three words is kept, as scores show
    # it.
    if distance == 2 and flags[i - 2] & NEVER and flags[i - 1] & SO_THIS:
        return value * 1.5
    if distance == 3 and (
        (flags[i - 3] & NEVER and flags[i - 2] & SO_THIS) or flags[i - 1] & SO_THIS
    ):
        return value * 1.25
    if flags[i - distance] & NEGATES:
        return value * NEGATION
    return value


@inlined_kernel
def _score_token(
    tokens: VaderTokens, tables: Tables, n: int, i: int, capitals: bool
) -> tuple[float, bool]:
    """Score the token at i by those around it; tell whether the score is an integer."""
    flags = tokens.flags
    value, integer = tables.words.valence[tokens.word[i]], False
    if flags[i] & UPPER and capitals:
        value = value + CAPITALS if value > 0 else value - CAPITALS
    for distance in range(1, min(i, 3) + 1):
        other = flags[i - distance]
        if other & LEXICON_WORD:
            continue
        if other & BOOSTER:
            boost = tables.words.boost[tokens.word[i - distance]]
            value = _apply_boost(value, distance, boost, capitals and other & UPPER != 0)
        value = _apply_negation(value, distance, flags, i)
        if distance == 3 and _near_idiom(flags, n, i):
            value, integer = _apply_idioms(tokens, tables, n, i, value)
    least = i > 0 and flags[i - 1] & LEAST and not flags[i - 1] & LEXICON_WORD
    if least and (i == 1 or not flags[i - 2] & (AT | VERY)):
        return value * NEGATION, False
    return value, integer


@inlined_kernel
def _weigh_punctuation(data: Bytes, start: int, end: int) -> float:
    """Weigh the exclamation and question marks of a text."""
    exclamations = questions = 0
    for i in range(start, end):
        exclamations += data[i] == 33
        questions += data[i] == 63
    emphasis = min(exclamations, 4) * 0.292
    if questions > 3:
        return emphasis + 0.96
    return emphasis + questions * 0.18 if questions > 1 else emphasis


@inlined_kernel
def _capitals_differ(flags: Integers, n: int) -> bool:
    """Tell whether some but not all tokens are in capitals."""
    upper = 0
    for q in range(n):
        upper += flags[q] & UPPER != 0
    return 0 < upper < n


@inlined_kernel
def _first_but(flags: Integers, n: int) -> int:
    """Find the first `but`; n where there is none."""
    for q in range(n):
        if flags[q] & BUT:
            return q
    return n


@inlined_kernel
def _score_tokens(
    data: Bytes, tokens: VaderTokens, tables: Tables, n: int, scored: int, met: Whole
) -> None:
    """Score the tokens that count; one equal to an earlier token gets that one's score."""
    flags = tokens.flags
    capitals = met & UPPER != 0 and _capitals_differ(flags, n)
    for s in range(scored):
        q = tokens.scored[s]
        _first_spelling(data, tokens, q)
        i = tokens.first[q]
        if i < q:
            tokens.valence[q] = tokens.valence[i]
            flags[q] |= flags[i] & _INTEGER
        elif flags[q] & KIND and i < n - 1 and flags[i + 1] & OF:
            tokens.valence[q] = 0.0
            flags[q] |= _INTEGER
        else:
            tokens.valence[q], integer = _score_token(tokens, tables, n, i, capitals)
            flags[q] |= _INTEGER if integer else 0
    # Only what this text set is cleared: the table of words is far longer than a text.
    for s in range(scored):
        tokens.heads[tokens.word[tokens.scored[s]]] = -1


@inlined_kernel
def _sum_valences(tokens: VaderTokens, scored: int, but: int, sums: Sums) -> float:
    """Add up the scores as sum() does, after weighing those before and after `but`."""
    total = carry = 0.0
    only_integers = True
    for s in range(scored):
        q = tokens.scored[s]
        value, integer = tokens.valence[q], tokens.flags[q] & _INTEGER != 0
        if but >= 0 and q != but:
            value *= 0.5 if q < but else 1.5
            integer = False
        added = total + value
        # Neumaier's sum, which CPython has from 3.12 on. It starts with the first float: while all
        # values are Python integers, sum() adds exactly and carries nothing.
        if sums.compensated and not only_integers and (sums.integers_too or not integer):
            larger, smaller = (total, value) if abs(total) >= abs(value) else (value, total)
            carry += (larger - added) + smaller
        only_integers = only_integers and integer
        total = added
    return total + carry


@compiled_kernel
def compounds(
    text: TextBytes, tables: Tables, tokens: VaderTokens, sums: Sums, scores: Floats
) -> None:
    """Score each text before rounding; NaN leaves a text to the caller."""
    for r in range(len(scores)):
        start, end = text.offsets[r], text.offsets[r + 1]
        n, scored, met = read_tokens(text.data, start, end, tables, tokens)
        if met < 0:
            scores[r] = np.nan
            continue
        scores[r] = 0.0
        if not scored:
            continue
        _score_tokens(text.data, tokens, tables, n, scored, met)
        total = _sum_valences(
            tokens, scored, _first_but(tokens.flags, n) if met & BUT else -1, sums
        )
        emphasis = _weigh_punctuation(text.data, start, end) if met & EMPHASIS else 0.0
        if total > 0:
            total += emphasis
        elif total < 0:
            total -= emphasis
        # VADER's normalization: total / sqrt(total**2 + alpha), alpha = 15.
        scores[r] = total / math.sqrt(total * total + 15)
