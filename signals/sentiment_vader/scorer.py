"""VADER's compound score, float for float that of NLTK's SentimentIntensityAnalyzer.

Two scorers give the same floats: plain Python with a memory of tokens, and a compiled kernel for
many texts. NLTK differs from the package vaderSentiment, whose lexicon both use, on 6 to 25 % of
texts; NLTK is the measure here. Two of its habits stay: a repeated token is scored as at its first
position, and idioms and `never so` are known in small letters only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from siftset.signals.kernels.arrow_text import text_bytes, with_nulls_of
from siftset.signals.kernels.compiled import BreakEven, try_kernel
from siftset.signals.sentiment_vader.lexicon import (
    AT,
    BOOST,
    BOOSTER,
    BUT,
    CAPITALS,
    IDIOM,
    IDIOMS,
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
    WEAKER_PAIRS,
    LexiconToken,
    describe_word,
    read_lexicon,
    strip_punctuation,
)

if TYPE_CHECKING:
    from siftset.signals.sentiment_vader.tables import Tables

LOAD_BYTES: Final = 500_000
"""Size of texts at which loading the kernel from the cache costs less than scoring without it."""
COMPILE_BYTES: Final = 20_000_000
"""Size at which the kernel is compiled: less than would pay at once, as later runs gain too."""

_MEMORY: Final = 1_000_000
_BOOSTER_OR_LEXICON_WORD: Final = BOOSTER | LEXICON_WORD
_LEAST_OR_LEXICON_WORD: Final = LEAST | LEXICON_WORD
_MODIFIER: Final = BOOSTER | NEGATES | SO_THIS | IDIOM
_DISTANCES: Final = ((), (1,), (1, 2), (1, 2, 3))


class Memory(dict[str, LexiconToken | None]):
    """What is known of each raw token, worked out when first met; None for single letters."""

    def __init__(self, lexicon: Mapping[str, float]) -> None:
        super().__init__()
        self._lexicon = lexicon

    def __missing__(self, token: str) -> LexiconToken | None:
        if len(self) > _MEMORY:
            self.clear()
        known = None
        if len(token) > 1:
            known = describe_word(strip_punctuation(token), self._lexicon)
        self[token] = known
        return known


class TokenScorer:
    """Scores one text at a time in plain Python."""

    def __init__(self, lexicon: Mapping[str, float]) -> None:
        self._known = Memory(lexicon).__getitem__

    def __call__(self, text: str) -> float:
        """Give the compound score of a text, from -1 to 1."""
        tokens = list(filter(None, map(self._known, text.split())))
        flags = [token[0] for token in tokens]
        met = reduce(or_, flags, 0)
        if not met & LEXICON_WORD:
            return 0.0
        total = float(sum(_score_words(tokens, flags, met)))
        if total:
            emphasis = _weigh_punctuation(text)
            total += emphasis if total > 0 else -emphasis
        return round(total / math.sqrt(total * total + 15), 4)


def _score_words(tokens: list[LexiconToken], flags: list[int], met: int) -> list[float]:
    """Score the lexicon's words of a text; the other words count nothing."""
    capitals = bool(met & UPPER) and not all(flag & UPPER for flag in flags)
    but = next(q for q, flag in enumerate(flags) if flag & BUT) if met & BUT else None
    first: dict[str, int] = {}
    valences: list[float] = []
    for q in [q for q, f in enumerate(flags) if f & _BOOSTER_OR_LEXICON_WORD == LEXICON_WORD]:
        i = first.setdefault(tokens[q][4], q)
        if flags[q] & KIND and i < len(flags) - 1 and flags[i + 1] & OF:
            continue
        value = _score_token(tokens, flags, i, capitals)
        # what comes before the first `but` is halved, what comes after raised
        weight = 1.0 if but is None or q == but else 0.5 if q < but else 1.5
        valences.append(value * weight)
    return valences


def _score_token(tokens: list[LexiconToken], flags: list[int], i: int, capitals: bool) -> float:
    """Score the token at i by the three before it and the two after."""
    value = tokens[i][1]
    if capitals and flags[i] & UPPER:
        value = value + CAPITALS if value > 0 else value - CAPITALS
    met = 0
    for flag in flags[max(i - 3, 0) : i + 1]:
        met |= flag
    if met & _MODIFIER:
        value = _apply_modifiers(value, tokens, flags, i, capitals)
    if met & LEAST and i and flags[i - 1] & _LEAST_OR_LEXICON_WORD == LEAST:
        return value if i > 1 and flags[i - 2] & (AT | VERY) else value * NEGATION
    return value


def _apply_modifiers(
    value: float, tokens: list[LexiconToken], flags: list[int], i: int, capitals: bool
) -> float:
    """Weigh boosters, negations and idioms among the three words before."""
    for distance in _DISTANCES[min(i, 3)]:
        flag = flags[i - distance]
        if flag & LEXICON_WORD:
            continue
        if flag & BOOSTER:
            boost = tokens[i - distance][2]
            value = _apply_boost(value, distance, boost, capitals and bool(flag & UPPER))
        if flag & NEGATES or flags[i - 1] & SO_THIS or (distance > 1 and flags[i - 2] & SO_THIS):
            value = _apply_negation(value, distance, flags, i)
        if distance == 3 and any([flag & IDIOM for flag in flags[i - 3 : i + 1]]):  # noqa: C419
            value = _apply_idiom(value, [token[4] for token in tokens[i - 3 : i + 3]])
    return value


def _apply_boost(value: float, distance: int, boost: float, emphasised: bool) -> float:
    """Add the boost of a word some places before to a valence."""
    if value < 0:
        boost = -boost
    if emphasised:
        boost = boost + CAPITALS if value > 0 else boost - CAPITALS
    if distance == 2:
        boost *= 0.95
    elif distance == 3:
        boost *= 0.9
    return value + boost


def _apply_negation(value: float, distance: int, flags: list[int], i: int) -> float:
    """Weigh a negation, or `never so`, some places before."""
    if distance > 1:
        last = flags[i - 1] & SO_THIS
        if distance == 2 and last and flags[i - 2] & NEVER:
            return value * 1.5
        if distance == 3 and (last or (flags[i - 3] & NEVER and flags[i - 2] & SO_THIS)):
            return value * 1.25
    return value * NEGATION if flags[i - distance] & NEGATES else value


def _apply_idiom(value: float, words: list[str]) -> float:
    """Put an idiom's valence in place of that of the fourth word; weaken it after `kind of`."""
    for start, end in ((2, 4), (1, 4), (1, 3), (0, 3), (0, 2)):
        phrase = " ".join(words[start:end])
        if phrase in IDIOMS:
            value = IDIOMS[phrase]
            break
    value = IDIOMS.get(" ".join(words[3:5]), value)
    value = IDIOMS.get(" ".join(words[3:6]), value)
    if " ".join(words[0:2]) in WEAKER_PAIRS or " ".join(words[1:3]) in WEAKER_PAIRS:
        value -= BOOST
    return value


def _weigh_punctuation(text: str) -> float:
    """Weigh the exclamation and question marks of a text."""
    questions = text.count("?")
    emphasis = min(text.count("!"), 4) * 0.292
    if questions > 3:
        return emphasis + 0.96
    return emphasis + questions * 0.18 if questions > 1 else emphasis


class VaderScorer:
    """Scores series of texts, compiled or not as is cheaper; safe to share between threads."""

    def __init__(self, lexicon: Mapping[str, float] | None = None) -> None:
        self._lexicon = read_lexicon() if lexicon is None else lexicon
        self._plain = TokenScorer(self._lexicon)
        self._compilable = all(word.isascii() for word in self._lexicon if word == word.lower())
        self._break_even = BreakEven("compounds", load=LOAD_BYTES, compile=COMPILE_BYTES)

    def __call__(self, texts: pl.Series) -> pl.Series:
        """Give the compound score of each text as Float64; null for null."""
        found = None
        if self.use_kernel(texts):
            found = try_kernel(lambda: self.score_compiled(texts))
        return self.score_plain(texts) if found is None else found

    def score_plain(self, texts: pl.Series) -> pl.Series:
        """Score in plain Python."""
        score = self._plain
        scores = [None if text is None else score(text) for text in texts.to_list()]
        return pl.Series(texts.name, scores, pl.Float64)

    def score_compiled(self, texts: pl.Series) -> pl.Series:
        """Score by the kernel, which needs numba."""
        from siftset.signals.sentiment_vader.kernel import SUMS, compounds
        from siftset.signals.sentiment_vader.tokens_kernel import make_tokens

        scores, text = np.zeros(len(texts)), text_bytes(texts)
        compounds(text, self._tables, make_tokens(text, self._tables), SUMS, scores)
        left = np.flatnonzero(np.isnan(scores))
        # rounded as round() does: where a half is near, by round() itself
        scaled = scores * 1e4
        rounded = np.rint(scaled) / 1e4
        near_half = np.abs(np.abs(scaled - np.floor(scaled)) - 0.5) < 1e-6
        for row in np.flatnonzero(near_half).tolist():
            rounded[row] = round(float(scores[row]), 4)
        for row in left.tolist():
            text = texts[row]
            rounded[row] = 0.0 if text is None else self._plain(text)
        return with_nulls_of(texts, rounded)

    @cached_property
    def _tables(self) -> Tables:
        from siftset.signals.sentiment_vader.tables import make_tables

        return make_tables(self._lexicon)

    def use_kernel(self, texts: pl.Series) -> bool:
        """Tell whether the texts met so far and these would have paid for the kernel."""
        return self._compilable and self._break_even.is_reached(texts)
