"""The document heuristics as the library datatrove 0.10 computes them, for who compares with it.

They differ from the papers in what a word is (punctuation and the parts of contractions are words),
in which lines count, and in how repetition is added up.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from siftset.signals.words.english_tokens import split_words

if TYPE_CHECKING:
    from siftset.signals.builtin.document_limits import C4Quality, FinewebQuality, GopherQuality

_MARKS: Final = frozenset(
    "!/\u2014\u201d:\uff05\uff11\u3008&(\u3001\u2501\\\u3010#%\u300c\u300d\uff0c\u3011\uff1b+^]~\u201c"
    "\u300a\u201e';\u2019{|\u2236\u00b4[=-`*\uff0e\uff08\u2013\uff1f\uff01\uff1a$\uff5e\u00ab\u3009,><"
    '\u300b)?\uff09\u3002\u2026@_."}\u25ba\u00bb'
)
_STOP_WORDS: Final = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_TERMINAL: Final = tuple(
    "!.?\u3002\uff1f\uff01\uff0e\u0964\u2047\u2048\u2049\u203c\u061f\u06d4\u0589"
)
_CITED: Final = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY: Final = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies",
    "use cookies",
)  # fmt: skip
_LONGEST_WORD: Final = 1000
_FEWEST_WORDS: Final = 3
_TOP: Final = {2: 0.20, 3: 0.18, 4: 0.16}
_AGAIN: Final = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def passes_gopher(text: str, limits: GopherQuality) -> bool:
    """Say whether a text passes GopherQualityFilter."""
    words = split_words(text)
    plain = [w for w in words if any(c not in _MARKS and c.isprintable() for c in w)]
    if not plain or not limits.min_words <= len(plain) <= limits.max_words:
        return False
    lines = text.splitlines()
    bullets = sum(line.lstrip().startswith(("\u2022", "-")) for line in lines)
    ellipses = sum(line.rstrip().endswith(("...", "\u2026")) for line in lines)
    return (
        limits.min_word_chars <= sum(map(len, plain)) / len(plain) <= limits.max_word_chars
        and text.count("#") / len(words) <= limits.max_symbols
        and (text.count("...") + text.count("\u2026")) / len(words) <= limits.max_symbols
        and bullets / len(lines) <= limits.max_bullets
        and ellipses / len(lines) <= limits.max_ellipses
        and sum(any(map(str.isalpha, w)) for w in words) / len(words) >= limits.min_alphabetic
        and len(_STOP_WORDS.intersection(words)) >= limits.min_stop_words
    )


def exceed_gopher_repetition(text: str) -> float:
    """Give the worst share over its limit in GopherRepetitionFilter; infinite without a text."""
    if not text:
        return math.inf
    shares = [0.0]
    for pattern, whole in ((r"\n{2,}", text.strip()), (r"\n+", text)):
        parts = re.split(pattern, whole)
        rows, chars = _count_repeats(parts)
        shares += [rows / len(parts) / 0.30, chars / len(text) / 0.20]
    words = split_words(text)
    for n, limit in _TOP.items():
        grams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
        # a phrase counts from its first time on, though it stands there once
        shares += [len(gram) * times / len(text) / limit for gram, times in grams.most_common(1)]
    shares += [_repeated_chars(words, n) / len(text) / limit for n, limit in _AGAIN.items()]
    return max(shares)


def passes_fineweb(text: str, limits: FinewebQuality) -> bool:
    """Say whether a text passes FineWebQualityFilter."""
    lines = [line for line in text.split("\n") if line.strip()]
    return bool(lines) and (
        sum(line.endswith(_TERMINAL) for line in lines) / len(lines) >= limits.min_ended_lines
        and sum(len(line) <= limits.short for line in lines) / len(lines) <= limits.max_short_lines
        and _count_repeats(lines)[1] / len(text.replace("\n", "")) <= limits.max_duplicate_chars
        and text.count("\n") / len(split_words(text)) <= limits.max_newlines
    )


def passes_c4(text: str, limits: C4Quality) -> bool:
    """Say whether C4QualityFilter keeps a page: enough sentences in the lines that it would keep.

    Of the limits `min_sentences` and `policy` count.
    """
    sentences = 0
    for line in map(str.strip, text.splitlines()):
        words, line = line.split(), _CITED.sub("", line)
        ended = line.endswith((".", "?", "!", '"', "'")) and not line.endswith("...")
        longest = max(map(len, words), default=0)
        if not ended or longest > _LONGEST_WORD or len(words) < _FEWEST_WORDS:
            continue
        low = line.lower()
        if "lorem ipsum" in low or ("{" in line and "javascript" not in low):
            return False
        policy = limits.policy and any(phrase in low for phrase in _POLICY)
        if "javascript" not in low and not policy:
            sentences += _count_sentences(line)
    return sentences >= limits.min_sentences


def _count_repeats(parts: Sequence[str]) -> tuple[int, int]:
    """Count the parts that were met before, and their characters."""
    counts = Counter(parts)
    return len(parts) - len(counts), sum((n - 1) * len(part) for part, n in counts.items())


def _repeated_chars(words: Sequence[str], n: int) -> int:
    """Count the characters of runs of n words that were met before, no word twice."""
    seen: set[str] = set()
    place = chars = 0
    while place < len(words) - n + 1:
        run = "".join(words[place : place + n])
        if run in seen:
            chars += len(run)
            place += n
        else:
            seen.add(run)
            place += 1
    return chars


def _count_sentences(line: str) -> int:
    """Count sentences: one begins where a word follows a mark that ends one."""
    found, ended = 0, True
    for word in split_words(line):
        terminal = word in _TERMINAL
        if ended and not terminal and not all(unicodedata.category(c)[0] == "P" for c in word):
            found, ended = found + 1, False
        ended = ended or terminal
    return found
