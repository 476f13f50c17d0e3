"""What a proof draws from: everything that was read, what of it is curated, what is held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
import polars.selectors as cs
import polars_hash as plh
from numpy.typing import NDArray

from siftset.pipeline.proof.groups import group_rows
from siftset.pipeline.proof.statistics import Integers
from siftset.pipeline.proof.task import ProofTask
from siftset.pipeline.run.job import Job
from siftset.pipeline.run.split import group_text
from siftset.schemas.errors import TrainingError
from siftset.schemas.plurals import conjugate, format_count
from siftset.schemas.progress import Progress
from siftset.schemas.results.columns import SHORT_ID
from siftset.signals.kernels.arrays import to_series

Flags = NDArray[np.bool_]

MOST_READ: Final = 40_000
"""Rows drawn of everything that is read, where there are more."""
MOST_CURATED: Final = 15_000
MOST_QUESTIONS: Final = 5_000
FEW_QUESTIONS: Final = 1_000
"""Below so many it is said that they are few."""
HELD_OUT: Final = 0.25
"""Share of the duplicate groups that is asked about."""
LEAST: Final = 50
"""Curated rows, other rows, and questions, below which nothing is trained."""
ALIKE: Final = 0.8
"""Similarity of near duplicates where the recipe names none."""

EVERYTHING: Final = "everything read"
OWN_KIND: Final = "its own kind"
GOLDEN: Final = "golden"
_CURATED, _NAMED, _RANK = "(curated)", "(group)", "(rank)"


@dataclass(frozen=True, slots=True)
class AskedSet:
    """One set of questions, as places among all of them."""

    name: str
    places: Integers
    groups: Integers

    @property
    def units(self) -> int:
        """How many duplicate groups there are."""
        return len(np.unique(self.groups))


@dataclass(frozen=True)
class ProofRows:
    """The rows of a proof, in order of their row_id; golden rows stand apart.

    `frame` has row_id, text, label where the task has labels, and all other columns of the source.
    """

    frame: pl.DataFrame
    curated: Flags
    sampled: Flags
    """A random sample of everything that was read; curated rows beyond it are in `frame` too."""
    group: Integers
    """The first row of each row's duplicate group."""
    seed: int
    read: int
    """Usable rows that were read."""
    unusable: int = 0
    """Rows without a text, or without a label where the task has labels."""
    golden: pl.DataFrame | None = None

    @cached_property
    def held(self) -> Flags:
        """Which rows are asked about: a share of the duplicate groups, by a hash of the group."""
        first = self.frame["row_id"].gather(self.group).to_frame("first")
        seeded = plh.concat_str(pl.lit(f"{self.seed}:proof:"), pl.col("first")).nchash.xxh3_64()
        share = first.select((seeded // 2**11).cast(pl.Float64) / 2**53).to_series()
        return np.asarray(share.to_numpy() < HELD_OUT)

    @cached_property
    def pool(self) -> Integers:
        """Rows of the sample of everything that models may be trained on."""
        return np.flatnonzero(self.sampled & ~self.held)

    @cached_property
    def chosen(self) -> Integers:
        """Curated rows that models may be trained on."""
        return np.flatnonzero(self.curated & ~self.held)

    @cached_property
    def asked(self) -> Integers:
        """Rows that are asked about, golden ones left out."""
        turn = np.random.default_rng([self.seed, 23]).permutation(len(self.held))
        parts = []
        for kind in (self.sampled, self.curated):
            places = np.flatnonzero(self.held & kind)
            parts.append(places[np.argsort(turn[places])][:MOST_QUESTIONS])
        return np.unique(np.concatenate(parts))

    @cached_property
    def question_sets(self) -> tuple[AskedSet, ...]:
        """The sets of questions; the first one decides."""
        sets = []
        for name, kind in ((EVERYTHING, self.sampled), (OWN_KIND, self.curated)):
            places = np.flatnonzero(kind[self.asked])
            if name == EVERYTHING or len(places) >= LEAST:
                sets.append(AskedSet(name, places, self.group[self.asked[places]]))
        if self.golden is not None and self.golden.height:
            places = np.arange(self.golden.height) + len(self.asked)
            sets.insert(1, AskedSet(GOLDEN, places, group_rows(self.golden["text"], None, ALIKE)))
        return tuple(sets)

    @cached_property
    def digest(self) -> str:
        """Hash all that scores depend on beside the model and the rows trained on."""
        made = hashlib.sha256(str(self.seed).encode())
        for frame in (self.frame, self.golden):
            if frame is not None:
                for row in frame.select(pl.struct(~cs.binary()).struct.json_encode()).to_series():
                    made.update(row.encode() + b"\n")
        for flags in (self.curated, self.sampled, self.group):
            made.update(flags.tobytes())
        return made.hexdigest()

    @property
    def texts(self) -> pl.Series:
        """The texts of all rows, those of the golden ones last."""
        golden = [] if self.golden is None else [self.golden["text"]]
        return pl.concat([self.frame["text"], *golden])


def read_proof_rows(job: Job, curated: pl.Series, task: ProofTask, progress: Progress) -> ProofRows:
    """Read everything that the recipe reads, and number its duplicate groups.

    `curated` are the row ids of the set. Usable is a row with a text and, where the task has
    labels, a label. Of more than MOST_READ those are drawn whose hash is lowest. Raises a
    SiftsetError where there is nothing to compare.
    """
    usable = pl.col("text").is_not_null() & (pl.col("text").str.strip_chars() != "")
    if task.labelled and "label" not in job.sources.schema:
        raise TrainingError(
            "proof: the source has no column 'label': name the column of labels with  "
            "label: COLUMN  in the source"
        )
    if task.labelled:
        usable &= pl.col("label").is_not_null()
    named = group_text(job.recipe.split, job.sources.schema)
    drawn, counted = _DrawnRows(job.recipe.seed, task.labelled), 0
    short = np.sort(curated.to_frame("row_id").select(SHORT_ID).to_series().to_numpy())
    with progress.stage("read everything") as stage:
        for shard in job.shards:
            for batch in shard.read_batches():
                ids = batch.frame.select(SHORT_ID).to_series().to_numpy()
                # sorted once: a set of them, made anew for each batch, would grow with both
                at = np.searchsorted(short, ids).clip(max=max(0, len(short) - 1))
                rows = batch.frame.with_columns(
                    (pl.lit(None, pl.String) if named is None else named).alias(_NAMED),
                    to_series(_CURATED, short[at] == ids if len(short) else at < 0),
                )
                counted += rows.height
                drawn.add(rows.drop("source", strict=False), usable)
                stage.advance(rows.height)
    gone = len(curated) - drawn.met
    if gone > 0:
        raise TrainingError(
            f"proof: {gone:,} of the set's {format_count(len(curated), 'row')} "
            f"{conjugate(gone, 'are')} not in the source any more: run  siftset curate  first"
        )
    frame = task.name_labels(drawn.take())
    flags = frame[_CURATED].to_numpy()
    near = job.recipe.dedupe.near or ALIKE
    with progress.stage("find duplicate groups"):
        group = group_rows(frame["text"], None if named is None else frame[_NAMED], near)
    return ProofRows(
        frame.drop(_CURATED, _NAMED, _RANK),
        curated=flags & (_rank_flags(frame, flags) < MOST_CURATED),
        sampled=_rank_flags(frame, np.ones(frame.height, np.bool_)) < MOST_READ,
        group=group,
        seed=job.recipe.seed,
        read=drawn.usable,
        unusable=counted - drawn.usable,
        golden=task.golden,
    )


class _DrawnRows:
    """Rows of lowest hash, of everything and of the set; memory does not grow with the source."""

    def __init__(self, seed: int, labelled: bool) -> None:
        self._rank = plh.concat_str(pl.lit(f"{seed}:"), pl.col("row_id")).nchash.xxh3_64()
        self._labelled = labelled
        self._kept: list[pl.DataFrame] = []
        self.usable = self.met = 0

    def add(self, rows: pl.DataFrame, usable: pl.Expr) -> None:
        """Take what may be drawn of some rows."""
        self.met += int(rows[_CURATED].sum())
        found = rows.filter(usable)
        self.usable += found.height
        if self._labelled:
            shown = [c for c in found.columns if c in ("row_id", "text", "label", _CURATED, _NAMED)]
            found = found.select(shown)
        self._kept.append(found.with_columns(self._rank.alias(_RANK)))
        if sum(one.height for one in self._kept) > 3 * MOST_READ:
            self._kept = [self._draw()]

    def take(self) -> pl.DataFrame:
        """Return the rows that were drawn, in order of their ids."""
        drawn = self._draw()
        return drawn.unique("row_id", keep="first", maintain_order=True).sort("row_id")

    def _draw(self) -> pl.DataFrame:
        frame = pl.concat(self._kept, how="diagonal_relaxed")
        flags = frame[_CURATED].to_numpy()
        lowest = _rank_flags(frame, np.ones(frame.height, np.bool_)) < MOST_READ
        own = flags & (_rank_flags(frame, flags) < MOST_CURATED)
        return frame.filter(pl.Series(lowest | own, dtype=pl.Boolean))


def _rank_flags(frame: pl.DataFrame, flags: Flags) -> Integers:
    """Return the place of each row by its hash among those that are flagged; others come last."""
    places = np.full(frame.height, frame.height, np.int64)
    flagged = np.flatnonzero(flags)
    order = np.argsort(frame[_RANK].to_numpy()[flagged], kind="stable")
    places[flagged[order]] = np.arange(len(flagged))
    return places
