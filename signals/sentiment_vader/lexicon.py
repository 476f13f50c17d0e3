"""The words of VADER and what each one means to the rules.

Constants and rules are those of nltk.sentiment.vader (NLTK 3.10.4, Apache-2.0; Hutto and Gilbert,
ICWSM-14). They are written out here because importing NLTK takes a second; a test compares them.
"""

from __future__ import annotations

import importlib.util
import re
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from siftset.schemas.errors import SiftsetError

BOOST: Final = 0.293
CAPITALS: Final = 0.733
NEGATION: Final = -0.74

NEGATIONS: Final = frozenset(
    """aint arent cannot cant couldnt darent didnt doesnt ain't aren't can't couldn't daren't
    didn't doesn't dont hadnt hasnt havent isnt mightnt mustnt neither don't hadn't hasn't haven't
    isn't mightn't mustn't neednt needn't never none nope nor not nothing nowhere oughtnt shant
    shouldnt uhuh wasnt werent oughtn't shan't shouldn't uh-uh wasn't weren't without wont wouldnt
    won't wouldn't rarely seldom despite""".split()
)
_STRONGER: Final = """absolutely amazingly awfully completely considerably decidedly deeply effing
    enormously entirely especially exceptionally extremely fabulously flipping flippin fricking
    frickin frigging friggin fully fucking greatly hella highly hugely incredibly intensely majorly
    more most particularly purely quite really remarkably so substantially thoroughly totally
    tremendously uber unbelievably unusually utterly very""".split()
_WEAKER: Final = """almost barely hardly kinda kindof kind-of less little marginally occasionally
    partly scarcely slightly somewhat sorta sortof sort-of""".split()
WEAKER_PAIRS: Final = frozenset({"just enough", "kind of", "sort of"})
BOOSTERS: Final = dict.fromkeys(_STRONGER, BOOST) | dict.fromkeys(
    [*_WEAKER, *sorted(WEAKER_PAIRS)], -BOOST
)
IDIOMS: Final[Mapping[str, float]] = {
    "the shit": 3,
    "the bomb": 3,
    "bad ass": 1.5,
    "yeah right": -2,
    "cut the mustard": 2,
    "kiss of death": -1.5,
    "hand to mouth": -2,
}
"""Integers stay integers: sum() treats them otherwise than floats."""
PUNCTUATION: Final = frozenset(". ! ? , ; : - ' \" !! !!! ?? ??? ?!? !?! ?!?! !?!?".split())

LEXICON_WORD, BOOSTER, NEGATES, LEAST, AT, VERY, BUT, KIND, OF, UPPER, NEVER, SO_THIS, IDIOM = (
    1 << bit for bit in range(13)
)
_FLAG_OF_WORD: Final = {
    "least": LEAST, "at": AT, "very": VERY, "but": BUT, "kind": KIND, "of": OF,
}  # fmt: skip
_FLAG_OF_EXACT_WORD: Final = {"never": NEVER, "so": SO_THIS, "this": SO_THIS}

_REMOVED: Final = re.compile(f"[{re.escape(string.punctuation)}]")


def _words_of(phrases: Mapping[str, float] | frozenset[str]) -> set[str]:
    return {word for phrase in phrases for word in phrase.split()}


IDIOM_WORDS: Final = {
    word: number
    for number, word in enumerate(sorted(_words_of(IDIOMS) | _words_of(WEAKER_PAIRS)), 1)
}
"""Numbers from 1 of the words that occur in idioms and in boosters of two words."""

SPECIAL_WORDS: Final = frozenset(
    {*NEGATIONS, *BOOSTERS, *_FLAG_OF_WORD, *_FLAG_OF_EXACT_WORD, *IDIOM_WORDS} - WEAKER_PAIRS
)
"""Words, in small letters, that the rules know besides those of the lexicon."""


class LexiconToken(NamedTuple):
    """What the rules need to know of a token; the order is that of the fields."""

    flags: int
    valence: float
    boost: float
    idiom: int
    word: str


def strip_punctuation(token: str) -> str:
    """Drop the punctuation before or after a word, as NLTK's SentiText does.

    Only marks that NLTK lists, on one side, and only where the rest has more than one letter and
    no punctuation inside. NLTK's mapping of a whole text comes to this for each of its tokens.
    """
    word = token if token.isalnum() else _REMOVED.sub("", token)
    if 1 < len(word) < len(token):
        before, after = token[: -len(word)], token[len(word) :]
        if token.endswith(word) and before in PUNCTUATION:
            return word
        if token.startswith(word) and after in PUNCTUATION:
            return word
    return token


def describe_word(word: str, lexicon: Mapping[str, float]) -> LexiconToken:
    """Look up all that the rules ask of a word."""
    small = word.lower()
    if small not in SPECIAL_WORDS and small not in lexicon and "n't" not in small:
        return LexiconToken(UPPER if word.isupper() else 0, 0.0, 0.0, 0, word)
    flags = _FLAG_OF_WORD.get(small, 0) | _FLAG_OF_EXACT_WORD.get(word, 0)
    if small in lexicon:
        flags |= LEXICON_WORD
    if small in BOOSTERS:
        flags |= BOOSTER
    if small in NEGATIONS or "n't" in small:
        flags |= NEGATES
    if word.isupper():
        flags |= UPPER
    if word in IDIOM_WORDS:
        flags |= IDIOM
    boost = BOOSTERS.get(small, 0.0)
    return LexiconToken(flags, lexicon.get(small, 0.0), boost, IDIOM_WORDS.get(word, 0), word)


def parse_lexicon(text: str) -> dict[str, float]:
    """Read a lexicon in NLTK's format: word, tab, valence, and columns that are not used."""
    lexicon: dict[str, float] = {}
    for line in text.split("\n"):
        if stripped := line.strip():
            word, valence, *_ = stripped.split("\t", 2)
            lexicon[word] = float(valence)
    return lexicon


def lexicon_path() -> Path:
    """Find the lexicon in the installed vaderSentiment package, without importing it."""
    found = importlib.util.find_spec("vaderSentiment")
    if found is None or found.origin is None:
        raise SiftsetError(
            "the sentiment lexicon is missing: the package vaderSentiment is not installed; "
            "run  pip install vaderSentiment"
        )
    return Path(found.origin).parent / "vader_lexicon.txt"


@cache
def read_lexicon() -> Mapping[str, float]:
    """Read the lexicon, once in a process."""
    return parse_lexicon(lexicon_path().read_text("utf-8"))
