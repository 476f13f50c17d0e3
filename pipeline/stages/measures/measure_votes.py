"""What votes on labels came to, and how many known labels they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl
import polars_hash as plh

from siftset.schemas.errors import SiftsetError
from siftset.schemas.recipe.section import label_text
from siftset.schemas.results.label_metrics import LabelWorth, VoteMetrics
from siftset.signals.label_votes.voters import LABEL, VOTES, Voters, add_metrics
from siftset.signals.label_votes.worth import LabelledVectors, measure_worth
from siftset.signals.labels import labels_as_text
from siftset.signals.static_vectors.model import load_static

if TYPE_CHECKING:
    from siftset.pipeline.run.job import Job
    from siftset.pipeline.stages.process_shard import ShardResult
    from siftset.pipeline.storage.table import DataFile

LEAST_KNOWN: Final = 200
"""Rows with a known label below which nothing is said of what votes are worth."""
MOST_KNOWN: Final = 4_000
MOST_VOTED: Final = 5_000


def add_votes(results: Sequence[ShardResult]) -> VoteMetrics | None:
    """Add up what the votes of all shards came to; None where labels were not voted on."""
    votes = [result.votes for result in results if result.votes is not None]
    return reduce(add_metrics, votes) if votes else None


class GoldenVotes(NamedTuple):
    """What the voters of a recipe say of its golden rows."""

    rows: pl.DataFrame | None = None
    """Their text and label; None where nothing is measured."""
    metrics: VoteMetrics | None = None
    name: str = ""
    warnings: tuple[str, ...] = ()


def ask_golden(job: Job) -> GoldenVotes:
    """Ask the voters about the rows of `compare.golden`, whose labels are known.

    Measures nothing without votes, or where golden rows have no labels. A file that cannot be read,
    or lacks what the voters read, is a warning: the set does not depend on it.
    """
    if job.voters is None or job.recipe.compare.golden is None:
        return GoldenVotes()
    from siftset.trainer.comparison.folders import name_labels
    from siftset.trainer.comparison.questions import read_golden

    path = job.loaded.resolve(job.recipe.compare.golden)
    compare = job.recipe.compare.model_copy(update={"golden": str(path)})
    try:
        rows = read_golden(compare, job.loaded.folder)
        if rows is None or "label" not in rows.columns or rows.schema["label"].is_nested():
            return GoldenVotes()
        rows = name_labels(rows, job.recipe.train).drop_nulls("label")
        metrics = job.voters.measure_known(rows, "label")
    except SiftsetError as error:
        return GoldenVotes(warnings=(f"votes are not measured on golden rows: {error}",))
    return GoldenVotes(rows.select("text", "label"), metrics, path.name)


def measure_label_worth(
    voters: Voters | None,
    files: Sequence[DataFile],
    *,
    looks: bool,
    golden: GoldenVotes = GoldenVotes(),  # noqa: B008  which cannot change
) -> LabelWorth | None:
    """Return how many known labels do as well as the voted ones of a set.

    Known are those of the set's rows; where they are fewer than LEAST_KNOWN, those of golden rows.
    None where these are as few, and without scikit-learn. Half of the texts whose label is known
    are asked, by a hash of the text; the others are learned from.
    """
    if voters is None or not files or not looks:
        return None
    codes = {label_text(name): at for at, name in enumerate(voters.classes)}

    def number(column: str) -> pl.Expr:
        text = labels_as_text(pl.col(column))
        return text.replace_strict(codes, default=None, return_dtype=pl.Int64)

    hashed = plh.col("text").nchash.xxh3_64()
    rows = (
        pl.scan_parquet([file.path for file in files])
        .filter(pl.col("text").is_not_null())
        .select(
            "text",
            hash=hashed,
            known=pl.lit(None, pl.Int64) if voters.known is None else number(voters.known),
            # a label that people gave in a review is no vote
            voted=pl.when(pl.col(VOTES).list.len() > 0).then(number(LABEL)),
        )
        .filter(pl.col("known").is_not_null() | pl.col("voted").is_not_null())
    )
    some = rows.filter(pl.col("known").is_not_null()).bottom_k(MOST_KNOWN, by="hash").collect()
    told = ""
    if some.height < LEAST_KNOWN and golden.rows is not None:
        outside = golden.rows.select("text", hash=hashed, known=number("label"))
        some, told = outside.drop_nulls().bottom_k(MOST_KNOWN, by="hash"), golden.name
    if some.height < LEAST_KNOWN:
        return None
    asked = pl.col("hash") // 2**32 % 2 == 0
    questions, learned = some.filter(asked), some.filter(~asked)
    voted = rows.filter(pl.col("voted").is_not_null()).join(
        questions.lazy().select("hash"), on="hash", how="anti"
    )
    try:
        found = measure_worth(
            _embed(voted.bottom_k(MOST_VOTED, by="hash").collect(), "voted"),
            _embed(learned, "known"),
            _embed(questions, "known"),
        )
    except ImportError:
        return None
    return None if found is None else found.model_copy(update={"of": told})


def _embed(rows: pl.DataFrame, label: str) -> LabelledVectors:
    ordered = rows.sort("hash", "text")
    return LabelledVectors(load_static().embed(ordered["text"]), ordered[label].to_numpy())
