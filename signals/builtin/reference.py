"""Questions against reference texts: near duplicates of them, and distance from them."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from pathlib import Path

import polars as pl
from pydantic import Field

from siftset.schemas.errors import SignalError, first_line
from siftset.signals.family import Build, Thresholds, family
from siftset.signals.signal import Signal
from siftset.signals.words.case_folding import unspaced_points, word_points, write_class

SHINGLE = 3
"""Words of one shingle, as in the removal of near duplicates."""


class Reference(Thresholds):
    """Parameters of `near_duplicate_of` and `drift`."""

    file: str = Field(description="Reference texts: Parquet, CSV, JSON Lines, or one text a line.")
    field: str = Field("text", description="The column of the file that holds them.")


def read_texts(parameters: Reference, build: Build) -> list[str]:
    """Read the reference texts and depend on them; raise SignalError where that fails."""
    path = build.folder / parameters.file
    where = f"signal '{build.name}': reference '{parameters.file}'"
    try:
        texts = _read_column(path, parameters.field).drop_nulls().cast(pl.String).to_list()
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise SignalError(f"{where} cannot be read: {first_line(error)}") from error
    if not texts:
        raise SignalError(f"{where} holds no text in column '{parameters.field}'")
    build.depends(*texts)
    return texts


def _read_column(path: Path, field: str) -> pl.Series:
    ending = path.suffix.lower()
    if ending == ".parquet":
        return pl.read_parquet(path, columns=[field])[field]
    if ending in (".csv", ".tsv"):
        separator = "\t" if ending == ".tsv" else ","
        return pl.read_csv(path, separator=separator, infer_schema=False, columns=[field])[field]
    if ending in (".jsonl", ".ndjson"):
        return pl.read_ndjson(path)[field]
    return pl.Series(field, path.read_text(encoding="utf-8").splitlines(), dtype=pl.String)


@cache
def _word_pattern() -> re.Pattern[str]:
    """A pattern for words; in scripts without spaces every character is one."""
    alone = write_class(word_points() & unspaced_points())
    return re.compile(rf"[{alone}]|[^\W{alone}]+")


def split_words(text: str) -> list[str]:
    """Return the words of a text, case folded."""
    return _word_pattern().findall(text.casefold())


def word_shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the word 3-grams of a text, case folded; the text itself where it is shorter."""
    words = split_words(text)
    if len(words) <= SHINGLE:
        return frozenset([tuple(words)])
    return frozenset(zip(*(words[i:] for i in range(SHINGLE)), strict=False))


@family(
    Reference,
    version=2,
    definition=(
        "greatest Jaccard similarity of word 3-grams (Broder 1997), exact; in scripts without "
        "spaces a character is a word"
    ),
)
def near_duplicate_of(parameters: Reference, build: Build) -> Signal:
    """How much a text repeats the nearest of the reference texts, from 0 to 1."""
    known = [word_shingles(text) for text in read_texts(parameters, build)]

    @cache
    def index_shingles() -> dict[tuple[str, ...], list[int]]:
        found: dict[tuple[str, ...], list[int]] = {}
        for place, grams in enumerate(known):
            for gram in grams:
                found.setdefault(gram, []).append(place)
        return found

    def nearest_similarity(text: str) -> float:
        grams = word_shingles(text)
        shared = Counter(place for gram in grams for place in index_shingles().get(gram, ()))
        return max(
            (n / (len(grams) + len(known[place]) - n) for place, n in shared.items()), default=0.0
        )

    return build.row(nearest_similarity, returns="score")


@family(
    Reference,
    version=2,
    definition=(
        "cross-entropy of a text's words under the reference's unigrams, add-one smoothed, in bits "
        "a word (Manning and Schuetze 1999, chapter 6)"
    ),
)
def drift(parameters: Reference, build: Build) -> Signal:
    """How unlike the reference texts a text's words are; unknown for a text without words."""
    counts = Counter(
        word
        for text in read_texts(parameters, build)
        for word in _word_pattern().findall(text.casefold())
    )
    total = counts.total() + len(counts) + 1

    def mean_surprise(text: str) -> float | None:
        words = split_words(text)
        if not words:
            return None
        return sum(math.log2(total / (counts[word] + 1)) for word in words) / len(words)

    return build.row(mean_surprise, returns="score")
