"""Synthesis: sentences from a lexicon; a row depends on the seed and its number only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue

from siftset.pipeline.sources.batch import UNREADABLE, Batch, Shard
from siftset.pipeline.sources.lexicon import ADJECTIVE, SLOT, Lexicon, load_lexicon
from siftset.pipeline.sources.prepare import final_names, prepare_texts
from siftset.pipeline.sources.row_ids import content_hashes, hex_ids
from siftset.pipeline.sources.types import Types, fit_columns
from siftset.schemas.recipe.source import Prepare, Synthesize
from siftset.schemas.results.columns import SOURCE
from siftset.signals.kernels.arrays import to_series

SHARD_ROWS: Final = 100_000
BATCH_ROWS: Final = 50_000
BLOCK: Final = 1_000
"""Shares are exact in every block of this many row numbers."""

Numbers = NDArray[np.uint64]
WORD: Final = 2**64
GOLDEN: Final = 0x9E3779B97F4A7C15
TEMPLATE, NULLS, LABELS, SLOTS = 0, 1, 2, 16
"""Independent streams of draws; every slot takes one from SLOTS on."""


def draw_bits(numbers: Numbers, *, seed: int, stream: int) -> Numbers:
    """Return 64 random bits for each number, by the finaliser of splitmix64 used twice."""
    mixed = _mix_bits(numbers + np.uint64(seed * GOLDEN % WORD))
    return _mix_bits(mixed + np.uint64((stream + 1) * GOLDEN % WORD))


def _mix_bits(bits: Numbers) -> Numbers:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


class Choices:
    """Texts that are drawn by weight."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.texts = list(weights)
        shares = np.array(list(weights.values()))
        self._limits = np.cumsum(shares / shares.sum())[:-1]

    def pick_positions(self, bits: Numbers) -> NDArray[np.int64]:
        """Return a position in `texts` for each draw."""
        units = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.searchsorted(self._limits, units, side="right")


class Synthesizer:
    """Makes the sentences of a lexicon."""

    def __init__(self, lexicon: Lexicon, config: Synthesize, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._templates = Choices(lexicon.templates)
        self._lists = {name: Choices(weights) for name, weights in lexicon.lists.items()}
        self._positive = Choices(lexicon.positive)
        self._negative = Choices(lexicon.negative)

    def make_rows(self, start: int, stop: int) -> pl.DataFrame:
        """Return the columns text and label of the rows numbered start to stop - 1."""
        numbers = np.arange(start, stop, dtype=np.uint64)
        negative = self._mark_share(start, stop, self._config.negative_share, LABELS)
        null = self._mark_share(start, stop, self._config.null_share, NULLS)
        chosen = self._templates.pick_positions(
            draw_bits(numbers, seed=self._seed, stream=TEMPLATE)
        )
        texts, places = [], []
        for at, template in enumerate(self._templates.texts):
            rows = np.flatnonzero(chosen == at)
            texts.append(self._make_sentences(template, at, numbers[rows], negative[rows]))
            places.append(rows)
        order = np.argsort(np.concatenate(places), kind="stable")
        frame = pl.DataFrame(
            {"text": pl.concat(texts).gather(order), "negative": negative, "null": null}
        )
        label = pl.when("negative").then(pl.lit("negative")).otherwise(pl.lit("positive"))
        return frame.select(pl.when(~pl.col("null")).then("text").alias("text"), label=label)

    def _make_sentences(
        self, template: str, at: int, numbers: Numbers, negative: NDArray[np.bool_]
    ) -> pl.Series:
        pieces: list[pl.Expr] = []
        columns: dict[str, pl.Series] = {}
        for place, piece in enumerate(SLOT.split(template)):
            if place % 2 == 0:
                pieces.append(pl.lit(piece))
                continue
            bits = draw_bits(numbers, seed=self._seed, stream=SLOTS + 1_000 * at + place)
            name = f"slot{place}"
            if piece == ADJECTIVE:
                words = [*self._positive.texts, *self._negative.texts]
                bad = len(self._positive.texts) + self._negative.pick_positions(bits)
                chosen = np.where(negative, bad, self._positive.pick_positions(bits))
            else:
                words = self._lists[piece].texts
                chosen = self._lists[piece].pick_positions(bits)
            columns[name] = pl.Series(words).gather(chosen)
            pieces.append(pl.col(name))
        return pl.DataFrame(columns).select(text=pl.concat_str(pieces))["text"]

    def _mark_share(self, start: int, stop: int, share: float, stream: int) -> NDArray[np.bool_]:
        """Mark a share of the rows: the lowest draws of each block of row numbers."""
        first, last = start // BLOCK, -(-stop // BLOCK)
        numbers = np.arange(first * BLOCK, last * BLOCK, dtype=np.uint64)
        keys = draw_bits(numbers, seed=self._seed, stream=stream).reshape(-1, BLOCK)
        ranks = np.argsort(np.argsort(keys, axis=1, kind="stable"), axis=1)
        exact = Fraction(str(share)) * BLOCK
        ends = [math.floor(exact * block) for block in range(first, last + 1)]
        marked = ranks < np.diff(np.array(ends, dtype=np.int64))[:, None]
        return marked.reshape(-1)[start - first * BLOCK : stop - first * BLOCK]


@dataclass(frozen=True, slots=True)
class SynthesisShard:
    """Rows start to stop - 1 of a synthesis."""

    lexicon: Lexicon
    config: Synthesize
    prepare: Prepare
    seed: int
    start: int
    stop: int
    schema: pl.Schema

    @property
    def name(self) -> str:
        """Say which rows these are, for people."""
        return f"{self.config.name} rows {self.start:,} to {self.stop - 1:,}"

    @property
    def fingerprint(self) -> str:
        """Return a hash of all that the rows depend on."""
        return str(hex_ids(pl.Series([repr(self)])).item())

    @property
    def records(self) -> int:
        """Return how many rows there are."""
        return self.stop - self.start

    def take_first(self, limit: int) -> SynthesisShard:
        """Return a shard of only the first rows."""
        return replace(self, stop=min(self.stop, self.start + limit))

    def read_batches(self) -> Iterator[Batch]:
        """Make the rows in order."""
        maker = Synthesizer(self.lexicon, self.config, self.seed)
        prefix = pl.lit(f"{self.config.name}\0{self.seed}\0")
        place = pl.struct(pl.lit(self.config.lexicon).alias("file"), pl.col("record"))
        for start in range(self.start, self.stop, BATCH_ROWS):
            stop = min(start + BATCH_ROWS, self.stop)
            rows = maker.make_rows(start, stop)
            named = rows.rename(final_names(rows.columns, {}, self.prepare))
            prepared = fit_columns(prepare_texts(named, self.prepare), dict(self.schema))
            numbers = pl.int_range(start, stop, eager=True).alias("record").to_frame()
            keys = numbers.select(x=pl.concat_str(prefix, "record"))["x"]
            places = numbers.select(source=place)["source"].cast(SOURCE)
            content = to_series("content", content_hashes(rows))
            frame = pl.DataFrame([hex_ids(keys), places, *prepared.get_columns()])
            yield Batch(frame, content, UNREADABLE.to_frame())


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A synthesis that has been checked."""

    name: str
    config: Synthesize
    lexicon: Lexicon
    prepare: Prepare
    seed: int
    types: Types
    warnings: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[dict[str, JsonValue], ...]:
        """Return the fingerprint of all that the rows depend on."""
        entry: dict[str, JsonValue] = {
            "source": self.name,
            "kind": "synthesize",
            "name": self.config.lexicon,
            "records": self.config.rows,
            "seed": self.seed,
            "fingerprint": self.lexicon.digest,
            "null_share": self.config.null_share,
            "negative_share": self.config.negative_share,
        }
        return (entry,)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Return the lexicon as the one input."""
        return [(self.config.lexicon, self.config.lexicon)]

    def shards(self, schema: pl.Schema) -> list[Shard]:
        """Return the rows in parts of equal size."""
        rows = self.config.rows
        return [
            SynthesisShard(
                lexicon=self.lexicon,
                config=self.config,
                prepare=self.prepare,
                seed=self.seed,
                start=start,
                stop=min(start + SHARD_ROWS, rows),
                schema=schema,
            )
            for start in range(0, rows, SHARD_ROWS)
        ]


def open_synthesis(config: Synthesize, prepare: Prepare, *, seed: int, folder: Path) -> Synthesis:
    """Load and check the lexicon of a synthesis; raise SourceError."""
    lexicon = load_lexicon(config.lexicon, folder)
    names = final_names(("text", "label"), {}, prepare)
    types: Types = {name: pl.String() for name in names.values()}
    return Synthesis(config.name, config, lexicon, prepare, seed, types)
