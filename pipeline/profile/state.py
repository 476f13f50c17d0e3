"""The state of a profile: what one part of a population adds to the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import polars as pl
from pydantic import Field

from siftset.pipeline.profile.lengths import Lengths, add_tallies, measure_lengths
from siftset.pipeline.profile.row_sketch import RowSketch, sketch_rows
from siftset.pipeline.profile.texts import count_peculiarities, count_scripts
from siftset.pipeline.profile.vocabulary import WordSketch, count_words, count_words_each
from siftset.schemas.results.columns import OWN_COLUMNS
from siftset.schemas.results.metrics_part import Metrics
from siftset.schemas.results.profile_metrics import Column, Profile
from siftset.signals.labels import label_column, labels_as_text

_MOST_NAMES: Final = 50
MOST_LABELS: Final = 1000
OTHER: Final = "(others)"
"""Stands for the names beyond those that are told apart."""
UNLABELLED: Final = "(none)"
ALL_ROWS: Final = "all rows"
"""Stands for the source of rows that have none."""


class ColumnState(Metrics):
    """What is missing in one column of a part."""

    type: str = ""
    null: int = 0
    empty: int = 0
    blank: int = 0

    def __add__(self, other: ColumnState) -> ColumnState:
        return ColumnState(
            type=self.type or other.type,
            null=self.null + other.null,
            empty=self.empty + other.empty,
            blank=self.blank + other.blank,
        )


class ProfileState(Metrics):
    """Everything measured of a part; the sum of two states is the state of both parts."""

    rows: int = 0
    texts: int = 0
    columns: dict[str, ColumnState] = Field(default_factory=dict)
    chars: Lengths = Lengths()
    words: Lengths = Lengths()
    tokens: Lengths | None = None
    over_max: int = 0
    encoding: dict[str, int] = Field(default_factory=dict)
    scripts: dict[str, int] = Field(default_factory=dict)
    labels: dict[str, dict[str, int]] = Field(default_factory=dict)
    label_counts: dict[str, int] = Field(default_factory=dict)
    vocabulary: WordSketch = WordSketch()
    sketch: RowSketch = RowSketch()

    def __add__(self, other: ProfileState) -> ProfileState:
        names = dict.fromkeys([*self.columns, *other.columns])
        nothing = ColumnState()
        tokens = self.tokens or other.tokens
        if self.tokens is not None and other.tokens is not None:
            tokens = self.tokens + other.tokens
        return ProfileState(
            rows=self.rows + other.rows,
            texts=self.texts + other.texts,
            columns={
                n: self.columns.get(n, nothing) + other.columns.get(n, nothing) for n in names
            },
            chars=self.chars + other.chars,
            words=self.words + other.words,
            tokens=tokens,
            over_max=self.over_max + other.over_max,
            encoding=add_tallies(self.encoding, other.encoding),
            scripts=add_tallies(self.scripts, other.scripts),
            labels=_add_labels(self.labels, other.labels),
            label_counts=bound_names(
                add_tallies(self.label_totals, other.label_totals), MOST_LABELS
            ),
            vocabulary=self.vocabulary + other.vocabulary,
            sketch=self.sketch + other.sketch,
        )

    @property
    def label_totals(self) -> dict[str, int]:
        """Rows by label, whatever their source, the rarest of more than 1,000 joined."""
        return self.label_counts or reduce(add_tallies, self.labels.values(), dict[str, int]())

    def profile(self, *, of: int | None = None, text_column: str = "text") -> Profile:
        """Return what metrics.json holds of it; `of` counts the population it was drawn from."""
        columns = [Column(name=name, **one.model_dump()) for name, one in self.columns.items()]
        return Profile(
            rows=self.rows,
            of=self.rows if of is None else of,
            text_column=text_column,
            texts=self.texts,
            columns=tuple(columns),
            chars=self.chars.histogram(),
            words=self.words.histogram(),
            tokens=self.tokens.histogram() if self.tokens else None,
            over_max=self.over_max if self.tokens else None,
            encoding=self.encoding,
            scripts=self.scripts,
            labels=self.labels,
            label_totals=self.label_totals,
            vocabulary=self.vocabulary.words(),
        )


@dataclass(frozen=True, slots=True)
class Spec:
    """Which columns of a frame hold what, and what is measured of them."""

    text: str = "text"
    label: str | None = "label"
    columns: Sequence[str] | None = None
    """Columns looked at; None is all but those that siftset adds."""
    word_share: float = 1.0
    """Share of the texts, by hash, whose words are counted."""


def profile_frame(frame: pl.DataFrame, spec: Spec | None = None) -> ProfileState:
    """Measure one part of a population."""
    wanted = spec or Spec()
    return _profile_rows(frame, wanted).model_copy(update=_profile_names(frame.lazy(), wanted))


def merge_states(states: Iterable[ProfileState]) -> ProfileState:
    """Add up the states of all parts."""
    return sum(states, ProfileState())


def profile_batches(frame: pl.LazyFrame, spec: Spec | None = None) -> ProfileState:
    """Measure a population of any size: the same whatever the batches in which it is read."""
    wanted = spec or Spec()
    batches = frame.collect_batches(chunk_size=50_000, maintain_order=False, engine="streaming")
    state = merge_states(_profile_rows(batch, wanted) for batch in batches)
    return state.model_copy(update=_profile_names(frame, wanted))


def _profile_rows(frame: pl.DataFrame, wanted: Spec) -> ProfileState:
    """Measure what adds up exactly."""
    here = set(frame.columns)
    own = [c for c in frame.columns if c not in OWN_COLUMNS and not c.startswith("_")]
    columns = [c for c in wanted.columns or own if c in here]
    state = ProfileState(
        rows=frame.height, columns=_profile_columns(frame, columns) if frame.height else {}
    )
    if wanted.text not in frame.columns or frame.schema[wanted.text] != pl.String:
        return state
    texts = frame[wanted.text].drop_nulls()
    if texts.is_empty():
        return state
    found = {
        "texts": len(texts),
        "chars": measure_lengths(texts.str.len_chars()),
        "words": measure_lengths(count_words_each(texts)),
        "encoding": count_peculiarities(texts),
        "scripts": count_scripts(texts),
    }
    return state.model_copy(update=found)


def _profile_names(frame: pl.LazyFrame, wanted: Spec) -> dict[str, object]:
    """Count labels and words, of which only so many are told apart, over the whole at once."""
    schema = frame.collect_schema()
    has_source = isinstance(schema.get("source"), pl.Struct)
    source = pl.col("source").struct.field("file") if has_source else pl.lit(ALL_ROWS)
    source = source.fill_null("(unknown)")
    has_label = wanted.label is not None and wanted.label in schema
    name = wanted.label or "label"
    label = pl.lit(UNLABELLED)
    found: dict[str, object] = {}
    if has_label:
        label = label_column(frame, name).str.head(80).fill_null(UNLABELLED)
        by_source: dict[str, dict[str, int]] = {}
        each = frame
        if isinstance(schema[name], pl.List):  # every label of a row counts
            several = frame.with_columns(pl.col(name).cast(pl.List(pl.String)))
            each = several.explode(name, empty_as_null=True, keep_nulls=True)
        shown = labels_as_text(pl.col(name)).str.head(80).fill_null(UNLABELLED)
        grouped = each.select(source=source, label=shown).group_by("source", "label").len()
        counted = grouped.sort("source", "label").collect(engine="streaming")
        for where, text, number in counted.iter_rows():
            by_source.setdefault(where, {})[text] = number
        totals = reduce(add_tallies, by_source.values(), dict[str, int]())
        found |= {
            "labels": _add_labels(by_source, {}),
            "label_counts": bound_names(totals, MOST_LABELS),
        }
    if schema.get(wanted.text) == pl.String:
        texts = frame.select(text=wanted.text).drop_nulls()
        if wanted.word_share < 1:
            texts = texts.filter(pl.col("text").hash(0) < int(wanted.word_share * 2**64))
        found["vocabulary"] = count_words(texts)
        found["sketch"] = sketch_rows(frame, wanted.text, label, source)
    return found


def with_tokens(
    state: ProfileState, lengths: Sequence[int], max_length: int | None
) -> ProfileState:
    """Add the texts' lengths in tokens of a model."""
    over = sum(length > max_length for length in lengths) if max_length else 0
    tokens = measure_lengths(pl.Series(lengths, dtype=pl.Int64))
    return state.model_copy(update={"tokens": tokens, "over_max": over})


def _profile_columns(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, ColumnState]:
    asked: dict[str, pl.Expr] = {}
    schema = frame.schema  # which is made again at every access
    for name in names:
        column = pl.col(name)
        asked[f"{name}\nnull"] = column.null_count()
        if schema[name] == pl.String:
            blank = ~column.str.contains(r"\S")
            asked[f"{name}\nempty"] = (column == "").sum()
            asked[f"{name}\nblank"] = (blank & (column != "")).sum()
    found = frame.select(**asked).row(0, named=True) if asked else {}
    kinds = ("null", "empty", "blank")
    return {
        name: ColumnState(
            type=str(schema[name]), **{k: int(found.get(f"{name}\n{k}") or 0) for k in kinds}
        )
        for name in names
    }


def _add_labels(
    left: Mapping[str, Mapping[str, int]], right: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    both = {k: add_tallies(left.get(k, {}), right.get(k, {})) for k in sorted({*left, *right})}
    bounded = {name: bound_names(counts, _MOST_NAMES) for name, counts in both.items()}
    if len(bounded) <= _MOST_NAMES:
        return bounded
    ranked = sorted(bounded, key=lambda n: (n == OTHER, -sum(bounded[n].values()), n))
    rest = reduce(add_tallies, (bounded[n] for n in ranked[_MOST_NAMES - 1 :]), dict[str, int]())
    return {n: bounded[n] for n in ranked[: _MOST_NAMES - 1]} | {
        OTHER: bound_names(rest, _MOST_NAMES)
    }


def bound_names(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """Return at most `most` counts, the rarest ones joined under one name."""
    if len(counts) <= most:
        return dict(counts)
    ranked = sorted(counts, key=lambda n: (n == OTHER, -counts[n], n))
    rest = sum(counts[name] for name in ranked[most - 1 :])
    return {name: counts[name] for name in ranked[: most - 1]} | {OTHER: rest}
