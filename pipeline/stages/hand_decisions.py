"""What people decided, applied to the rows of a shard and counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from siftset.pipeline.decisions.table import CLAUSE, MET, DecidedRows
from siftset.pipeline.run.content_key import TEXT_KEY
from siftset.pipeline.storage.part_files import Part, read_parts

if TYPE_CHECKING:
    from siftset.signals.evaluation.decisions import Decisions

REVIEWED: Final = pl.Schema(
    [
        *MET.items(),
        ("formula", pl.Boolean()),
        ("ended", pl.String()),
        (TEXT_KEY, pl.UInt128()),
    ]
)
"""What a shard puts aside of rows that people decided: also what the formula says, where the row
ended before duplicates are found, and what its exact duplicates share."""
COVERED: Final = "review"
"""The kind of a duplicate that goes because the row that it repeats was dropped by hand."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Which rows of a frame are kept, and which are rejected; the others are left open."""

    kept: pl.Series
    refused: pl.Series
    open_by_fault: pl.Series
    clause: pl.Series
    """String or Enum: why a row that is not kept is not."""


def route_rows(decisions: Decisions, verdict: pl.Series | None) -> Routing:
    """Say which rows the formula keeps, or people do, whose verdicts stand over it.

    `verdict` is None where the run has no decisions. A fault leaves no row open that has one.
    """
    said_yes = decisions.keep.fill_null(False)
    open_by_fault = decisions.faulted & decisions.keep.is_null()
    if verdict is None:
        return Routing(said_yes, ~said_yes & ~open_by_fault, open_by_fault, decisions.clause)
    dropped = (verdict == "drop").fill_null(False)
    kept = (said_yes | (verdict == "keep").fill_null(False)) & ~dropped
    open_by_fault = open_by_fault & verdict.is_null()
    # a signal may be called as our clause is: one name a category
    known = decisions.clause.dtype
    names = [*known.categories.to_list(), CLAUSE] if isinstance(known, pl.Enum) else [CLAUSE]
    clause = decisions.clause.cast(pl.String).set(dropped, CLAUSE)
    clause = clause.cast(pl.Enum(list(dict.fromkeys(names))))
    return Routing(kept, ~kept & ~open_by_fault, open_by_fault, clause)


def describe_reviewed(
    decided: DecidedRows,
    failing: pl.Series | None,
    formula: pl.Series,
    routing: Routing,
    content_key: pl.Expr | None,
) -> pl.DataFrame:
    """Return REVIEWED of a batch; `formula` and `routing` are of the rows that are not failing."""
    rows = pl.DataFrame({"formula": formula, "kept": routing.kept, "refused": routing.refused})
    if failing is not None:
        sound = pl.DataFrame({"_sound": ~failing}).with_row_index("_at")
        numbered = rows.hstack(sound.filter("_sound").select("_at"))
        rows = sound.join(numbered, on="_at", how="left", maintain_order="left")
    ended = (
        pl.when("kept").then(pl.lit("candidates")).when("refused").then(pl.lit("rejected"))
    ).otherwise(pl.lit("quarantine"))
    key = pl.lit(None, pl.UInt128) if content_key is None else content_key
    places = decided.found["_at"]
    # not select(), which makes one row of a literal
    keys = decided.frame[places].with_columns(key.alias(TEXT_KEY)).select(TEXT_KEY)
    told = rows[places].select("formula", ended.alias("ended"))
    return decided.found.select(MET.names()).hstack(told).hstack(keys.to_series().to_frame())


def find_covered(parts: Sequence[Part], reviewed: Iterable[Part]) -> pl.DataFrame:
    """Return place, keeper and kind of candidates whose text was dropped by hand in another row.

    A text that somebody kept by hand stays, whichever of its rows was dropped.
    """
    found = read_reviewed(reviewed).filter(pl.col(TEXT_KEY).is_not_null())
    kept = found.filter(pl.col("verdict") == "keep").select(TEXT_KEY)
    dropped = found.filter(pl.col("verdict") == "drop").select(TEXT_KEY).unique()
    dropped = dropped.join(kept, on=TEXT_KEY, how="anti")
    frames = [pl.DataFrame(schema={"place": pl.Int64})]
    start = 0
    for frame in read_parts(parts, [TEXT_KEY]) if dropped.height else ():
        numbered = frame.with_columns(
            place=pl.int_range(start, start + frame.height, dtype=pl.Int64, eager=True)
        )
        frames.append(numbered.join(dropped, on=TEXT_KEY, how="semi").select("place"))
        start += frame.height
    return pl.concat(frames).with_columns(keeper=pl.lit(-1, pl.Int64), kind=pl.lit(COVERED))


def read_reviewed(parts: Iterable[Part]) -> pl.DataFrame:
    """Return REVIEWED of all parts; of a row that was read twice, what came to apply."""
    frames = [pl.DataFrame(schema=REVIEWED), *read_parts([*parts])]
    order = pl.col("state") != "applied"
    return (
        pl.concat(frames)
        .sort(order, maintain_order=True)
        .unique("row_id", keep="first", maintain_order=True)
    )
