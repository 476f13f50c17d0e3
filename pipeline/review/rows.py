"""Every row that a recipe reads, where it went, and what the signals said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from siftset.pipeline.decisions.seen import hash_records
from siftset.pipeline.remote_output.open import open_store
from siftset.pipeline.review.columns import CodedColumn, encode_column
from siftset.pipeline.run.job import SECTIONS, Job, load_job
from siftset.pipeline.storage.remote import fetch_below
from siftset.pipeline.storage.run_folder import RUNS, run_folders
from siftset.pipeline.storage.table import Store
from siftset.schemas.conversations import COLUMN
from siftset.schemas.errors import OutputError
from siftset.schemas.recipe.loading import LoadedRecipe, RecipeLike
from siftset.schemas.results.columns import STATES
from siftset.signals.labels import label_column

KEPT: Final = "kept"
REJECTED: Final = "rejected"
QUARANTINED: Final = "quarantined"
DUPLICATE: Final = "duplicate"
UNREAD: Final = "not yet read"
PARTS: Final = (KEPT, REJECTED, QUARANTINED, DUPLICATE, UNREAD)
"""Where a row went in the latest run that had it."""

FACET_VALUES: Final = 40
"""A column of the source with at most so many values is offered as a facet."""
_FACET_TYPES: Final = (pl.String, pl.Boolean, pl.Categorical, pl.Enum)
_LONGEST: Final = 60
"""A value of a facet has at most so many characters."""
SEEN, FILE, RECORD, LABEL, ID = ":seen", ":file", ":record", ":label", ":id"
PART, WHY, REPEATS = ":part", ":why", ":repeats"
"""Columns of ours, beside those of the source, which may have any name but these."""
SIGNAL: Final = "signal:"
SCORE: Final = "score:"


@dataclass(frozen=True, slots=True)
class ReviewRows:
    """The rows of a recipe, in the order of its source."""

    loaded: LoadedRecipe
    job: Job
    frame: pl.DataFrame
    """row_id, text, our columns (label and id as text), a column for each signal's state and
    score, and the columns that facets and signals read."""
    version: int
    run_id: str
    signals: tuple[str, ...]
    scores: tuple[str, ...]
    facets: Mapping[str, CodedColumn]
    """What rows are filtered by: part, label, why, and columns of few values."""
    lowered: pl.Series
    """The texts in lower case, which are searched."""

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.frame.height

    def states(self, signal: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Return what a signal said of each row, as codes of STATES; skipped where nothing did."""
        states = self.frame[SIGNAL + signal]
        return states.to_physical().fill_null(STATES.index("skipped")).to_numpy().astype(np.uint8)


def read_review_rows(recipe: RecipeLike, overrides: tuple[str, ...] = ()) -> ReviewRows:
    """Read a recipe's source again and lay beside each row what the latest run said of it.

    Raises OutputError where nothing was published yet, and what opening the source raises.
    """
    loaded, store = open_store(recipe, overrides=overrides, uses=SECTIONS)
    current = store.current()
    if current is None:
        raise OutputError(
            f"{store.output} holds no set yet, so there is nothing to review: run  siftset curate"
        )
    job = load_job(loaded)
    source = _read_source(job)
    if source.is_empty():
        raise OutputError("the source holds no row that could be reviewed: name files that do")
    outcomes = _read_outcomes(store)
    frame = source.join(outcomes, on="row_id", how="left", maintain_order="left")
    frame = frame.with_columns(pl.col(PART).fill_null(UNREAD).cast(pl.Enum(PARTS)))
    named = [name.removeprefix(SIGNAL) for name in outcomes.columns if name.startswith(SIGNAL)]
    scored = [name.removeprefix(SCORE) for name in outcomes.columns if name.startswith(SCORE)]
    return ReviewRows(
        loaded,
        job,
        frame,
        current.version,
        current.run_id,
        tuple(named),
        tuple(scored),
        _find_facets(frame),
        frame["text"].fill_null("").str.to_lowercase(),
    )


def _read_source(job: Job) -> pl.DataFrame:
    schema = job.sources.schema
    asked = {"text", *job.decider.columns, *job.recipe.split.groups}
    if not asked <= set(schema):  # a view of conversations is computed from them
        asked = (asked & set(schema)) | {COLUMN}
    wanted = [name for name, dtype in schema.items() if name in asked or dtype in _FACET_TYPES]
    none = pl.lit(None, pl.String)
    parts = []
    for shard in job.shards:
        for batch in shard.read_batches():
            seen = hash_records(batch.frame, job.read_schema.names())
            frame = job.label_rows(batch.frame)
            parts.append(
                frame.select(
                    "row_id",
                    seen.alias(SEEN),
                    pl.col("source").struct.field("file").alias(FILE),
                    pl.col("source").struct.field("record").alias(RECORD),
                    (label_column(frame) if "label" in schema else none).alias(LABEL),
                    (pl.col("id").cast(pl.String) if "id" in schema else none).alias(ID),
                    *wanted,
                ).with_columns(pl.col("text").cast(pl.String))
            )
    frame = pl.concat(parts) if parts else pl.DataFrame(schema={"row_id": pl.String})
    needless = [name for name in wanted if name not in asked and not _is_facet(name, frame)]
    return frame.drop(needless)


def _is_facet(name: str, frame: pl.DataFrame) -> bool:
    values = frame[name]
    if name in ("row_id", "text", "label", "id") or name.startswith((":", SIGNAL, SCORE)):
        return False
    if values.dtype not in _FACET_TYPES or not 1 < values.n_unique() <= FACET_VALUES:
        return False
    return bool((values.cast(pl.String).str.len_chars() <= _LONGEST).all())


def _find_facets(frame: pl.DataFrame) -> dict[str, CodedColumn]:
    """Return what rows can be filtered by, in the order in which a page shows it."""
    found = {"part": encode_column(frame[PART])}
    if frame[LABEL].null_count() < frame.height:
        found["label"] = encode_column(frame[LABEL])
    found |= {name: encode_column(frame[name]) for name in frame.columns if _is_facet(name, frame)}
    if "file" not in found and frame[FILE].n_unique() > 1:
        found["file"] = encode_column(frame[FILE])
    if frame[WHY].null_count() < frame.height:
        found["why"] = encode_column(frame[WHY])
    return found


def _read_outcomes(store: Store) -> pl.DataFrame:
    """Return each row's part, why, and what the signals said, from the set and its runs."""
    frames = [_flatten_rows(store.scan().collect(), KEPT, pl.lit(None, pl.String))]
    for folder in run_folders(store.output):
        if folder.manifest().get("state") != "published":
            continue
        for name, part, why in _PLACES:
            fetch_below(folder.output, f"{RUNS}/{folder.run_id}/{name}")
            files = sorted((folder.path / name).glob("*.parquet"))
            if files:
                rows = pl.read_parquet(files, missing_columns="insert")
                frames.append(_flatten_rows(rows, part, why))
    found = pl.concat(frames, how="diagonal_relaxed")
    # The set as it is now goes first, then the latest run that had the row.
    return found.unique("row_id", keep="first", maintain_order=True)


_PLACES: Final = (
    ("rejected", REJECTED, pl.col("clause").cast(pl.String)),
    ("quarantine", QUARANTINED, pl.col("_reasons").list.join("; ")),
    ("duplicates", DUPLICATE, pl.lit(None, pl.String)),
)


def _flatten_rows(rows: pl.DataFrame, part: str, why: pl.Expr) -> pl.DataFrame:
    repeats = pl.col("duplicate_of") if part == DUPLICATE else pl.lit(None, pl.String)
    return rows.select(
        "row_id",
        pl.lit(part).alias(PART),
        why.alias(WHY),
        repeats.alias(REPEATS),
        *_fields(rows, "signals", SIGNAL, pl.Enum(STATES)),
        *_fields(rows, "scores", SCORE, pl.Float64()),
    )


def _fields(rows: pl.DataFrame, column: str, prefix: str, dtype: pl.DataType) -> Iterator[pl.Expr]:
    held = rows.schema.get(column)
    for field in held.fields if isinstance(held, pl.Struct) else ():
        yield (pl.col(column).struct.field(field.name).cast(dtype).alias(prefix + field.name))
