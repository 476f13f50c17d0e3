"""The limits of the document heuristics, as recipes set them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from siftset.schemas.recipe.section import Share
from siftset.signals.family import Parameters

Rules = Literal["paper", "datatrove"]
"""Whose words, lines and sums: the paper's, or those of the library datatrove 0.10."""


class GopherQuality(Parameters):
    """Parameters of `gopher_quality`: the paper's limits, all inclusive."""

    min_words: int = Field(50, ge=0)
    max_words: int = Field(100_000, ge=1)
    min_word_chars: float = Field(3, ge=0, description="Least mean length of a word.")
    max_word_chars: float = Field(10, ge=0, description="Greatest mean length of a word.")
    max_symbols: float = Field(0.1, ge=0, description="Symbols (# or an ellipsis) for each word.")
    max_bullets: Share = Field(0.9, description="Share of lines that begin with a bullet.")
    max_ellipses: Share = Field(0.3, description="Share of lines that end with an ellipsis.")
    min_alphabetic: Share = Field(0.8, description="Share of words that hold a letter.")
    min_stop_words: int = Field(2, ge=0, description="How many different stop words at least.")
    rules: Rules = Field("paper", description="`datatrove` answers as that library does.")


class C4Quality(Parameters):
    """Parameters of `c4_quality`: the paper's rules for a page."""

    min_sentences: int = Field(5, ge=0)
    min_ended_lines: Share = Field(
        0.5, description="Share of lines that end in . ! ? or a quotation mark."
    )
    policy: bool = Field(True, description="Whether lines on cookies and JavaScript count against.")
    rules: Rules = Field("paper", description="`datatrove` answers as that library does.")


class FinewebQuality(Parameters):
    """Parameters of `fineweb_quality`: the paper's limits, all inclusive."""

    min_ended_lines: Share = Field(0.12, description="Share of lines that end in punctuation.")
    max_short_lines: Share = Field(0.67, description="Share of lines of at most `short` chars.")
    short: int = Field(30, ge=1)
    max_duplicate_chars: Share = Field(0.01, description="Share of characters in repeated lines.")
    max_newlines: float = Field(0.3, ge=0, description="Line breaks for each word.")
    rules: Rules = Field("paper", description="`datatrove` answers as that library does.")
