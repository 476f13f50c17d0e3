"""The document heuristics of C4 and FineWeb, as questions: nothing is removed from a text."""

from __future__ import annotations

import polars as pl

from siftset.signals.builtin.datatrove_rules import passes_c4, passes_fineweb
from siftset.signals.builtin.document_limits import C4Quality, FinewebQuality
from siftset.signals.builtin.gopher import duplicate_shares, words_of
from siftset.signals.family import Build, family
from siftset.signals.signal import Signal

_LINE = r"(?m)^.*\S.*$"
_ENDED = r"""(?m)[.!?"\u201d\u2026][^\S\n]*$"""


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
    if parameters.rules == "datatrove":
        return build.row(lambda text: passes_c4(text, parameters))
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
    if parameters.rules == "datatrove":
        return build.row(lambda text: passes_fineweb(text, parameters))

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
