"""The document heuristics of C4 and FineWeb, as questions: nothing is removed from a text."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from siftset.schemas.recipe.section import Share
from siftset.signals.builtin.gopher import duplicate_shares, words_of
from siftset.signals.family import Build, Parameters, family
from siftset.signals.signal import Signal

_LINE = r"(?m)^.*\S.*$"
_ENDED = r"""(?m)[.!?"\u201d\u2026][^\S\n]*$"""


class C4Quality(Parameters):
    """Parameters of `c4_quality`: the paper's rules for a page."""

    min_sentences: int = Field(5, ge=0)
    min_ended_lines: Share = Field(
        0.5, description="Share of lines that end in . ! ? or a quotation mark."
    )
    policy: bool = Field(True, description="Whether lines on cookies and JavaScript count against.")


@family(
    C4Quality,
    definition=(
        "Raffel et al. 2020, Exploring the Limits of Transfer Learning (C4), section 2.2; the "
        "paper drops lines without terminal punctuation, here their share decides"
    ),
    examples=[
        ({"min_sentences": 2}, "I like it. It fits well.", True),
        ({}, "I like it.", False),
        ({"min_sentences": 0}, "function() { return 1; }", False),
        ({"min_sentences": 0}, "Lorem ipsum dolor sit amet.", False),
        ({}, None, None),
    ],
)
def c4_quality(parameters: C4Quality, build: Build) -> Signal:
    """Whether a document passes the rules of C4."""
    banned = r"(?i)lorem ipsum|[{}]"
    if parameters.policy:
        banned += r"|enable javascript|terms of use|privacy policy|cookie policy|uses cookies"

    def passes_rules(text: pl.Expr) -> pl.Expr:
        lines = text.str.count_matches(_LINE).clip(lower_bound=1)
        sentences = text.str.count_matches(r"[.!?]+(?:\s|[\x22\u201d)]|$)")
        return (
            (sentences >= parameters.min_sentences)
            & (text.str.count_matches(_ENDED) / lines >= parameters.min_ended_lines)
            & ~text.str.contains(banned)
        )

    return build.expression(passes_rules)


class FinewebQuality(Parameters):
    """Parameters of `fineweb_quality`: the paper's limits, all inclusive."""

    min_ended_lines: Share = Field(0.12, description="Share of lines that end in punctuation.")
    max_short_lines: Share = Field(0.67, description="Share of lines of at most `short` chars.")
    short: int = Field(30, ge=1)
    max_duplicate_chars: Share = Field(0.01, description="Share of characters in repeated lines.")
    max_newlines: float = Field(0.3, ge=0, description="Line breaks for each word.")


@family(
    FinewebQuality,
    definition="Penedo et al. 2024, The FineWeb Datasets, section 3.5",
    examples=[
        ({}, "This line is long enough to be prose, and it ends well.", True),
        ({}, "Home\nAbout\nContact", False),
        ({}, None, None),
    ],
)
def fineweb_quality(parameters: FinewebQuality, build: Build) -> Signal:
    """Whether a document passes the rules that FineWeb adds to Gopher's and C4's."""

    def repeated_share(texts: pl.Series) -> pl.Series:
        return pl.Series(
            [duplicate_shares([line for line in text.split("\n") if line.strip()])[1]
             if "\n" in text else 0.0 for text in texts],
            dtype=pl.Float64,
        )  # fmt: skip

    def passes_rules(texts: pl.Series) -> pl.Series:
        text = pl.col("text")
        lines = text.str.count_matches(_LINE).clip(lower_bound=1)
        short = rf"(?m)^(?:[^\S\n]*\S(?:.{{0,{parameters.short - 1}}}))$"
        cheap = (
            (text.str.count_matches(_ENDED) / lines >= parameters.min_ended_lines)
            & (text.str.count_matches(short) / lines <= parameters.max_short_lines)
            & (
                text.str.count_matches("\n") / words_of(text).clip(lower_bound=1)
                <= parameters.max_newlines
            )
        )
        found = texts.to_frame("text").select(cheap).to_series()
        return found & (repeated_share(texts) <= parameters.max_duplicate_chars)

    return build.batch(passes_rules)
