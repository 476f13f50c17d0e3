"""Words and phrases of a list: whole words of any case, unless said otherwise."""

from __future__ import annotations

import re
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from siftset.signals.evaluation.spec import Bounds
from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal
from siftset.signals.words.case_folding import fold_case, fold_table
from siftset.signals.words.phrases import Match, squeeze_space
from siftset.signals.words.spelling import fold_entries, fold_spelling, fold_spellings
from siftset.signals.words.wordset import WordSet

ALTERNATION_LIMIT = 200
"""Entries up to which a regular expression is faster than looking each word up."""

LOOKING_LIMIT = 6
"""Entries up to which a search that looks around an entry, without taking in what stands there, is
faster: it jumps from one place that may be an entry to the next."""

_WHITE = r"\s+"
_RUST_ESCAPE = re.compile(r"[\\.+*?()|\[\]{}^$#&\-~]")


class Keyword(Thresholds):
    """Parameters of `keyword`."""

    words: tuple[str, ...] = Field((), description="Words and phrases.")
    list: str | None = Field(
        None, description="A shipped list, or a text, CSV or Parquet file beside the recipe."
    )
    match: Match = Field("word", description="Whole words, substrings, or beginnings of words.")
    case: bool = Field(False, description="Whether capital letters differ from small ones.")
    score: Literal["count", "distinct"] | None = Field(
        None, description="The number of matches, or of different entries; min is 1 unless given."
    )

    @model_validator(mode="after")
    def _has_words(self) -> Keyword:
        if not self.words and self.list is None:
            raise ValueError("give words: [...] or list: NAME")
        if any(not word.strip() for word in self.words):
            raise ValueError("words holds a blank entry")
        if self.score is None and not (self.min is None and self.max is None):
            raise ValueError("min and max need  score: count  or  score: distinct")
        return self


@family(
    Keyword,
    positional="words",
    unordered=("words",),
    version=2,
    definition=(
        "word boundaries and simple case folding of Unicode as in the Rust crate `regex`; "
        "an entry is whole where no word character touches its ends; texts and entries are "
        "compared in NFC, with plain apostrophes and without variation selectors"
    ),
    examples=[
        ({"words": ["nike"]}, "NIKE shoes", True),
        ({"words": ["nike"]}, "Nikes and Monike", False),
        ({"words": ["nike"]}, "ni\u212ae", True),
        ({"words": ["don't"]}, "Don\u2019t", True),
        ({"words": ["caf\u00e9"]}, "cafe\u0301", True),
        ({"words": ["fashionable"], "match": "substring"}, "unfashionable", True),
        ({"words": ["run"], "match": "prefix"}, "running", True),
        ({"words": ["new york"]}, "New\n  York", True),
        ({"words": ["a", "b"], "score": "count"}, "a b a", True),
        ({"words": ["nike"]}, None, None),
    ],
)
def keyword(parameters: Keyword, build: Build) -> Signal:
    """Whether the text holds a word or phrase of a list."""
    listed = build.words(parameters.list) if parameters.list is not None else ()
    spelt = fold_entries((*parameters.words, *listed))
    entries = normalise_entries(spelt, case=parameters.case)
    if parameters.score is not None:
        return _build_score(parameters, build, entries)
    if parameters.match == "substring" and len(entries) > ALTERNATION_LIMIT:
        return build.expression(
            lambda text: _fold_text(text, entries, parameters).str.contains_any(list(entries))
        )
    if len(entries) <= ALTERNATION_LIMIT:
        write = write_alternation if len(entries) <= LOOKING_LIMIT else write_enclosed
        pattern = write(entries, match=parameters.match, case=parameters.case)
        return build.expression(lambda text: fold_spelling(text).str.contains(pattern))
    words = _word_set(entries, parameters)
    return build.batch(lambda texts: words.find_hits(fold_spellings(texts)))


def _build_score(parameters: Keyword, build: Build, entries: tuple[str, ...]) -> Signal:
    """Make a score; the bare name asks for at least one match."""
    none = parameters.min is None and parameters.max is None
    bounds = Bounds(1.0 if none else parameters.min, parameters.max)
    if parameters.score == "count" and len(entries) <= ALTERNATION_LIMIT:
        pattern = write_alternation(entries, match=parameters.match, case=parameters.case)
        return build.expression(
            lambda text: fold_spelling(text).str.count_matches(pattern),
            returns="score",
            bounds=bounds,
        )
    if parameters.match == "substring":

        def count_substrings(text: pl.Expr) -> pl.Expr:
            folded = _fold_text(text, entries, parameters)
            found = folded.str.extract_many(list(entries), leftmost=True)
            return found.list.len() if parameters.score == "count" else found.list.n_unique()

        return build.expression(count_substrings, returns="score", bounds=bounds)
    words = _word_set(entries, parameters)
    count = words.count_matches if parameters.score == "count" else words.count_distinct
    return build.batch(lambda texts: count(fold_spellings(texts)), returns="score", bounds=bounds)


def _word_set(entries: tuple[str, ...], parameters: Keyword) -> WordSet:
    assert parameters.match != "substring"
    return WordSet(entries, match=parameters.match, case=parameters.case)


def normalise_entries(entries: tuple[str, ...], *, case: bool) -> tuple[str, ...]:
    """Squeeze white space, fold case, drop repeats; the longest first."""
    kept = {squeeze_space(entry if case else fold_case(entry)) for entry in entries}
    return tuple(sorted(kept, key=lambda entry: (-len(entry), entry)))


def write_alternation(entries: tuple[str, ...], *, match: Match, case: bool) -> str:
    """Write a list as one regular expression in Rust's syntax; matches are the entries alone."""
    before = "" if match == "substring" else r"\b{start-half}"
    after = r"\b{end-half}" if match == "word" else ""
    return f"{'' if case else '(?i)'}{before}(?:{_any_of(entries)}){after}"


def write_enclosed(entries: tuple[str, ...], *, match: Match, case: bool) -> str:
    """Write a list as an expression that matches the same texts, with what encloses an entry.

    Without looking around, Rust's automaton stays in its fast mode, on texts in any script.
    """
    before = "" if match == "substring" else r"(?:\A|\W)"
    after = r"(?:\W|\z)" if match == "word" else ""
    return f"{'' if case else '(?i)'}{before}(?:{_any_of(entries)}){after}"


def _any_of(entries: tuple[str, ...]) -> str:
    return "|".join(
        _WHITE.join(_RUST_ESCAPE.sub(r"\\\g<0>", part) for part in entry.split(" "))
        for entry in entries
    )


def _fold_text(text: pl.Expr, entries: tuple[str, ...], parameters: Keyword) -> pl.Expr:
    """Fold spelling, case, and white space where an entry has some: plain search is then exact."""
    text = fold_spelling(text)
    if not parameters.case:
        letters = [chr(code) for code in fold_table()]
        text = text.str.replace_many(letters, list(fold_table().values()))
    return text.str.replace_all(_WHITE, " ") if any(" " in entry for entry in entries) else text
