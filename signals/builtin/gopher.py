"""The document heuristics of Gopher: quality and repetition."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import polars as pl
from pydantic import Field

from siftset.signals.builtin.datatrove_rules import exceed_gopher_repetition, passes_gopher
from siftset.signals.builtin.document_limits import GopherQuality, Rules
from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal

PAPER = "Rae et al. 2021, Scaling Language Models (Gopher), table A1"
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_WORD = r"\S+"


def words_of(text: pl.Expr) -> pl.Expr:
    """Count the words: runs of anything but white space."""
    return text.str.count_matches(_WORD)


def _share_of_lines(text: pl.Expr, pattern: str) -> pl.Expr:
    lines = text.str.count_matches(r"(?m)^.*\S.*$")
    return text.str.count_matches(pattern) / lines.clip(lower_bound=1)


@family(
    GopherQuality,
    definition=f"{PAPER}; a word is a run of anything but white space",
    examples=[
        ({"min_words": 5}, "The shoes that I have are the best of them.", True),
        ({}, "Too short.", False),
        ({"min_words": 1, "min_stop_words": 0}, "#### #### 12 34", False),
        ({}, None, None),
    ],
)
def gopher_quality(parameters: GopherQuality, build: Build) -> Signal:
    """Whether a document passes the quality rules of Gopher."""
    if parameters.rules == "datatrove":
        return build.row(lambda text: passes_gopher(text, parameters))

    def passes_limits(text: pl.Expr) -> pl.Expr:
        words = words_of(text)
        each = words.clip(lower_bound=1)
        length = text.str.replace_all(r"\s+", "").str.len_chars() / each
        stops = sum(
            (text.str.contains(rf"(?i)\b{word}\b").cast(pl.Int32) for word in STOP_WORDS),
            start=pl.lit(0),
        )
        return (
            words.is_between(parameters.min_words, parameters.max_words)
            & length.is_between(parameters.min_word_chars, parameters.max_word_chars)
            & (text.str.count_matches(r"#|\.\.\.|\u2026") / each <= parameters.max_symbols)
            & (_share_of_lines(text, r"(?m)^\s*[\u2022\u2023*-]") <= parameters.max_bullets)
            & (_share_of_lines(text, r"(?m)(?:\.\.\.|\u2026)[^\S\n]*$") <= parameters.max_ellipses)
            & (text.str.count_matches(r"[^\s\p{L}]*\p{L}\S*") / each >= parameters.min_alphabetic)
            & (stops >= parameters.min_stop_words)
        )

    return build.expression(passes_limits)


LIMITS: dict[str, float] = {
    "duplicate_lines": 0.30,
    "duplicate_paragraphs": 0.30,
    "duplicate_line_chars": 0.20,
    "duplicate_paragraph_chars": 0.20,
    **{f"top_{n}_gram": limit for n, limit in ((2, 0.20), (3, 0.18), (4, 0.16))},
    **{f"duplicate_{n}_grams": round(0.15 - 0.01 * (n - 5), 2) for n in range(5, 11)},
}
"""The paper's limits; each is a share of lines, paragraphs or characters."""


def duplicate_shares(parts: Sequence[str]) -> tuple[float, float]:
    """Return the share of parts that repeat an earlier one, and their share of characters."""
    if not parts:
        return 0.0, 0.0
    seen: set[str] = set()
    repeats = [part for part in parts if part in seen or seen.add(part)]  # type: ignore[func-returns-value]
    chars = sum(map(len, parts))
    return len(repeats) / len(parts), sum(map(len, repeats)) / max(chars, 1)


def top_gram_share(words: Sequence[str], n: int, chars: int) -> float:
    """Return the share of characters in the n-gram that fills the most of them."""
    grams = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    filled = (count * sum(map(len, gram)) for gram, count in grams.items() if count > 1)
    return max(filled, default=0) / max(chars, 1)


def duplicate_gram_share(words: Sequence[str], n: int, chars: int) -> float:
    """Return the share of characters in n-grams that occur before, each character once."""
    seen: set[tuple[str, ...]] = set()
    repeated = bytearray(len(words))
    for start in range(len(words) - n + 1):
        gram = tuple(words[start : start + n])
        if gram in seen:
            repeated[start : start + n] = b"\1" * n
        seen.add(gram)
    return sum(len(w) for w, again in zip(words, repeated, strict=True) if again) / max(chars, 1)


def repetition_shares(text: str) -> dict[str, float]:
    """Measure every share of LIMITS."""
    lines = [line for line in (raw.strip() for raw in text.split("\n")) if line]
    paragraphs = [part for part in (raw.strip() for raw in re.split(r"\n\s*\n", text)) if part]
    words = text.split()
    chars = sum(map(len, words))
    line_share, line_chars = duplicate_shares(lines)
    paragraph_share, paragraph_chars = duplicate_shares(paragraphs)
    return {
        "duplicate_lines": line_share,
        "duplicate_paragraphs": paragraph_share,
        "duplicate_line_chars": line_chars,
        "duplicate_paragraph_chars": paragraph_chars,
        **{f"top_{n}_gram": top_gram_share(words, n, chars) for n in (2, 3, 4)},
        **{f"duplicate_{n}_grams": duplicate_gram_share(words, n, chars) for n in range(5, 11)},
    }


class GopherRepetition(Thresholds):
    """Parameters of `gopher_repetition`: limits of the score."""

    rules: Rules = Field("paper", description="`datatrove` answers as that library does.")


@family(
    GopherRepetition,
    definition=f"{PAPER} (repetition); the score is the worst share over its limit in the paper",
    examples=[
        ({"max": 1}, "One two three.\nFour five six.", True),
        ({"max": 1}, "buy now\nbuy now\nbuy now\nbuy now", False),
        ({}, "", 0.0),
        ({}, None, None),
    ],
)
def gopher_repetition(parameters: GopherRepetition, build: Build) -> Signal:
    """How far a document exceeds the repetition limits of Gopher; up to 1 it passes them all."""
    if parameters.rules == "datatrove":
        return build.row(exceed_gopher_repetition, returns="score")
    worst: Callable[[str], float] = lambda text: max(  # noqa: E731
        share / LIMITS[name] for name, share in repetition_shares(text).items()
    )
    return build.row(worst, returns="score")
